"""Which planes of an object follow from which of its anchors."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.volume.planes.plane import Plane


@dataclass(frozen=True, eq=False)
class Anchor:
    """A plane on which the mask of an object is known.

    Parameters
    ----------
    index : int
        Position on the axis that is followed.
    mask : BoxedMask
        The object; empty where it is known to be absent.
    """

    index: int
    mask: BoxedMask

    @property
    def is_source(self) -> bool:
        """Whether an object can be followed from here."""
        return bool(self.mask.pixels.size)


@dataclass(frozen=True)
class Taper:
    """How an object gets smaller towards its last anchor, and beyond.

    Parameters
    ----------
    index : int
        Of the anchor.
    side : float
        Square root of its area there.
    slope : float
        How much that falls from plane to plane, above 0.

    Notes
    -----
    On parallel cuts through a convex body the square root of the area is a concave
    function of the place (the theorem of Brunn and Minkowski): beyond two cuts it lies
    below the line through them.
    """

    index: int
    side: float
    slope: float

    def excess(self, index: int, area: int) -> float:
        """Return how much larger a mask is than a cone would be there.

        Parameters
        ----------
        index : int
            Of a plane beyond the anchor.
        area : int
            Pixels of the mask.

        Returns
        -------
        float
            Area divided by that of the cone; infinite behind its tip.
        """
        side = self.side - self.slope * abs(index - self.index)
        return area / side**2 if side > 0 else math.inf


@dataclass(frozen=True)
class Stretch:
    """Planes of one object between two anchors, or beyond the last one.

    Parameters
    ----------
    object_id : int
        The object.
    first, last : int
        Ends of the stretch, both included.
    below, above : Anchor or None
        Anchors next to the ends from which the object can be followed; one at least.
    fingerprint : str
        The same only if anchors, model and settings are.
    behind : Anchor or None
        Beyond the last anchor, the one before it: both tell whether the object tapers.
        Not in the fingerprint, for a change there leaves planes beyond the last alone.
    """

    object_id: int
    first: int
    last: int
    below: Anchor | None
    above: Anchor | None
    fingerprint: str = field(compare=False)
    behind: Anchor | None = field(compare=False, default=None)

    @property
    def taper(self) -> Taper | None:
        """How the object gets smaller towards what lies beyond the last anchor."""
        last = self.below or self.above
        return tapering(self.behind, last) if self.behind and last else None

    @property
    def is_two_sided(self) -> bool:
        """Whether the object is known on both sides."""
        return self.below is not None and self.above is not None

    def __contains__(self, index: int) -> bool:
        return self.first <= index <= self.last

    def distances(self, index: int) -> tuple[int, ...]:
        """Return how many planes away the anchors are.

        Parameters
        ----------
        index : int
            A plane of this stretch.

        Returns
        -------
        tuple of int
            One or two numbers above 0.
        """
        anchors = [anchor for anchor in (self.below, self.above) if anchor]
        return tuple(abs(index - anchor.index) for anchor in anchors)


def stretches_between(
    object_id: int,
    anchors: Mapping[int, Anchor],
    start: int,
    stop: int,
    recipe: str,
) -> Iterator[Stretch]:
    """Yield the stretches that a range needs.

    Parameters
    ----------
    object_id : int
        The object.
    anchors : mapping of int to Anchor
        All its anchors along the axis, also those outside of the range.
    start, stop : int
        First and last plane that is wanted, both included.
    recipe : str
        What, besides the anchors, the masks depend on.

    Yields
    ------
    Stretch
        From low to high indices. It may begin before the range, at its anchor.
    """
    ordered = [anchors[index] for index in sorted(anchors)]
    for low, high in pairwise([None, *ordered, None]):
        below = low if low and low.is_source else None
        above = high if high and high.is_source else None
        first = low.index + 1 if low else start
        last = high.index - 1 if high else stop
        if below is None:
            first = max(first, start)
        if above is None:
            last = min(last, stop)
        if (below or above) and max(first, start) <= min(last, stop):
            ends = [anchor for anchor in (below, above) if anchor]
            mark = _fingerprint(ends, recipe)
            behind = _behind(ordered, low, high)
            yield Stretch(object_id, first, last, below, above, mark, behind)


def tapering(behind: Anchor, last: Anchor) -> Taper | None:
    """Return how an object gets smaller from one anchor to the last one.

    Parameters
    ----------
    behind, last : Anchor
        Next to each other; nothing is known beyond the last.

    Returns
    -------
    Taper or None
        None if it does not get smaller.
    """
    before, now = behind.mask.area**0.5, last.mask.area**0.5
    slope = (before - now) / abs(last.index - behind.index)
    return Taper(last.index, now, slope) if slope > 0 else None


def _behind(
    ordered: list[Anchor], low: Anchor | None, high: Anchor | None
) -> Anchor | None:
    """Return the anchor next to the last one, for planes beyond it."""
    if len(ordered) < 2 or (low and high):
        return None
    return ordered[1] if high else ordered[-2]


def parallel_planes(seed: Plane, axis: int, length: int) -> dict[int, Plane]:
    """Return all planes along an axis.

    Parameters
    ----------
    seed : Plane
        One of them.
    axis : int
        Axis that it does not show.
    length : int
        Length of the axis.

    Returns
    -------
    dict of int to Plane
        By index on the axis.
    """
    return {index: seed.at(axis, index) for index in range(length)}


def _fingerprint(anchors: list[Anchor], recipe: str) -> str:
    digest = hashlib.sha256(recipe.encode())
    for anchor in anchors:
        digest.update(repr((anchor.index, anchor.mask.box)).encode())
        digest.update(anchor.mask.pixels.tobytes())
    return digest.hexdigest()[:16]
