"""Images made from a random seed, with their true labels, to try things on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]

NUCLEI_SCALE = (2.0, 0.5, 0.5)
"""Voxel size of `nuclei_volume` along z, y, x, in micrometres."""

NUCLEI_SEEN = 1, 99.7
"""Percentiles of `nuclei_volume` that are shown black and white."""
ORGAN_SCALE = 0.8, 0.8
"""Millimetres per pixel of `organ_slice`, as in a usual abdominal CT."""

SMALLEST_SHAPE = (4, 32, 32)
RADIUS_UM = 4.0, 6.5
"""Smallest and largest mean radius of a nucleus, in micrometres."""
FILLING = 0.21
"""Share of the volume that the nuclei take."""
LARGEST_OVERLAP = 0.08
"""Share of a new nucleus that may already be taken: such pairs touch."""
FREE_UM, LARGEST_CROWD = 4.0, 0.05
"""So far around a nucleus that stands free others fill less than this share."""
BLUR_UM = 1.5, 0.35, 0.35
"""Width of the point spread along z, y, x, in micrometres."""
HAZE_UM = 9.0, 7.0, 7.0
GRAIN_PIXELS, NUCLEOLUS_PIXELS = (0.5, 2.0, 2.0), (0.8, 3.2, 3.2)
"""Width of chromatin grains and of nucleoli along z, y, x."""
PHOTONS = 90.0
"""Photons of a bright voxel: sets the shot noise."""
GAIN, OFFSET, READ_NOISE = 38.0, 110.0, 9.0
"""Camera: counts per photon, counts in the dark, counts of noise."""


@dataclass(frozen=True)
class Ellipsoid:
    """Place and form of a nucleus.

    Parameters
    ----------
    centre : (3,) float array
        z, y, x in micrometres.
    to_unit : (3, 3) float array
        Takes offsets from the centre to a sphere of radius 1.
    reach : (3,) float array
        Half size of the box around it along z, y, x, in micrometres.
    """

    centre: npt.NDArray[np.float64]
    to_unit: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]


def nuclei_volume(
    shape: tuple[int, int, int] = (40, 160, 160), seed: int = 0
) -> tuple[npt.NDArray[np.uint16], Labels]:
    """Make a fluorescence stack of cell nuclei and their true labels.

    Parameters
    ----------
    shape : (int, int, int)
        Planes, rows, columns; voxels are `NUCLEI_SCALE` micrometres in size.
    seed : int
        The same seed gives the same image.

    Returns
    -------
    image : (Z, Y, X) uint16 array
        Crowded nuclei of different size, brightness and texture, some touching; with
        blur, haze, uneven light, shot noise and camera noise.
    labels : (Z, Y, X) int32 array
        Number of the nucleus, 0 between them.

    Raises
    ------
    ImageError
        If the shape is smaller than `SMALLEST_SHAPE`.
    """
    if len(shape) != 3 or np.any(np.less(shape, SMALLEST_SHAPE)):
        raise ImageError(f"Expected a shape from {SMALLEST_SHAPE} on, got {shape}.")
    rng = np.random.default_rng(seed)
    labels = _place_nuclei(shape, rng)
    stain = _stain(labels, rng)
    signal = _blurred(stain, BLUR_UM) + 0.25 * _blurred(stain, HAZE_UM) + 0.03
    return _photograph(signal * _illumination(shape), rng), labels


def large_nucleus(
    labels: Labels,
) -> tuple[tuple[int, int, int], npt.NDArray[np.bool_]]:
    """Choose a nucleus to show something on: a large one that stands free.

    Parameters
    ----------
    labels : (Z, Y, X) int array
        From `nuclei_volume`.

    Returns
    -------
    voxel : (int, int, int)
        The innermost one of the nucleus.
    mask : (Z, Y, X) bool array
        The nucleus.

    Notes
    -----
    The largest one that is whole and of whose surroundings others fill little; if there
    is none, the largest whole one. Where nuclei touch, one click may take both.
    """
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    for axis in range(3):
        sizes[np.unique(labels.take((0, -1), axis))] = 0
    largest_first = [int(i) for i in np.argsort(-sizes, kind="stable") if sizes[i]]
    boxes = ndimage.find_objects(labels)
    free = (i for i in largest_first if _stands_free(labels, i, boxes[i - 1]))
    mask = labels == next(free, sizes.argmax())
    depth = ndimage.distance_transform_edt(mask, sampling=NUCLEI_SCALE)
    z, row, column = np.unravel_index(depth.argmax(), depth.shape)
    return (int(z), int(row), int(column)), mask


def _stands_free(labels: Labels, number: int, box: tuple[slice, ...]) -> bool:
    """Return whether others fill little of what surrounds a nucleus."""
    margins = (int(FREE_UM // size) for size in NUCLEI_SCALE)
    around = tuple(
        slice(max(part.start - margin, 0), part.stop + margin)
        for part, margin in zip(box, margins, strict=True)
    )
    part = labels[around]
    distance = ndimage.distance_transform_edt(part != number, sampling=NUCLEI_SCALE)
    shell = (distance > 0) & (distance <= FREE_UM)
    return bool(np.mean(part[shell] > 0) < LARGEST_CROWD)


def nuclei_picture(seed: int) -> tuple[npt.NDArray[np.uint8], Labels]:
    """Make a picture of nuclei, the middle slice of a stack, and its labels.

    Parameters
    ----------
    seed : int
        The same seed gives the same picture.

    Returns
    -------
    image : (160, 160) uint8 array
        Stretched as a viewer shows it.
    labels : (160, 160) int32 array
        Number of the nucleus, 0 between them.
    """
    image, labels = nuclei_volume((16, 160, 160), seed)
    low, high = np.percentile(image, NUCLEI_SEEN)
    grey = np.clip((image[8] - low) / (high - low), 0, 1)
    return (255 * grey).round().astype(np.uint8), labels[8]


def organ_slice(
    shape: tuple[int, int] = (256, 256), seed: int = 0
) -> tuple[npt.NDArray[np.int16], Labels]:
    """Make a slice through a trunk, as from computed tomography, and its labels.

    Parameters
    ----------
    shape : (int, int)
        Rows, columns.
    seed : int
        The same seed gives the same image.

    Returns
    -------
    image : (Y, X) int16 array
        In Hounsfield units: -1000 is air, 0 is water.
    labels : (Y, X) int32 array
        1 liver, 2 spleen, 3 and 4 kidneys, 5 spine, 6 aorta, 7 stomach.
    """
    rng = np.random.default_rng(seed)
    rows, columns = _grid(shape)
    image = np.full(shape, -1000.0, np.float32)
    bend = _smooth_noise(shape, min(shape) / 12, rng)
    body = _ellipse(rows, columns, (0.5, 0.5, 0.36, 0.45), bend)
    image[body] = -95.0  # fat under the skin
    image[_ellipse(rows, columns, (0.5, 0.5, 0.31, 0.40), bend)] = 45.0  # muscle
    image[_ellipse(rows, columns, (0.48, 0.5, 0.26, 0.36), bend)] = -70.0
    labels = np.zeros(shape, np.int32)
    for number, (outline, density) in enumerate(ORGANS, start=1):
        inside = _ellipse(rows, columns, outline, bend)
        image[inside], labels[inside] = density, number
    image[body] += 9.0 * _smooth_noise(shape, 1.5, rng)[body]
    image = ndimage.gaussian_filter(image, 0.8)
    image += 11.0 * _smooth_noise(shape, 0.6, rng)
    return np.clip(image, -1024, 3071).round().astype(np.int16), labels


ORGANS = (
    ((0.44, 0.32, 0.19, 0.16), 112.0),
    ((0.50, 0.78, 0.11, 0.055), 125.0),
    ((0.62, 0.34, 0.075, 0.05), 180.0),
    ((0.62, 0.66, 0.075, 0.05), 184.0),
    ((0.70, 0.50, 0.06, 0.055), 330.0),
    ((0.60, 0.52, 0.026, 0.026), 235.0),
    ((0.36, 0.63, 0.08, 0.10), 25.0),
)
"""Centre and half axes as shares of the slice, and density, from 1 on."""


def _place_nuclei(shape: tuple[int, int, int], rng: np.random.Generator) -> Labels:
    labels = np.zeros(shape, np.int32)
    wanted, failures = FILLING * labels.size, 0
    number = 1
    while np.count_nonzero(labels) < wanted and failures < 400:
        window, inside = _rasterised(_random_ellipsoid(shape, rng), shape, rng)
        free = inside & (labels[window] == 0)
        if free.sum() < max(30, (1 - LARGEST_OVERLAP) * inside.sum()):
            failures += 1
            continue
        labels[window][free] = number
        number += 1
    return labels


def _random_ellipsoid(
    shape: tuple[int, int, int], rng: np.random.Generator
) -> Ellipsoid:
    size = np.multiply(shape, NUCLEI_SCALE)
    axes = rng.uniform(*RADIUS_UM) * rng.uniform(0.75, 1.25, 3)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    to_unit = rotation / axes[:, np.newaxis]
    reach = np.sqrt(((rotation * axes[:, np.newaxis]) ** 2).sum(axis=0)) * 1.2
    return Ellipsoid(rng.uniform(0, size), to_unit, reach)


def _rasterised(
    nucleus: Ellipsoid, shape: Sequence[int], rng: np.random.Generator
) -> tuple[tuple[slice, ...], npt.NDArray[np.bool_]]:
    # Returns the box around the nucleus in the volume, and its voxels in that box.
    low = np.maximum((nucleus.centre - nucleus.reach) / NUCLEI_SCALE, 0).astype(int)
    high = np.ceil((nucleus.centre + nucleus.reach) / NUCLEI_SCALE).astype(int) + 1
    high = np.minimum(high, shape)
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    places = np.moveaxis(np.mgrid[window], 0, -1) * NUCLEI_SCALE - nucleus.centre
    places = places @ nucleus.to_unit.T
    distance = np.linalg.norm(places, axis=-1)
    direction = places / np.maximum(distance, 1e-6)[..., np.newaxis]
    dents = np.sin(
        direction @ rng.normal(scale=2.5, size=(3, 3)) + rng.uniform(0, 6, 3)
    )
    return window, distance < 1 + 0.07 * dents.sum(axis=-1)


def _stain(labels: Labels, rng: np.random.Generator) -> Floats:
    # Every nucleus has its own brightness, a dim rim, grains and dark nucleoli.
    count = int(labels.max())
    brightness = np.append(0.0, rng.lognormal(-0.5, 0.3, count))
    strength = np.append(0.0, rng.uniform(0.08, 0.3, count))
    grains = _smooth_noise(labels.shape, GRAIN_PIXELS, rng)
    nucleoli = _smooth_noise(labels.shape, NUCLEOLUS_PIXELS, rng) > 1.7
    signal = brightness[labels] * (1 + strength[labels] * grains)
    signal *= np.where(nucleoli, 0.6, 1.0)
    depth = ndimage.distance_transform_edt(labels > 0, sampling=NUCLEI_SCALE)
    signal *= 0.75 + 0.25 * np.clip(depth / 2.0, 0, 1)
    return np.maximum(signal, 0).astype(np.float32)


def _illumination(shape: Sequence[int]) -> Floats:
    # The field fades towards a corner, and light is lost on the way into the sample.
    depth, rows, columns = _grid(shape)
    field = 1.0 - 0.45 * ((rows - 0.42) ** 2 + (columns - 0.55) ** 2)
    return (field * np.exp(-0.45 * depth)).astype(np.float32)


def _photograph(
    signal: npt.NDArray[np.floating], rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    photons = rng.poisson(signal * PHOTONS)
    counts = OFFSET + GAIN * photons + rng.normal(0, READ_NOISE, signal.shape)
    return np.clip(counts, 0, 65535).round().astype(np.uint16)


def _blurred(signal: Floats, width_um: Sequence[float]) -> Floats:
    blurred: Floats = ndimage.gaussian_filter(
        signal, np.divide(width_um, NUCLEI_SCALE), mode="nearest"
    )
    return blurred


def _smooth_noise(
    shape: Sequence[int], width: float | Sequence[float], rng: np.random.Generator
) -> Floats:
    noise = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), width, mode="wrap"
    )
    scaled: Floats = noise / noise.std()
    return scaled


def _grid(shape: Sequence[int]) -> tuple[npt.NDArray[np.float64], ...]:
    return np.meshgrid(
        *(np.linspace(0, 1, length) for length in shape), indexing="ij", sparse=True
    )


def _ellipse(
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
    outline: tuple[float, float, float, float],
    bend: Floats,
) -> npt.NDArray[np.bool_]:
    row, column, half_height, half_width = outline
    distance = ((rows - row) / half_height) ** 2 + (
        (columns - column) / half_width
    ) ** 2
    inside: npt.NDArray[np.bool_] = distance < 1 + 0.09 * bend
    return inside
