"""Which window of a large plane shows an object best."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.predictions import is_large
from napari_sam_adapter.volume.planes.windows import (
    Window,
    extent_of,
    extent_of_mask,
    window_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.prompts import Prompts

ROOM = 4
"""Side of a good window, divided by the size of the object."""
FIRST = 2
"""Magnification of the pixels where nothing tells the size of the object."""
CLOSEST = 4
"""Largest magnification."""
SMALLEST = 2
"""Least side of a window in pixels: windows lie half a side apart."""
SLACK = 0.05
"""How much lower the score of a closer look may be."""


class WindowSearch:
    """The windows through which one object is looked at, one after the other.

    Without a hint of its size, an object is first looked at in a window that shows the
    pixels, or those of the level in view, twice as large. It is looked at through a
    larger one while its mask is cut off at a side, and once through a smaller one if it
    is small in the window: that answer is taken if its score is about as good. On a
    plane that is not large the prompts say how closely to look, once.

    Parameters
    ----------
    prompts : Prompts
        What is asked, in pixels of the plane.
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the network's input.
    first : Window or None
        Where to look first if nothing tells the size of the object; None for the
        window of the first level whose middle is nearest.
    """

    def __init__(
        self,
        prompts: Prompts,
        shape: tuple[int, int],
        side: int,
        first: Window | None = None,
    ) -> None:
        self._shape, self._least = shape, max(side // CLOSEST, 1)
        self._is_large = is_large(shape, side)
        start, end = extent_of(prompts, shape)
        self._middle, size = (start + end) / 2, float((end - start).max())
        if self._is_large:
            first_look = first_side(side, prompts.reduction)
            self._side = self._side_for(size) if size else first_look
        else:
            part = side_of_part(shape, prompts.reduction)
            self._side = max(part, self._side_for(size)) if size else part
        self._answer: MaskPrediction | None = None
        self._cut: MaskPrediction | None = None
        self.window: Window | None = self._at(self._middle, self._side)
        """Where to look next; None at the end."""
        if first is not None and not size:
            self.window = first

    @property
    def answer(self) -> MaskPrediction:
        """The best answer, about the plane; there is one at the end."""
        assert self._answer is not None  # the whole plane cuts no mask off
        return self._answer

    @property
    def best_so_far(self) -> MaskPrediction | None:
        """The answer, or one that is cut off at a side, or None before there is one."""
        return self._answer or self._cut

    @property
    def is_whole(self) -> bool:
        """Whether the next window is the whole plane."""
        return self.window is not None and self.window.shape == self._shape

    def take(self, found: MaskPrediction | None) -> None:
        """Take note of what the network says about the window.

        Parameters
        ----------
        found : MaskPrediction or None
            With masks of the window; None if it shows nothing.
        """
        window, earlier = self.window, self._answer
        assert window is not None  # else nobody has looked
        is_cut = found is None or window.cuts(found.boxed_mask, self._shape)
        self.window = None
        if earlier is not None:
            if found and not is_cut and found.score + SLACK >= earlier.score:
                self._answer = window.paste(found, self._shape)
        elif found is None or is_cut:
            self._cut = found and window.paste(found, self._shape)
            self._side *= 2
            self.window = self._at(self._middle, self._side)
        else:
            self._answer = window.paste(found, self._shape)
            self.window = self._closer(self._answer.boxed_mask)

    def _closer(self, mask: BoxedMask) -> Window | None:
        """Return a smaller window for a mask, if it is small in this one."""
        if not self._is_large or not mask.pixels.size:
            return None
        first, last = extent_of_mask(mask)
        side = self._side_for(float((last - first).max()))
        return self._at((first + last) / 2, side) if side < self._side else None

    def _side_for(self, size: float) -> int:
        side = self._least
        while side < ROOM * size:
            side *= 2
        return side

    def _at(self, middle: npt.NDArray[np.float64], side: int) -> Window:
        return window_at((float(middle[0]), float(middle[1])), self._shape, side)


def look_together(
    prompts_list: Sequence[Prompts],
    shape: tuple[int, int],
    side: int,
    look: Callable[[Window, list[int]], Sequence[MaskPrediction]],
) -> list[MaskPrediction]:
    """Look for many objects; those that look through the same window share it.

    Parameters
    ----------
    prompts_list : sequence of Prompts
        One per object.
    shape, side
        As of `WindowSearch`.
    look : callable
        Segments through a window the objects of these numbers, in this order; raises
        `ImageError` if nothing is shown there.

    Returns
    -------
    list of MaskPrediction
        In the same order, about the plane.

    Raises
    ------
    ImageError
        If nothing is shown on the whole plane.
    """
    searches = [WindowSearch(prompts, shape, side) for prompts in prompts_list]
    while groups := _by_window(searches):
        for window, numbers in groups.items():
            found: Sequence[MaskPrediction | None]
            try:
                found = look(window, numbers)
            except ImageError:
                if searches[numbers[0]].is_whole:
                    raise
                found = [None] * len(numbers)
            for number, answer in zip(numbers, found, strict=True):
                searches[number].take(answer)
    return [search.answer for search in searches]


def _by_window(searches: Sequence[WindowSearch]) -> dict[Window, list[int]]:
    """Return who looks through which window next."""
    groups: dict[Window, list[int]] = defaultdict(list)
    for number, search in enumerate(searches):
        if search.window is not None:
            groups[search.window].append(number)
    return groups


def looks_through_windows(
    prompts_list: Sequence[Prompts], shape: tuple[int, int], side: int
) -> bool:
    """Return whether any prompts ask for less than the whole plane.

    Parameters
    ----------
    prompts_list : sequence of Prompts
        What is asked.
    shape, side
        As of `WindowSearch`.

    Returns
    -------
    bool
        True on large planes, and where a closer look is asked for.
    """
    return is_large(shape, side) or any(p.reduction < 1 for p in prompts_list)


def as_part(window: Window | None, shape: tuple[int, int], side: int) -> Window | None:
    """Return None for a window that shows all of a plane that is not large.

    Parameters
    ----------
    window : Window or None
        Of the plane.
    shape, side
        As of `WindowSearch`.

    Returns
    -------
    Window or None
        Both are embedded alike, and only once.
    """
    is_all = window is not None and window.shape == shape
    return None if is_all and not is_large(shape, side) else window


def side_of_part(shape: tuple[int, int], part: float) -> int:
    """Return the side of the windows that show a part of a plane that is not large.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    part : float
        `reduction` of the prompts; from 1 it is the whole plane.

    Returns
    -------
    int
        Pixels of the plane.
    """
    return max(round(min(part, 1.0) * max(shape)), SMALLEST)


def first_side(side: int, reduction: float) -> int:
    """Return the side of the window of a first look.

    Parameters
    ----------
    side : int
        Side of the network's input.
    reduction : float
        As in `Prompts`.

    Returns
    -------
    int
        Pixels of the plane, doubled for every halving of the resolution in view; at the
        least the side of the largest magnification.
    """
    doublings = round(math.log2(max(reduction, FIRST / CLOSEST)))
    return max(int(side // FIRST * 2.0**doublings), 1)
