"""Map image intensities to the 8-bit range that the networks were made for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plain_numbers import check_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5
OF_ONE_IMAGE = ("percentile", "as_is")
"""Rules whose window says nothing of other images."""
ESTIMATION_PLANES = 5
"""Planes looked at most when the window of a volume is estimated."""
MAX_SAMPLES = 512 * 512
"""Pixels looked at in each of them."""
PLANE = "plane"
"""Rule: each plane from its own smallest to its own largest value."""
CONTRAST = "contrast_limits"
"""Rule: a window that somebody chose."""
LEARNED = "learned"
"""Rule: such a window, as the adapter in use has it."""
_MOST_VALUES = 1 << 16
"""Different values that are mapped once and then looked up."""
_ROWS = 64
"""Rows that are looked up together: their places stay in the cache."""
_CT_ENDS = {
    "lung": (-1350.0, 150.0),
    "bone": (-500.0, 1300.0),
    "soft tissue": (-160.0, 240.0),
    "brain": (0.0, 80.0),
}
_RULES = (*OF_ONE_IMAGE, CONTRAST, LEARNED, PLANE, *_CT_ENDS)


@dataclass(frozen=True)
class IntensityMapping:
    """A linear window from image values to 0..255.

    Parameters
    ----------
    rule : str
        Where the window comes from: ``"percentile"``, ``"contrast_limits"``,
        ``"learned"`` (by an adapter), a name of `CT_WINDOWS`, ``"plane"`` (each plane
        has its own, from its smallest to its largest value), or ``"as_is"`` (8-bit
        values are used unchanged).
    low, high : float
        Image values that become 0 and 255, the lower first; not used by ``"plane"``.

    Raises
    ------
    ImageError
        If there is no such rule, or not two finite numbers, the lower first.
    """

    rule: str = "as_is"
    low: float = 0.0
    high: float = 255.0

    def __post_init__(self) -> None:
        check_numbers(self, ImageError)
        if self.rule not in _RULES or not -np.inf < self.low <= self.high < np.inf:
            raise ImageError(
                f"Expected a window of one of the rules {', '.join(_RULES)}, its lower "
                f"value first and both finite, got {self}. A window of your own has "
                f'the rule "{CONTRAST}".'
            )

    @property
    def is_flat(self) -> bool:
        """Whether the window has no width, so that it tells nothing apart."""
        return self.low == self.high

    def window(self, plane: npt.NDArray[Any]) -> tuple[float, float]:
        """Return which values of a plane become 0 and 255.

        Parameters
        ----------
        plane : (H, W) or (H, W, 3) array
            Image values.

        Returns
        -------
        (float, float)
            `low` and `high`, but for the rule ``"plane"``; zeros where none is finite.
        """
        if self.rule != PLANE:
            return self.low, self.high
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)

    @property
    def suits_others(self) -> bool:
        """Whether it was chosen for a kind of image, not estimated from one."""
        return self.rule not in OF_ONE_IMAGE

    def apply(self, plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Return the plane as 8-bit values; NaN becomes 0.

        Parameters
        ----------
        plane : (H, W) or (H, W, 3) array
            Image values.

        Returns
        -------
        uint8 array
            Same shape.
        """
        if self.rule == "as_is" and plane.dtype == np.uint8:
            return plane
        low, high = self.window(plane)
        kind, count = plane.dtype.kind, 256**plane.dtype.itemsize
        if kind in "iu" and count <= _MOST_VALUES and plane.size > count:
            unsigned = plane.view(f"u{plane.dtype.itemsize}")
            values = np.arange(count, dtype=unsigned.dtype).view(plane.dtype)
            return _looked_up(_mapped(values, low, high), unsigned)
        return _mapped(plane, low, high)


def _mapped(values: npt.NDArray[Any], low: float, high: float) -> Pixels:
    span = (high - low) or 1.0
    scaled = (values.astype(np.float64) - low) / span * 255.0
    scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    mapped: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return mapped


def _looked_up(table: Pixels, places: npt.NDArray[np.unsignedinteger[Any]]) -> Pixels:
    """Return ``table[places]`` without a large copy of the places."""
    found = np.empty(places.shape, np.uint8)
    for start in range(0, len(places), _ROWS):
        rows = slice(start, start + _ROWS)
        np.take(table, places[rows], out=found[rows], mode="clip")
    return found


CT_WINDOWS = {name: IntensityMapping(name, *ends) for name, ends in _CT_ENDS.items()}
"""Usual windows of computed tomography, in Hounsfield units."""


def intensity_by_name(text: str) -> IntensityMapping:
    """Return the mapping that a word or two numbers mean.

    Parameters
    ----------
    text : str
        ``"plane"``, ``"as_is"``, a name of `CT_WINDOWS` (also with hyphens), or the
        image values that become 0 and 255, as ``"-160,240"``.

    Returns
    -------
    IntensityMapping
        The same for all images.

    Raises
    ------
    ImageError
        If the text means none.
    """
    as_is = IntensityMapping(CONTRAST, 0.0, 255.0)  # chosen, not a default
    named = {**CT_WINDOWS, PLANE: IntensityMapping(PLANE), "as_is": as_is}
    known = named.get(text) or named.get(text.replace("-", " "))
    if known is not None:
        return known
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = np.nan
    if not -np.inf < low < high < np.inf:
        words = ", ".join(name.replace(" ", "-") for name in named)
        raise ImageError(
            f"Expected an intensity window as LOW,HIGH, or one of {words}, got "
            f"{text!r}. The lower value comes first, as in -160,240."
        )
    return IntensityMapping(CONTRAST, low, high)


