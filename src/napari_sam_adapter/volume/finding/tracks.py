"""Which masks on neighbouring planes are one object, told before it is followed."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.volume.asking.packing import slices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane

MIN_OVERLAP = 0.3
"""IoU of what is one object on two neighbouring planes."""
MIN_OVERLAP_APART = 0.09
"""The same where planes between were not seen."""
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
    def start(self) -> Plane:
        """The first plane."""
        return self.sightings[0].plane

    @property
    def end(self) -> Plane:
        """The last plane."""
        return self.sightings[-1].plane

    @property
    def outwards(self) -> list[Sighting]:
        """All of them, the middle first: there an object that ends is seen best."""
        middle = len(self.sightings) // 2
        numbers = range(len(self.sightings))
        nearest = sorted(numbers, key=lambda number: abs(number - middle))
        return [self.sightings[number] for number in nearest]

    def before(self, other: Track) -> Track:
        """Return this track, going on with another one."""
        return Track(self.sightings + other.sightings, self.first, other.last)


class Settled(NamedTuple):
    """Objects that can be followed.

    Attributes
    ----------
    tracks : list of Track
        One for each.
    low, high : int or None
        Indices beyond which none of them is; None if that is not known.
    """

    tracks: list[Track]
    low: int | None
    high: int | None


class Tracks:
    """All objects that were seen, and not yet followed.

    Parameters
    ----------
    axes : mapping of Plane to int
        The planes that are looked at, in any order, and the axis to follow of each.
    may_be_there : callable
        Gets a plane and a mask that was seen on the next one alone. Says whether it may
        be an object nevertheless, though the search saw nothing of it on this plane.
    """

    def __init__(
        self,
        axes: Mapping[Plane, int],
        may_be_there: Callable[[Plane, BoxedMask], bool] = lambda *_: False,
    ) -> None:
        self._axes, self._may_be_there = axes, may_be_there
        self._open, self._left = _OpenTracks(), set(axes)
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
        lower = self._open.take_ending(below)
        tracks = list(_joined(lower, found, self._least(below, plane)))
        here = [t for t in tracks if t.end == plane]
        self._open.add(t for t in tracks if t.end != plane)
        upper = self._open.take_starting(above)
        self._open.add(_joined(here, upper, self._least(plane, above)))

    def pass_over(self, plane: Plane) -> None:
        """Take note that a plane cannot be seen: those beside it become neighbours.

        Parameters
        ----------
        plane : Plane
            One that was left to look at.
        """
        self._left.discard(plane)
        below, above = self._below.pop(plane, None), self._above.pop(plane, None)
        _link(self._above, below, above)
        _link(self._below, above, below)
        lower = self._open.take_ending(below)
        upper = self._open.take_starting(above)
        self._open.add(_joined(lower, upper, self._least(below, above)))

    def settled(self) -> Settled:
        """Forget the objects of which both ends are known, or which are long.

        Returns
        -------
        Settled
            Without what is taken for noise: it is seen once, the planes on both sides
            were looked at, and nothing of it is there.
        """
        return self._settle(t for t in self._open.changed() if self._is_settled(t))

    def rest(self) -> Settled:
        """Forget all objects, as far as they were seen.

        Returns
        -------
        Settled
            As of `settled`.
        """
        return self._settle(self._open.all())

    def _settle(self, tracks: Iterable[Track]) -> Settled:
        done = self._open.take(tracks)
        kept = [track for track in done if not self._is_noise(track)]
        lows = [self._end(t.start, self._below) for t in kept]
        highs = [self._end(t.end, self._above) for t in kept]
        low = min((i for i in lows if i is not None), default=None)
        high = max((i for i in highs if i is not None), default=None)
        return Settled(
            kept, None if None in lows else low, None if None in highs else high
        )

    def _least(self, low: Plane | None, high: Plane | None) -> float:
        """Return the IoU from which masks on two planes are one object."""
        if low is None or high is None:
            return MIN_OVERLAP
        axis = self._axes[low]
        is_next = high.index_along(axis) == low.index_along(axis) + 1
        return MIN_OVERLAP if is_next else MIN_OVERLAP_APART

    def _is_settled(self, track: Track) -> bool:
        if len(track.sightings) >= LONGEST:
            return True
        below, above = self._below.get(track.start), self._above.get(track.end)
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
        plane = track.start
        sides = ((self._below.get(plane), -1), (self._above.get(plane), 1))
        return len(track.sightings) == 1 and all(
            self._is_missing(track, beside, step) for beside, step in sides
        )

    def _is_missing(self, track: Track, beside: Plane | None, step: int) -> bool:
        """Return whether the next plane was looked at, and shows nothing of it."""
        axis = self._axes[track.start]
        return (
            beside is not None
            and beside not in self._left
            and beside.index_along(axis) == track.start.index_along(axis) + step
            and not self._may_be_there(beside, track.first)
        )


class _OpenTracks:
    """Tracks by the planes on which they begin and end."""

    def __init__(self) -> None:
        self._starts: dict[Plane, dict[int, Track]] = defaultdict(dict)
        self._ends: dict[Plane, dict[int, Track]] = defaultdict(dict)
        self._changed: dict[int, Track] = {}

    def add(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            number = id(track)
            self._starts[track.start][number] = track
            self._ends[track.end][number] = track
            self._changed[number] = track

    def take(self, tracks: Iterable[Track]) -> list[Track]:
        """Forget tracks; return them."""
        taken = list(tracks)
        for track in taken:
            number = id(track)
            del self._starts[track.start][number], self._ends[track.end][number]
            self._changed.pop(number, None)
        return taken

    def take_starting(self, plane: Plane | None) -> list[Track]:
        return [] if plane is None else self.take(self._starts[plane].values())

    def take_ending(self, plane: Plane | None) -> list[Track]:
        return [] if plane is None else self.take(self._ends[plane].values())

    def all(self) -> list[Track]:
        return [track for begun in self._starts.values() for track in begun.values()]

    def changed(self) -> list[Track]:
        """Return what was added since the last call, and is still there."""
        changed, self._changed = self._changed, {}
        return list(changed.values())


def _link(beside: dict[Plane, Plane], plane: Plane | None, other: Plane | None) -> None:
    """Set what lies beside a plane; None where there is nothing."""
    if plane is not None and other is not None:
        beside[plane] = other
    elif plane is not None:
        del beside[plane]


def _lines(axes: Mapping[Plane, int]) -> list[list[Plane]]:
    """Return planes behind each other, in the order of their indices."""
    lines: dict[Plane, list[Plane]] = defaultdict(list)
    for plane, axis in axes.items():
        lines[plane.at(axis, 0)].append(plane)
    return [
        sorted(line, key=lambda p: p.index_along(axes[p])) for line in lines.values()
    ]


def _joined(
    lower: Sequence[Track], upper: Sequence[Track], least: float
) -> Iterator[Track]:
    """Yield tracks that end on a plane, going on with those that begin on the next."""
    ends, starts = [t.last for t in lower], [t.first for t in upper]
    goes_on = dict(_pairs(ends, starts, least))
    for number, track in enumerate(lower):
        yield track.before(upper[goes_on[number]]) if number in goes_on else track
    joined = set(goes_on.values())
    yield from (track for n, track in enumerate(upper) if n not in joined)


def _pairs(
    masks: Sequence[BoxedMask], others: Sequence[BoxedMask], least: float
) -> Iterator[tuple[int, int]]:
    """Yield which masks of two planes go together, the most alike first."""
    used: tuple[set[int], set[int]] = set(), set()
    for _, number, other in sorted(_alike(masks, others, least)):
        if number not in used[0] and other not in used[1]:
            used[0].add(number)
            used[1].add(other)
            yield number, other


def _alike(
    masks: Sequence[BoxedMask], others: Sequence[BoxedMask], least: float
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
            if overlap >= least:
                yield -overlap, number, other
