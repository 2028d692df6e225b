"""Images with exact masks, drawn by a program.

Each family imitates what microscopes and scanners show: blobs, cells with nuclei,
tissue without gaps, tubes, and organs. Texture, uneven illumination, blur, noise,
contrast and colour are drawn at random on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    FloatImage = npt.NDArray[np.float32]
    LabelImage = npt.NDArray[np.int32]
    Scene = tuple[FloatImage, tuple[LabelImage, ...]]


def draw_sample(rng: np.random.Generator, size: int) -> Sample:
    """Draw one image with its masks.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    size : int
        Side of the image in pixels.

    Returns
    -------
    Sample
        An 8-bit image, grey or RGB, with one or two label layers.
    """
    family = FAMILIES[rng.integers(len(FAMILIES))]
    image, layers = family(rng, size)
    return Sample(_expose(image, rng), layers)


def draw_blobs(rng: np.random.Generator, size: int) -> Scene:
    """Draw separate or touching blobs of one kind, such as nuclei."""
    labels = np.zeros((size, size), np.int32)
    image = _texture(rng, size, 0.1 * rng.random())
    radius = size * rng.uniform(0.02, 0.14)
    bright, spread = rng.uniform(0.3, 1.0), rng.uniform(0, 0.4)
    grain = _texture(rng, size, rng.uniform(0, 0.5))
    count = int(rng.uniform(0.1, 0.5) * size**2 / (4 * radius**2)) + 1
    for number in range(1, min(count, 80) + 1):
        blob = _blob(rng, size, radius * rng.uniform(0.6, 1.4), rng.uniform(0, 0.25))
        free = blob & (labels == 0)
        if free.sum() < 0.6 * blob.sum():
            continue
        labels[free] = number
        image[free] = bright * (1 + spread * rng.normal()) + grain[free]
    return image, (labels,)


def draw_cells(rng: np.random.Generator, size: int) -> Scene:
    """Draw cell bodies with a nucleus each; two layers."""
    cells = np.zeros((size, size), np.int32)
    nuclei = np.zeros_like(cells)
    image = _texture(rng, size, 0.1)
    radius = size * rng.uniform(0.08, 0.25)
    body, core, rim = rng.uniform(0.1, 1, 3) * rng.choice([-1, 1], 3)
    for number in range(1, int(rng.integers(2, 16)) + 1):
        centre = rng.uniform(0, size, 2)
        outer = _blob(rng, size, radius * rng.uniform(0.7, 1.3), 0.2, centre)
        outer &= cells == 0
        inner = _blob(rng, size, radius * rng.uniform(0.25, 0.5), 0.1, centre) & outer
        if inner.sum() < 12:
            continue
        cells[outer], nuclei[inner] = number, number
        image[outer] += body * rng.uniform(0.6, 1.2)
        image[inner] += core * rng.uniform(0.6, 1.2)
        image[outer ^ ndimage.binary_erosion(outer)] += rim
    return image + _texture(rng, size, 0.15), (cells, nuclei)


def draw_tissue(rng: np.random.Generator, size: int) -> Scene:
    """Draw cells that fill the plane, divided by membranes."""
    count = int(rng.integers(6, 60))
    seeds = rng.uniform(0, size, (count, 2)).astype(np.float32)
    warp = [
        _texture(rng, size, 0.03 * size, cells=int(rng.integers(3, 9))) for _ in "yx"
    ]
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    owner, first, second = _two_nearest(rows + warp[0], columns + warp[1], seeds)
    membrane = second - first < rng.uniform(2, 0.03 * size + 3)
    labels = np.where(membrane, 0, owner + 1).astype(np.int32)
    inside = rng.uniform(0.3, 0.7) + rng.uniform(0, 0.15) * rng.normal(size=count + 1)
    image = inside[labels].astype(np.float32)
    image[membrane] = inside.mean() + rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)
    return image + _texture(rng, size, 0.1), (labels,)


def _two_nearest(
    rows: FloatImage, columns: FloatImage, seeds: FloatImage
) -> tuple[LabelImage, FloatImage, FloatImage]:
    """Return each pixel's nearest seed, and the distances to it and to the next."""
    owner = np.zeros(rows.shape, np.int32)
    first = np.full(rows.shape, np.inf, np.float32)
    second = first.copy()
    for number, (row, column) in enumerate(seeds):
        distance = np.hypot(rows - row, columns - column)
        nearer = distance < first
        second = np.where(nearer, first, np.minimum(second, distance))
        owner[nearer] = number
        first[nearer] = distance[nearer]
    return owner, first, second


