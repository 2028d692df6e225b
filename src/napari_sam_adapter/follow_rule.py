"""What is asked on a plane about an object whose mask on the plane before is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask, place
from napari_sam_adapter.drawings import innermost
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plain_numbers import check_numbers
from napari_sam_adapter.prompts import Prompts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

SMALLEST_MARGIN = 1.0
"""Pixels by which the box of the next plane is larger at least."""
MOST_PARTS = 8
SMALLEST_PART = 0.05
"""Share of the area below which a piece is dropped."""
NEIGHBOURHOOD = 0.5
"""Part of the box's size within which neighbours count."""


@dataclass(frozen=True)
class FollowRule:
    """How the last mask of an object becomes the prompts for the next plane.

    Parameters
    ----------
    use_box : bool
        Ask with the box around the mask.
    use_mask : bool
        Ask with the mask.
    interior_points : int
        Ask with so many positive points, the innermost first.
    neighbour_points : int
        Ask with at most so many negative points, inside finished objects and objects
        of the same run that lie near.
    by_part : bool
        Ask for every connected piece of the object on its own, and join the answers:
        one box around a branching object would hold all that is between its branches.
    box_margin : float
        Part of its height and width by which the box grows on each side.
    box_slope : float
        Length by which the box grows on each side per length of way to the next plane.
        Box margin and slope together add at least one pixel.

    Raises
    ------
    SessionError
        If something is no number or out of range, or nothing is asked with.
    """

    use_box: bool = True
    use_mask: bool = True
    interior_points: int = 0
    neighbour_points: int = 0
    by_part: bool = True
    box_margin: float = 0.05
    box_slope: float = 0.25

    def __post_init__(self) -> None:
        check_numbers(self, SessionError)
        if not (self.use_box or self.use_mask or self.interior_points > 0):
            raise SessionError(
                "Expected a box, a mask or points to go on with, got none of them."
            )
        if min(self.interior_points, self.neighbour_points) < 0:
            raise SessionError(
                "Expected numbers of points from 0, got "
                f"{self.interior_points} and {self.neighbour_points}."
            )
        if not (0 <= self.box_margin < np.inf and 0 <= self.box_slope < np.inf):
            raise SessionError(
                "Expected finite box_margin and box_slope from 0, got "
                f"{self.box_margin} and {self.box_slope}."
            )


def next_prompts(
    mask: BoxedMask,
    rule: FollowRule,
    distance: float,
    pixel: tuple[float, float],
    others: tuple[npt.NDArray[np.integer[Any]], int] | None = None,
) -> list[Prompts]:
    """Return what is asked about an object on the next plane.

    Parameters
    ----------
    mask : BoxedMask
        Its last mask, not empty.
    rule : FollowRule
        What to ask with.
    distance : float
        Way to the next plane, in the unit of `pixel`.
    pixel : (float, float)
        Height and width of a pixel.
    others : ((H, W) int array, int) or None
        Labels of the objects around, and the label of this one.

    Returns
    -------
    list of Prompts
        One per piece of the object, none of them empty; the answers belong together.
    """
    reach = rule.box_slope * distance / np.asarray(pixel)
    asked = []
    for part in _parts(mask) if rule.by_part else [mask]:
        box = _grown_box(part, rule.box_margin, reach)
        inside = _innermost(part, rule.interior_points)
        outside = list(_points_in(others, box, rule.neighbour_points))
        points = np.reshape([*inside, *outside], (-1, 2))
        signs = np.arange(len(points)) < len(inside)
        place = box if rule.use_box else None
        prompt = part if rule.use_mask else None
        asked.append(Prompts(points, signs, place, mask=prompt))
    return asked


def _parts(mask: BoxedMask) -> list[BoxedMask]:
    pieces, count = ndimage.label(mask.pixels, structure=np.ones((3, 3)))
    if count == 1:
        return [mask]
    areas = np.bincount(pieces.ravel())[1:]
    order = np.argsort(-areas, kind="stable")[:MOST_PARTS]
    kept = [number for number in order if areas[number] >= SMALLEST_PART * mask.area]
    return [place(pieces == number + 1, mask.box, mask.shape) for number in kept]


def _grown_box(
    mask: BoxedMask, margin: float, reach: npt.NDArray[np.float64]
) -> tuple[float, float, float, float]:
    start, stop = np.reshape(mask.box, (2, 2))
    grow = np.maximum(margin * (stop - start) + reach, SMALLEST_MARGIN)
    low = np.maximum(start - grow, -0.5)
    high = np.minimum(stop - 1 + grow, np.array(mask.shape) - 0.5)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _innermost(mask: BoxedMask, count: int) -> list[tuple[int, int]]:
    """Return points deep inside a mask."""
    top, left = mask.box[:2]
    found = innermost(mask.pixels, count) if count else []
    return [(row + top, column + left) for row, column in found]


def _points_in(
    others: tuple[npt.NDArray[np.integer[Any]], int] | None,
    box: tuple[float, float, float, float],
    count: int,
) -> Iterator[tuple[int, int]]:
    """Yield the middles of the largest neighbours near a box."""
    if others is None or not count:
        return
    corners = np.reshape(box, (2, 2))
    near = NEIGHBOURHOOD * (corners[1] - corners[0])
    low = np.maximum(corners[0] - near, 0).astype(int)
    high = np.ceil(corners[1] + near).astype(int) + 1
    labels, own = others
    window = labels[low[0] : high[0], low[1] : high[1]]
    pieces, found = ndimage.label((window != 0) & (window != own))
    areas = np.bincount(pieces.ravel(), minlength=found + 1)[1:]
    for number in np.argsort(-areas, kind="stable")[:count]:
        piece = BoxedMask.of(pieces == number + 1)
        for row, column in _innermost(piece, 1):
            yield row + int(low[0]), column + int(low[1])
