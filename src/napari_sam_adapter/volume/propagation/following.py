"""The pure part of propagation: planes in order, all objects at once, nothing written.

Two sweeps go through the planes, upwards and downwards. On each plane all objects that
are on their way in this direction are decoded together. What a plane shows is given out
in the last sweep that visits it, when no later plane can change it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.volume.asking.reasons import END
from napari_sam_adapter.volume.propagation.interpolation import interpolate
from napari_sam_adapter.volume.propagation.looking import PlaneLooker
from napari_sam_adapter.volume.propagation.runs import Run
from napari_sam_adapter.volume.propagation.sightings import (
    Sighting,
    bridge,
    cleared,
    finish_plane,
    fuse,
    take_alone,
)
from napari_sam_adapter.volume.propagation.three_way import follow_three_ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )
    from napari_sam_adapter.volume.propagation.stretches import Stretch

UP, DOWN = 1, -1


def follow(request: PropagationRequest) -> Iterator[PlaneResult | None]:
    """Follow objects without writing anything; for any thread.

    Parameters
    ----------
    request : PropagationRequest
        From `Session.propagation`.

    Yields
    ------
    PlaneResult or None
        To be committed on the main thread, at most one per object and plane; None
        after work that has no result yet.
    """
    yield from _clear_orphans(request)
    match request.settings.method:
        case "model":
            yield from follow_with_model(request)
        case "three-way":
            yield from follow_three_ways(request, follow_with_model)
        case "interpolation":
            yield from follow_without_model(request)


def follow_with_model(request: PropagationRequest) -> Iterator[PlaneResult | None]:
    """Follow objects plane by plane; see `follow`.

    Parameters
    ----------
    request : PropagationRequest
        With a predictor.

    Yields
    ------
    PlaneResult or None
        As `follow` does.
    """
    sweeps = _Sweeps(request)
    yield from sweeps.go(UP)
    yield from sweeps.go(DOWN)


def follow_without_model(request: PropagationRequest) -> Iterator[PlaneResult]:
    """Fill the planes between two anchors by interpolation.

    Parameters
    ----------
    request : PropagationRequest
        A predictor is not needed.

    Yields
    ------
    PlaneResult
        One per object and plane between anchors, less sure in the middle and where
        the anchors differ.
    """
    inside: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in request.stretches:
        for index in range(stretch.first, stretch.last + 1):
            if index in request.where:
                inside[index].append(stretch)
    for index in sorted(inside):
        found = {s.object_id: (s, _between(s, index, request)) for s in inside[index]}
        yield from finish_plane(request, index, found)


def _between(stretch: Stretch, index: int, request: PropagationRequest) -> Sighting:
    assert stretch.below is not None  # without a model only these are asked for
    assert stretch.above is not None
    weight = _weight(stretch, index)
    first, second = stretch.below.mask, stretch.above.mask
    mask = interpolate(first, second, weight, request.pixel)
    doubt = 4 * weight * (1 - weight) * (1 - first.overlap(second))
    is_usable = bool(mask.pixels.size)
    return Sighting(
        mask, 1 - doubt, 1 - doubt, is_usable=is_usable, score_is_trusted=False
    )


def _weight(stretch: Stretch, index: int) -> float:
    """Return the place between two anchors: 0 at the lower, 1 at the higher."""
    assert stretch.below is not None
    assert stretch.above is not None
    low, high = stretch.below.index, stretch.above.index
    return (index - low) / (high - low)


def _clear_orphans(request: PropagationRequest) -> Iterator[PlaneResult]:
    """Clear old masks that follow from no anchor any more."""
    for object_id, index in sorted(request.orphans):
        yield cleared(request, object_id, index, None)


class _Sweeps:
    """Both sweeps over the planes of one request."""

    def __init__(self, request: PropagationRequest) -> None:
        self._request = request
        self._looker = PlaneLooker(request)
        self._runs = {UP: self._start_runs(UP), DOWN: self._start_runs(DOWN)}

    def go(self, direction: int) -> Iterator[PlaneResult | None]:
        """Visit all planes of one direction that are still of use."""
        runs = self._runs[direction]
        waiting: list[int] = []
        for index in self._indices(direction):
            active = [run for run in runs if run.wants(index)]
            if active:
                self._looker.look(index, active)
            if self._is_last_visit(index, direction):
                waiting.append(index)
            while waiting and not any(run.is_open(waiting[0]) for run in runs):
                yield from self._finish(waiting.pop(0))
            if active:
                yield None
        for run in runs:
            run.end()
        for index in waiting:
            yield from self._finish(index)

    def _start_runs(self, direction: int) -> list[Run]:
        rule, pixel = self._request.settings.stop, self._request.pixel
        starts = [
            (stretch, stretch.below if direction == UP else stretch.above)
            for stretch in self._request.stretches
        ]
        return [Run(s, anchor, rule.patience, pixel) for s, anchor in starts if anchor]

    def _indices(self, direction: int) -> list[int]:
        visited = {
            index
            for run in self._runs[direction]
            for index in range(run.stretch.first, run.stretch.last + 1)
        }
        return sorted(visited, reverse=direction == DOWN)

    def _is_last_visit(self, index: int, direction: int) -> bool:
        if index not in self._request.where:
            return False
        return direction == DOWN or not any(
            index in run.stretch for run in self._runs[DOWN]
        )

    def _finish(self, index: int) -> Iterator[PlaneResult]:
        found = {}
        for stretch in self._request.stretches:
            if index in stretch:
                found[stretch.object_id] = stretch, self._found(stretch, index)
        yield from finish_plane(self._request, index, found)

    def _found(self, stretch: Stretch, index: int) -> Sighting | None:
        rising = self._run(stretch, UP)
        falling = self._run(stretch, DOWN)
        if rising and falling:
            return self._fused(rising, falling, index)
        run = rising or falling
        assert run is not None
        return self._marked(run, index, UP if rising else DOWN)

    def _fused(self, rising: Run, falling: Run, index: int) -> Sighting:
        up = rising.sightings.pop(index, None)
        down = falling.sightings.pop(index, None)
        pixel = self._request.pixel
        place = _weight(rising.stretch, index)
        if up and down and up.is_usable and down.is_usable:
            return fuse(up, down, place, pixel, rising.closure)
        if up and up.is_usable:
            return take_alone(up, 1 - place)
        if down and down.is_usable:
            return take_alone(down, place)
        weight = (index - rising.index) / (falling.index - rising.index)
        reasons = [seen.reason for seen in (up, down) if seen]
        reason = reasons[0] if reasons else "interpolated"
        return bridge(rising.last, falling.last, weight, pixel, reason)

    def _marked(self, run: Run, index: int, direction: int) -> Sighting | None:
        """Say where a good mask is the last one that was asked for."""
        seen = run.sightings.pop(index, None)
        stretch = run.stretch
        last = stretch.last if direction == UP else stretch.first
        if seen and seen.is_usable and not seen.reason and index == last:
            return replace(seen, reason=END)
        return seen

    def _run(self, stretch: Stretch, direction: int) -> Run | None:
        for run in self._runs[direction]:
            if run.stretch is stretch:
                return run
        return None