def check_pixels(plane: npt.NDArray[Any], name: str = "image") -> None:
    """Raise unless the pixels can be segmented.

    Parameters
    ----------
    plane : (H, W) or (H, W, C) array
        Pixels of one plane.
    name : str
        How the message calls it.

    Raises
    ------
    ImageError
        If the plane is empty, one pixel wide, complex, not numeric, without a
        finite value, or constant.
    """
    if plane.dtype.kind not in "buif":
        raise ImageError(
            f"Expected an {name} of real numbers, got {plane.dtype}. "
            "Convert it first, for example to its magnitude."
        )
    if plane.size == 0 or min(plane.shape[:2]) < 2:
        raise ImageError(
            f"Expected an {name} of at least 2 x 2 pixels, got "
            f"{plane.shape[0]} x {plane.shape[1]}."
        )
    finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    if finite.size == 0:
        raise ImageError(f"Expected an {name} with finite values, got only NaN.")
    if finite.min() == finite.max():
        raise ImageError(
            f"Expected an {name} with structure, but every pixel is {finite.flat[0]}. "
            "Choose another plane or image."
        )


def mapping_of_plane(
    mapping: IntensityMapping, pixels: npt.NDArray[Any]
) -> IntensityMapping:
    """Return how a plane of an image becomes 8 bits.

    Parameters
    ----------
    mapping : IntensityMapping
        Of the image.
    pixels : (H, W) or (H, W, 3) array
        Image values.

    Returns
    -------
    IntensityMapping
        That of the image, unless it tells nothing apart, because the planes that it was
        estimated from show nothing; then that of the plane.

    Raises
    ------
    ImageError
        As `check_pixels`.
    """
    check_pixels(pixels)
    return estimate_intensity([pixels]) if mapping.is_flat else mapping


def default_intensity(
    dtype: np.dtype[Any], is_colour: bool, planes: Iterable[npt.NDArray[Any]]
) -> IntensityMapping:
    """Return the window of an image for which none was chosen or learned.

    Parameters
    ----------
    dtype : dtype
        Of the image.
    is_colour : bool
        Whether it has three colours.
    planes : iterable of arrays
        A few of its planes, read only if they are needed.

    Returns
    -------
    IntensityMapping
        Colours in 8 bits are used as they are, all others through their percentiles.
    """
    if is_colour and dtype == np.uint8:
        return IntensityMapping()
    return estimate_intensity(planes)


def default_of_array(image: Any, ndim: int) -> IntensityMapping:
    """Return the window of an array for which none was chosen or learned.

    Parameters
    ----------
    image : array
        Its last axis may be of colours.
    ndim : int
        Axes without that of colours; planes lie along the last two.

    Returns
    -------
    IntensityMapping
        That of `default_intensity`, from the planes of `places_across`.
    """
    places = places_across(image.shape[: ndim - 2])
    planes = (np.asarray(image[place]) for place in places)
    return default_intensity(np.dtype(image.dtype), len(image.shape) > ndim, planes)


def places_across(
    shape: Sequence[int], count: int = ESTIMATION_PLANES
) -> list[tuple[int, ...]]:
    """Return a few positions spread along each axis.

    Parameters
    ----------
    shape : sequence of int
        Lengths of the axes; none for a single plane.
    count : int
        Largest number of positions.

    Returns
    -------
    list of tuple of int
        All positions if there are no more; else a walk along all axes at once, so that
        not every one lies at an end of a stack of each time point.
    """
    if np.prod(shape) <= count:
        return list(np.ndindex(*shape))
    ends = [length - 1 for length in shape]
    places = np.linspace([0] * len(ends), ends, count).round().astype(int)
    return list(dict.fromkeys(map(tuple, places.tolist())))


def estimate_intensity(planes: Iterable[npt.NDArray[Any]]) -> IntensityMapping:
    """Estimate the percentile window of a volume from some of its planes.

    Parameters
    ----------
    planes : iterable of arrays
        A few planes of one image, of one dtype.

    Returns
    -------
    IntensityMapping
        The window between the 0.5th and the 99.5th percentile.
    """
    samples = [_finite_sample(plane) for plane in planes]
    values = np.concatenate(samples) if samples else np.zeros(0)
    if values.size == 0:
        return IntensityMapping("percentile", 0.0, 0.0)
    low, high = np.percentile(values, [LOW_PERCENTILE, HIGH_PERCENTILE])
    if low == high:
        low, high = float(values.min()), float(values.max())
    return IntensityMapping("percentile", float(low), float(high))


def _finite_sample(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    step = math.ceil(math.sqrt(plane.size / MAX_SAMPLES)) or 1
    values = plane[::step, ::step].astype(np.float64).ravel()
    return values[np.isfinite(values)]