def draw_tubes(rng: np.random.Generator, size: int) -> Scene:
    """Draw smooth curves of some width, such as vessels and fibres."""
    labels = np.zeros((size, size), np.int32)
    image = _texture(rng, size, 0.15)
    sign = rng.choice([-1, 1])
    for number in range(1, int(rng.integers(1, 8)) + 1):
        line = np.zeros((size, size), bool)
        steps = 3 * size
        angle = np.cumsum(rng.normal(0, rng.uniform(0.005, 0.04), steps))
        angle += rng.uniform(0, 2 * np.pi)
        path = rng.uniform(0, size, 2) + 0.6 * np.stack(
            [np.cumsum(np.sin(angle)), np.cumsum(np.cos(angle))], axis=1
        )
        path = path[np.all((path >= 0) & (path < size), axis=1)].astype(int)
        line[path[:, 0], path[:, 1]] = True
        tube = ndimage.distance_transform_edt(~line) < rng.uniform(2, 0.05 * size)
        if not line.any():
            continue
        labels[tube] = number
        image[tube] = sign * rng.uniform(0.3, 1.0)
    return image, (labels,)


def draw_organs(rng: np.random.Generator, size: int) -> Scene:
    """Draw large smooth shapes in a body, such as organs in a scan; two layers."""
    centre = np.full(2, size / 2) + rng.normal(0, 0.05 * size, 2)
    body = _blob(rng, size, size * rng.uniform(0.3, 0.6), 0.1, centre)
    organs = np.zeros((size, size), np.int32)
    image = body * rng.uniform(0.2, 0.6) + _texture(rng, size, 0.05)
    for number in range(1, int(rng.integers(2, 10)) + 1):
        radius = size * rng.uniform(0.03, 0.22)
        organ = _blob(rng, size, radius, rng.uniform(0.05, 0.4)) & body
        if organ.sum() < 25:
            continue
        organs[organ] = number
        image[organ] = rng.uniform(0, 1) + _texture(rng, size, 0.1)[organ]
        if rng.random() < 0.3:  # a wall of another brightness
            wall = organ ^ ndimage.binary_erosion(organ, iterations=2)
            image[wall] = rng.uniform(0, 1)
    return image.astype(np.float32), (organs, body.astype(np.int32))


FAMILIES: tuple[Callable[[np.random.Generator, int], Scene], ...] = (
    draw_blobs,
    draw_cells,
    draw_tissue,
    draw_tubes,
    draw_organs,
)
"""Every family is drawn equally often."""


def _blob(
    rng: np.random.Generator,
    size: int,
    radius: float,
    roughness: float,
    centre: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Draw an ellipse whose radius is modulated by a few harmonics."""
    if centre is None:
        centre = rng.uniform(0, size, 2)
    top, left = np.clip(centre - 2 * radius, 0, size).astype(int)
    bottom, right = np.clip(centre + 2 * radius + 1, 0, size).astype(int)
    rows, columns = np.ogrid[top:bottom, left:right]
    dy, dx = rows - centre[0], columns - centre[1]
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.5, 1)
    along = dx * np.cos(turn) + dy * np.sin(turn)
    across = (dy * np.cos(turn) - dx * np.sin(turn)) / squeeze
    angle = np.arctan2(across, along)
    edge = np.ones_like(angle)
    for harmonic in range(2, 6):
        phase = rng.uniform(0, 2 * np.pi)
        edge += roughness * rng.normal() / harmonic * np.cos(harmonic * angle + phase)
    inside = np.zeros((size, size), bool)
    inside[top:bottom, left:right] = np.hypot(along, across) < radius * edge
    return inside


def _texture(
    rng: np.random.Generator, size: int, strength: float, cells: int | None = None
) -> FloatImage:
    """Draw smooth noise of this strength, with this many grains along a side."""
    cells = cells or int(2 ** rng.uniform(2, np.log2(size)))
    coarse = rng.normal(size=(cells, cells)).astype(np.float32)
    texture = ndimage.zoom(
        coarse, size / cells, order=1, grid_mode=True, mode="nearest"
    )
    scaled: FloatImage = strength * texture[:size, :size]
    return scaled


def _expose(image: FloatImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Take the picture: blur, illumination, noise, contrast, perhaps colour."""
    size = image.shape[0]
    blurred = ndimage.gaussian_filter(image, rng.uniform(0, 0.008 * size))
    lit = blurred * (1 + _illumination(rng, size))
    image = lit + rng.normal(0, rng.uniform(0, 0.12), image.shape)
    low, high = np.percentile(image, [0.3, 99.7])
    image = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    image = image ** rng.uniform(0.6, 1.6)
    if rng.random() < 0.4:
        image = 1 - image
    if rng.random() < 0.3:
        dark, bright = rng.uniform(0, 1, (2, 3))
        image = dark + image[..., None] * (bright - dark)
    shade, gain = rng.uniform(0, 40), rng.uniform(150, 215)
    exposed: npt.NDArray[np.uint8] = (shade + gain * image).astype(np.uint8)
    return exposed


def _illumination(rng: np.random.Generator, size: int) -> FloatImage:
    coarse = rng.normal(0, rng.uniform(0, 0.3), (3, 3)).astype(np.float32)
    field: FloatImage = ndimage.zoom(coarse, size / 3, order=1)[:size, :size]
    return field
