"""Random views of a sample: crop, scale, flips, turns, contrast, noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.model.shape import TINY

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.training.samples.samples import Sample

FRAME = TINY.image_size
"""Side of the square at which the model will be used, in pixels."""
SMALLEST_CROP, LARGEST_CROP = 0.4, 2.0
"""Range of crops, in shares of the image's longer side, at that size."""


@dataclass(frozen=True)
class View:
    """A sample cut to the network's square, with what is padding.

    Parameters
    ----------
    image : (S, S, 3) uint8 array
        Pixels, zero where padded.
    layers : tuple of (S, S) int32 arrays
        Label layers.
    prior : (S, S) int32 array or None
        The first layer on a neighbouring plane.
    valid : (rows, columns)
        Size of the part that is not padding, at the top left.
    part : Sample
        What it shows, at its own resolution.
    """

    image: npt.NDArray[np.uint8]
    layers: tuple[npt.NDArray[np.int32], ...]
    prior: npt.NDArray[np.int32] | None
    valid: tuple[int, int]
    part: Sample


def random_view(
    sample: Sample,
    size: int,
    rng: np.random.Generator,
    frame: int = FRAME,
    stretch: bool = False,
) -> View:
    """Cut, turn and expose a sample at random.

    Parameters
    ----------
    sample : Sample
        Image and label layers.
    size : int
        Side S of the result in pixels.
    rng : numpy.random.Generator
        Source of all randomness.
    frame : int
        Side of the square at which the model will be used.
    stretch : bool
        As in `fit_view`.

    Returns
    -------
    View
        The random view.

    Notes
    -----
    At a smaller size the crop shrinks with it, so that an object has about as many
    pixels as it will have in the full frame. What is stretched is cropped in the
    proportions of the image and not turned by a quarter: at use it is stretched alike.
    """
    share = (
        SMALLEST_CROP * (LARGEST_CROP / SMALLEST_CROP) ** rng.random() * size / frame
    )
    part = _turn(_crop(sample, share, rng, stretch), rng, stretch)
    view = fit_view(part, size, stretch)
    return replace(view, image=_expose(view.image, rng))


def fit_view(sample: Sample, size: int, stretch: bool = False) -> View:
    """Scale a whole sample to the network's square as inference does.

    Parameters
    ----------
    sample : Sample
        Image and label layers.
    size : int
        Side S of the result in pixels.
    stretch : bool
        Whether both sides become S, as some networks want it.

    Returns
    -------
    View
        Longest side scaled to S, zeros at the right or below.
    """
    height, width = sample.image.shape[:2]
    rows, columns = frame_of((height, width), size, stretch).resized
    image = np.zeros((size, size, 3), np.uint8)
    colour = (
        sample.image if sample.image.ndim == 3 else np.stack([sample.image] * 3, -1)
    )
    resized = Image.fromarray(colour).resize((columns, rows), Image.Resampling.BILINEAR)
    image[:rows, :columns] = np.asarray(resized)
    shown = rows, columns
    layers = tuple(fit_labels(layer, shown, size) for layer in sample.layers)
    prior = None if sample.prior is None else fit_labels(sample.prior, shown, size)
    return View(image, layers, prior, shown, sample)


def fit_labels(
    labels: npt.NDArray[Any], shown: tuple[int, int], size: int
) -> npt.NDArray[np.int32]:
    """Scale labels to a part of the network's square.

    Parameters
    ----------
    labels : (H, W) int array
        Of a sample.
    shown : (rows, columns)
        Size of that part, at the top left.
    size : int
        Side S of the square in pixels.

    Returns
    -------
    (S, S) int32 array
        0 where padded.
    """
    rows, columns = shown
    fitted = np.zeros((size, size), np.int32)
    picture = Image.fromarray(np.ascontiguousarray(labels, np.int32))
    resized = picture.resize((columns, rows), Image.Resampling.NEAREST)
    fitted[:rows, :columns] = np.asarray(resized)
    return fitted


def _crop(
    sample: Sample, share: float, rng: np.random.Generator, stretch: bool
) -> Sample:
    height, width = sample.image.shape[:2]
    aspect = np.exp(rng.normal(0, 0.2))
    sides = (height, width) if stretch else (max(height, width),) * 2
    rows = int(np.clip(share * sides[0] * aspect, 16, height))
    columns = int(np.clip(share * sides[1] / aspect, 16, width))
    centre = _interesting(sample, rng)
    top = int(np.clip(centre[0] - rows * rng.random(), 0, height - rows))
    left = int(np.clip(centre[1] - columns * rng.random(), 0, width - columns))
    return sample.transformed(
        lambda array: array[top : top + rows, left : left + columns]
    )


def _interesting(sample: Sample, rng: np.random.Generator) -> tuple[int, int]:
    """Return a pixel of an object, or any pixel where there is none."""
    labels = sample.layers[int(rng.integers(len(sample.layers)))]
    inside = np.flatnonzero(labels)
    spot = rng.choice(inside) if len(inside) else rng.integers(labels.size)
    row, column = np.unravel_index(spot, labels.shape)
    return int(row), int(column)


def _turn(sample: Sample, rng: np.random.Generator, stretch: bool) -> Sample:
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    if stretch:
        quarter -= quarter % 2

    def turned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = np.rot90(array, quarter)
        return np.ascontiguousarray(array[:, ::-1] if mirror else array)

    turned_sample = sample.transformed(turned)
    if quarter % 2:
        return replace(turned_sample, pixel=sample.pixel[::-1])
    return turned_sample


def _expose(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> Any:
    levels = np.arange(256, dtype=np.float32) / 255
    levels = levels ** np.exp(rng.normal(0, 0.25))
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.06)
    if rng.random() < 0.12:
        levels = 1 - levels
    table = np.clip(255 * levels, 0, 255).astype(np.uint8)
    image = table[image]
    if rng.random() < 0.15:
        image = ndimage.gaussian_filter(image, (rng.uniform(0.3, 1.2),) * 2 + (0,))
    if rng.random() < 0.25:
        grain = rng.normal(0, rng.uniform(2, 18), image.shape[:2])[..., None]
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return image
