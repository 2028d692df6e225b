"""How bright labelled objects are, as far as the image has numbers there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BRIGHTNESS = ("intensity_mean", "intensity_min", "intensity_max", "intensity_std")


def finite_grey(
    pixels: npt.NDArray[Any], ndim: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return pixels without colours, and which of them have a number.

    Parameters
    ----------
    pixels : array
        Part of an image; a last axis beyond `ndim` holds colours.
    ndim : int
        Axes of the labels.

    Returns
    -------
    grey : array
        Means of the colours; 0 where they are not finite.
    is_finite : bool array
        Of the same shape.
    """
    if pixels.dtype == np.float16:  # whose squares are too large for it
        pixels = pixels.astype(np.float32)
    grey = pixels if pixels.ndim == ndim else pixels[..., :3].mean(axis=-1)
    is_finite = np.isfinite(grey)
    return grey if is_finite.all() else np.where(is_finite, grey, 0), is_finite


def brightness_of(
    numbered: npt.NDArray[np.int32],
    grey: npt.NDArray[Any],
    numbers: npt.NDArray[np.int64],
) -> dict[str, npt.NDArray[np.float64]]:
    """Measure the brightness of objects, some of which may have no pixels.

    Parameters
    ----------
    numbered : int array
        Objects; 0 is what does not count.
    grey : array
        Of the same shape.
    numbers : (n,) int array
        The objects that are asked for, in order.

    Returns
    -------
    dict of str to (n,) float array
        By the names in `BRIGHTNESS`; NaN for objects without pixels.
    """
    from skimage.measure import regionprops_table

    measured = regionprops_table(  # type: ignore[no-untyped-call]
        numbered, grey, properties=("label", *BRIGHTNESS)
    )
    found = {name: np.full(len(numbers), np.nan) for name in BRIGHTNESS}
    for name, values in found.items():
        values[np.searchsorted(numbers, measured["label"])] = measured[name]
    return found
