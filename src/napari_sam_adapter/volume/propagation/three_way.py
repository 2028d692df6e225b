"""Follow objects along all three axes and take the majority: for isotropic data."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask, place, union
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.follow_rule import next_prompts
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.sightings import Sighting, finish_plane
from napari_sam_adapter.volume.propagation.stretches import Anchor, stretches_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )

    FollowOneWay = Callable[[PropagationRequest], Iterator[PlaneResult | None]]

MARGIN = 0.25
"""Part of its size by which the box that is looked at is larger than the object."""
MAJORITY = 2


def follow_three_ways(
    request: PropagationRequest, follow_one_way: FollowOneWay
) -> Iterator[PlaneResult | None]:
    """Follow objects along three axes; a voxel that two of them found is taken.

    Parameters
    ----------
    request : PropagationRequest
        With a predictor.
    follow_one_way : callable
        Follows the objects of a request along its axis.

    Yields
    ------
    PlaneResult or None
        As `follow` does; the results come at the end. Their confidence is the share
        of voxels on which all three agree.
    """
    found: dict[int, dict[int, Sighting]] = defaultdict(dict)
    for result in follow_one_way(request):
        if result is not None:
            index = result.plane.index_along(request.where.axis)
            found[result.object_id][index] = _sighting(result)
        yield None
    for object_id in request.object_ids:
        ballot = _Ballot.of(request, object_id, found[object_id])
        if ballot is None:
            continue
        for axis in request.where.seed.axes:
            side = _side_request(request, object_id, ballot, axis)
            for result in follow_one_way(side):
                if result is not None and result.is_usable:
                    index = result.plane.index_along(axis)
                    ballot.count(axis, index, result.boxed_mask)
                yield None
        found[object_id].update(ballot.elected(found[object_id]))
    yield from _finished(request, found)


@dataclass(frozen=True, eq=False)
class _Ballot:
    """Votes for the voxels of one object inside a box.

    Parameters
    ----------
    axes : (int, int, int)
        Followed axis, rows and columns: the axes of `votes`.
    start : (int, int, int)
        Where the box begins in the volume.
    votes : (D, H, W) uint8 array
        How many ways found a voxel.
    known : (D, H, W) bool array
        Voxels of the anchors.
    shape : (int, int)
        Rows and columns of the planes.
    """

    axes: tuple[int, int, int]
    start: tuple[int, int, int]
    votes: npt.NDArray[np.uint8]
    known: npt.NDArray[np.bool_]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, request: PropagationRequest, object_id: int, found: dict[int, Sighting]
    ) -> _Ballot | None:
        """Return the votes of the way along the followed axis; None without any."""
        anchors = _anchors(request, object_id)
        masks = {i: seen.mask for i, seen in found.items() if seen.is_usable}
        masks.update(anchors)
        if not masks:
            return None
        axes = request.where.axis, *request.where.seed.axes
        low, high = _box_around(masks, [request.volume_shape[axis] for axis in axes])
        votes = np.zeros(high - low, np.uint8)
        known = np.zeros(votes.shape, bool)
        window = int(low[1]), int(low[2]), int(high[1]), int(high[2])
        for index, mask in masks.items():
            votes[index - low[0]] = mask.window(window)
            if index in anchors:
                known[index - low[0]] = mask.window(window)
        start = int(low[0]), int(low[1]), int(low[2])
        return cls(axes, start, votes, known, request.shape)

    def count(self, axis: int, index: int, mask: BoxedMask) -> None:
        """Add the votes of one plane across another axis than the followed one."""
        side = self.axes.index(axis)
        votes = np.moveaxis(self.votes, side, 0)[index - self.start[side]]
        top, left = (start for i, start in enumerate(self.start) if i != side)
        bottom, right = top + votes.shape[0], left + votes.shape[1]
        votes += mask.window((top, left, bottom, right))

    def elected(self, found: dict[int, Sighting]) -> dict[int, Sighting]:
        """Return what the majority says, by index on the followed axis."""
        majority = (self.votes >= MAJORITY) | self.known
        pieces, _ = ndimage.label(majority)
        majority = np.isin(pieces, np.unique(pieces[self.known]))
        elected = {}
        for number, votes in enumerate(self.votes):
            if not votes.any():
                continue
            index = self.start[0] + number
            mask = majority[number]
            top, left = self.start[1:]
            box = top, left, top + mask.shape[0], left + mask.shape[1]
            agreement = float((votes > MAJORITY).sum() / (votes > 0).sum())
            seen = found.get(index)
            score = seen.score if seen else agreement
            reason = "" if mask.any() else "disagreement"
            elected[index] = Sighting(
                place(mask, box, self.shape),
                score,
                agreement,
                reason,
                not reason,
                score_is_trusted=seen is not None and seen.score_is_trusted,
            )
        return elected


def _anchors(request: PropagationRequest, object_id: int) -> dict[int, BoxedMask]:
    return {
        anchor.index: anchor.mask
        for stretch in request.stretches
        if stretch.object_id == object_id
        for anchor in (stretch.below, stretch.above)
        if anchor
    }


def _box_around(
    masks: dict[int, BoxedMask], shape: list[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    boxes = np.array([[i, *m.box[:2], i + 1, *m.box[2:]] for i, m in masks.items()])
    low, high = boxes[:, :3].min(axis=0), boxes[:, 3:].max(axis=0)
    grow = np.ceil(MARGIN * (high - low)).astype(int)
    return np.maximum(low - grow, 0), np.minimum(high + grow, shape)


def _side_request(
    request: PropagationRequest, object_id: int, ballot: _Ballot, axis: int
) -> PropagationRequest:
    """Prepare to follow an object along another axis; count the plane to begin with."""
    side = ballot.axes.index(axis)
    middle = _middle(ballot.known)
    point = list(request.where.seed.index())
    for one, start, offset in zip(ballot.axes, ballot.start, middle, strict=True):
        point[one] = start + offset
    rows, columns = (one for one in ballot.axes if one != axis)
    plane = Plane.from_index((rows, columns), _numbers(point))
    start = ballot.start[side]
    stop = start + ballot.votes.shape[side] - 1
    where = replace(request.where, seed=plane, axis=axis, start=start, stop=stop)
    empty: dict[tuple[int, int], int] = defaultdict(int)
    none: frozenset[tuple[int, int]] = frozenset()
    bare = replace(request, where=where, stretches=(), outdated=none, passed=none)
    bare = replace(bare, object_ids=(object_id,), revisions=empty)
    anchor = Anchor(start + middle[side], _seed_mask(bare, ballot, side, middle))
    ballot.count(axis, anchor.index, anchor.mask)
    stretches = stretches_between(object_id, {anchor.index: anchor}, start, stop, "")
    return replace(bare, stretches=tuple(stretches))


def _middle(known: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return the innermost voxel of the largest anchor."""
    plane = int(known.sum(axis=(1, 2)).argmax())
    depth = ndimage.distance_transform_edt(np.pad(known[plane], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return plane, int(row), int(column)


def _seed_mask(
    request: PropagationRequest,
    ballot: _Ballot,
    side: int,
    middle: tuple[int, int, int],
) -> BoxedMask:
    """Return the object where two ways cross: the cut, as the network sees it."""
    cut = np.moveaxis(ballot.votes, side, 0)[middle[side]] > 0
    top, left = (s for i, s in enumerate(ballot.start) if i != side)
    box = top, left, top + cut.shape[0], left + cut.shape[1]
    rough = place(cut, box, request.shape)
    assert request.predictor is not None
    rule, pixel = request.settings.follow, request.pixel
    prompts = next_prompts(rough, rule, 0.0, pixel)
    try:
        answers = request.predictor.predict_many(request.where.seed, prompts)
    except ImageError:
        return rough
    mask = union([answer.boxed_mask for answer in answers])
    steady = request.settings.stop.tolerance * mask.overlap(rough) >= 1
    return mask if steady else rough


def _finished(
    request: PropagationRequest, found: dict[int, dict[int, Sighting]]
) -> Iterator[PlaneResult]:
    indices = {i for s in request.stretches for i in range(s.first, s.last + 1)}
    for index in sorted(indices):
        if index in request.where:
            here = {
                stretch.object_id: (stretch, found[stretch.object_id].get(index))
                for stretch in request.stretches
                if index in stretch
            }
            yield from finish_plane(request, index, here)


def _sighting(result: PlaneResult) -> Sighting:
    return Sighting(
        result.boxed_mask,
        result.score,
        result.confidence,
        result.reason,
        result.is_usable,
        result.cues,
        result.score_is_trusted,
    )


def _numbers(point: list[Any]) -> list[int]:
    """Return a point with some number on the axes that a plane shows anyway."""
    return [value if isinstance(value, int) else 0 for value in point]
