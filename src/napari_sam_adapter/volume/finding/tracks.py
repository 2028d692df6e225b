"""Which masks on neighbouring planes are one object, told before it is followed."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.volume.asking.packing import slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane

MIN_OVERLAP = 0.3
"""IoU of what is one object on two neighbouring planes."""
LONGEST = 32
"""Planes after which an object is followed, even if it goes on."""
BEYOND = 2
"""Planes past its ends to which an object is followed, in case it was missed there."""


class Sighting(NamedTuple):
    """What a search found on a plane.

    Attributes
    ----------
    plane : Plane
        Where.
    prompts : Prompts
        What was asked there.
    """

    plane: Plane
    prompts: Prompts


class Track(NamedTuple):
    """An object as far as it was seen.

    Attributes
    ----------
    sightings : tuple of Sighting
        In the order of the planes.
    first, last : BoxedMask
        The object on the first and on the last of them.
    """

    sightings: tuple[Sighting, ...]
    first: BoxedMask
    last: BoxedMask

    @property
    def middle(self) -> Sighting:
        """Where an object that ends on both sides is seen best."""
        return self.sightings[len(self.sightings) // 2]

    def before(self, other: Track) -> Track:
        """Return this track, going on with another one."""
        return Track(self.sightings + other.sightings, self.first, other.last)


class Settled(NamedTuple):
    """Objects that can be followed.

    Attributes
    ----------
    sightings : list of Sighting
        The middle of each.
    low, high : int or None
        Indices beyond which none of them is; None if that is not known.
    """

    sightings: list[Sighting]
    low: int | None
    high: int | None


class Tracks:
    """All objects that were seen, and not yet followed.

    Parameters
    ----------
    axes : mapping of Plane to int
        The planes that are looked at, in any order, and the axis to follow of each.
    """

    def __init__(self, axes: Mapping[Plane, int]) -> None:
        self._axes, self._open = axes, list[Track]()
        self._left = set(axes)
        self._below: dict[Plane, Plane] = {}
        self._above: dict[Plane, Plane] = {}
        for line in _lines(axes):
            for low, high in pairwise(line):
                self._below[high], self._above[low] = low, high

    def note(self, plane: Plane, found: Sequence[Track]) -> None:
        """Take note of what a plane shows.

        Parameters
        ----------
        plane : Plane
            One that was left to look at.
        found : sequence of Track
            Each seen on this plane alone.
        """
        self._left.discard(plane)
        below, above = self._below.get(plane), self._above.get(plane)
        lower = self._taken(t for t in self._open if t.sightings[-1].plane == below)
        tracks = list(_joined(lower, found))
        ended = [t for t in tracks if t.sightings[-1].plane != plane]
        here = [t for t in tracks if t.sightings[-1].plane == plane]
        upper = self._taken(t for t in self._open if t.sightings[0].plane == above)
        self._open += [*ended, *_joined(here, upper)]

    def settled(self) -> Settled:
        """Forget the objects of which both ends are known, or which are long.

        Returns
        -------
        Settled
            Without what is seen once, and not on the planes on both sides: it is taken
            for noise.
        """
        done = self._taken(t for t in self._open if self._is_settled(t))
        kept = [track for track in done if not self._is_noise(track)]
        lows = [self._end(t.sightings[0].plane, self._below) for t in kept]
        highs = [self._end(t.sightings[-1].plane, self._above) for t in kept]
        low = min((i for i in lows if i is not None), default=None)
        high = max((i for i in highs if i is not None), default=None)
        return Settled(
            [track.middle for track in kept],
            None if None in lows else low,
            None if None in highs else high,
        )

    def _taken(self, chosen: Iterator[Track]) -> list[Track]:
        taken = list(chosen)
        numbers = set(map(id, taken))
        self._open = [track for track in self._open if id(track) not in numbers]
        return taken

    def _is_settled(self, track: Track) -> bool:
        if len(track.sightings) >= LONGEST:
            return True
        below = self._below.get(track.sightings[0].plane)
        above = self._above.get(track.sightings[-1].plane)
        return self._left.isdisjoint({below, above})

    def _end(self, plane: Plane, beside: Mapping[Plane, Plane]) -> int | None:
        """Return how far to follow what is last seen on a plane; None for no limit."""
        if beside.get(plane) in self._left:
            return None
        for _ in range(BEYOND):
            if plane not in beside:
                return None
            plane = beside[plane]
        return plane.index_along(self._axes[plane])

    def _is_noise(self, track: Track) -> bool:
        plane, axis = track.middle.plane, self._axes[track.middle.plane]
        index = plane.index_along(axis)
        return (
            len(track.sightings) == 1
            and index > 0
            and plane.at(axis, index - 1) in self._axes
            and plane.at(axis, index + 1) in self._axes
        )


def _lines(axes: Mapping[Plane, int]) -> list[list[Plane]]:
    """Return planes behind each other, in the order of their indices."""
    lines: dict[Plane, list[Plane]] = defaultdict(list)
    for plane, axis in axes.items():
        lines[plane.at(axis, 0)].append(plane)
    return [
        sorted(line, key=lambda p: p.index_along(axes[p])) for line in lines.values()
    ]


def _joined(lower: Sequence[Track], upper: Sequence[Track]) -> Iterator[Track]:
    """Yield tracks that end on a plane, going on with those that begin on the next."""
    ends, starts = [t.last for t in lower], [t.first for t in upper]
    goes_on = dict(_pairs(ends, starts))
    for number, track in enumerate(lower):
        yield track.before(upper[goes_on[number]]) if number in goes_on else track
    joined = set(goes_on.values())
    yield from (track for n, track in enumerate(upper) if n not in joined)


def _pairs(
    masks: Sequence[BoxedMask], others: Sequence[BoxedMask]
) -> Iterator[tuple[int, int]]:
    """Yield which masks of two planes go together, the most alike first."""
    used: tuple[set[int], set[int]] = set(), set()
    for _, number, other in sorted(_alike(masks, others)):
        if number not in used[0] and other not in used[1]:
            used[0].add(number)
            used[1].add(other)
            yield number, other


def _alike(
    masks: Sequence[BoxedMask], others: Sequence[BoxedMask]
) -> Iterator[tuple[float, int, int]]:
    """Yield the IoU, less than 0, of all that overlap enough."""
    if not masks or not others:
        return
    shown = np.zeros(masks[0].shape, np.int32)
    for number, mask in enumerate(masks, start=1):
        shown[slices_of(mask.box)][mask.pixels] = number
    for other, mask in enumerate(others):
        inside = shown[slices_of(mask.box)][mask.pixels]
        numbers, counts = np.unique(inside[inside > 0], return_counts=True)
        for number, common in zip((numbers - 1).tolist(), counts.tolist(), strict=True):
            overlap = common / (masks[number].area + mask.area - common)
            if overlap >= MIN_OVERLAP:
                yield -overlap, number, other
