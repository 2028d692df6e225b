"""Levels of an image pyramid: how much coarser each is, and which ones fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

Factors = tuple[float, ...]


def level_factors(
    full: Sequence[int], coarse: Sequence[int], alike: Collection[int] = ()
) -> Factors:
    """Return how many pixels of the full resolution make one pixel of a level.

    Parameters
    ----------
    full, coarse : sequence of int
        Shapes of the full resolution and of the level.
    alike : collection of int
        Axes that have to have the same length, as those of channels.

    Returns
    -------
    tuple of float
        One factor from 1 up per axis; that of the last two axes but `alike` is one.

    Raises
    ------
    ImageError
        If the level cannot be a smaller picture of the same.
    """
    full, coarse = tuple(map(int, full)), tuple(map(int, coarse))
    if len(full) != len(coarse) or any(full[axis] != coarse[axis] for axis in alike):
        raise ImageError(_mismatch(full, coarse))
    rows, columns = [axis for axis in range(len(full)) if axis not in alike][-2:]
    pairs = list(zip(full, coarse, strict=True))
    shared = _factor([pairs[rows], pairs[columns]])
    found = [_factor([pair]) for pair in pairs]
    found[rows] = found[columns] = shared
    known = [factor for factor in found if factor is not None]
    if len(known) < len(found):
        raise ImageError(_mismatch(full, coarse))
    return tuple(known)


def fitting_levels(
    shapes: Sequence[Sequence[int]], name: str, alike: Collection[int] = ()
) -> tuple[int, str]:
    """Return how many levels of a pyramid fit to its full resolution.

    Parameters
    ----------
    shapes : sequence of shapes
        Of all levels, the full resolution first.
    name : str
        How messages call the image.
    alike : collection of int
        As in `level_factors`.

    Returns
    -------
    count : int
        Levels up to the first that does not fit, without the full resolution.
    problem : str
        A sentence about that one; empty if all fit.
    """
    last: Factors = (1.0,) * len(shapes[0])
    for number, shape in enumerate(shapes[1:], start=1):
        try:
            last = _coarser(shapes[0], shape, alike, last)
        except ImageError as error:
            return number - 1, left_out(number, name, error)
    return len(shapes) - 1, ""


def left_out(number: int, name: str, error: BaseException) -> str:
    """Return the sentence about a level that cannot be used.

    Parameters
    ----------
    number : int
        Of the level; 0 is the full resolution.
    name : str
        How it calls the image.
    error : exception
        Why.

    Returns
    -------
    str
        One line.
    """
    reason = str(error) or type(error).__name__
    return f"Level {number} of {name}, and what comes after, is left out: {reason}"


def _factor(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Return one factor for several axes, a round one if it explains the lengths."""
    for guess in _guesses(pairs):
        if all(abs(long / guess - short) < 1 for long, short in pairs):
            return guess
    return None


def _guesses(pairs: Sequence[tuple[int, int]]) -> Iterator[float]:
    ratios = [long / short for long, short in pairs if short > 0]
    ratios = [ratio for ratio in ratios if ratio >= 1]
    yield from (2.0 ** round(math.log2(ratio)) for ratio in ratios)
    yield from (float(round(ratio)) for ratio in ratios)
    yield from ratios


def _coarser(
    full: Sequence[int], coarse: Sequence[int], alike: Collection[int], last: Factors
) -> Factors:
    factors = level_factors(full, coarse, alike)
    pairs = zip(factors, last, strict=True)
    if factors == last or any(factor < before for factor, before in pairs):
        raise ImageError(
            f"Expected fewer pixels than the level before, got the shape "
            f"{tuple(coarse)}."
        )
    return factors


def _mismatch(full: tuple[int, ...], coarse: tuple[int, ...]) -> str:
    return (
        f"Expected a smaller picture of an image of shape {full}, got the shape "
        f"{coarse}."
    )
