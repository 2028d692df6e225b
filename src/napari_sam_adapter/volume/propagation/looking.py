"""Look for many objects on one plane: read once, encode once, decode together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask, union
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.follow_rule import next_prompts
from napari_sam_adapter.predictions import is_large
from napari_sam_adapter.volume.asking.reasons import CONFLICT
from napari_sam_adapter.volume.asking.results import AGREEMENT
from napari_sam_adapter.volume.planes.windows import Window
from napari_sam_adapter.volume.propagation.cutting import Patch, cut, even_side, side
from napari_sam_adapter.volume.propagation.sightings import (
    Sighting,
    absent,
    made_disjoint,
)
from napari_sam_adapter.volume.propagation.stop_rule import (
    expected_overlap,
    measure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )
    from napari_sam_adapter.volume.propagation.runs import Run

    Labels = npt.NDArray[np.integer[Any]]


class PlaneLooker:
    """Shows planes to runs.

    Parameters
    ----------
    request : PropagationRequest
        With a predictor.
    """

    def __init__(self, request: PropagationRequest) -> None:
        assert request.predictor is not None
        self._request = request
        self._predictor = request.predictor
        side = request.predictor.predictor.image_size
        self._is_large = is_large(request.shape, side)
        self._anchor_image: tuple[int, npt.NDArray[np.uint8] | None] = (-1, None)

    def look(self, index: int, runs: Sequence[Run]) -> None:
        """Let every run find its object on a plane.

        Parameters
        ----------
        index : int
            The plane.
        runs : sequence of Run
            Those that want it, each of another object; they take note.
        """
        plane = self._request.where.plane(index)
        volume = self._predictor.volume
        for run in runs:
            self._look_at_anchor(run)
        image = None
        try:
            pixels = None if self._is_large else volume.read(plane)
        except ImageError as error:
            return self._miss(index, runs, str(error))
        try:
            image = None if pixels is None else volume.to_uint8(pixels)
        except ImageError:  # nothing is shown
            return self._miss(index, runs, "blank")
        try:
            found = self._ask(index, image, runs)
        except ImageError as error:
            return self._miss(index, runs, str(error))
        for run, answer in zip(runs, found, strict=True):
            self._judge(index, run, answer)

    def _miss(self, index: int, runs: Sequence[Run], reason: str) -> None:
        for run in runs:
            run.take(index, absent(self._request.shape, reason))

    def _look_at_anchor(self, run: Run) -> None:
        """Measure an object where its run begins; many begin on the same plane."""
        if run.look is not None:
            return
        index, image = self._anchor_image
        plane = self._request.where.plane(run.index)
        if index != run.index and not self._is_large:
            try:
                image = self._predictor.volume.read_uint8(plane)
            except ImageError:
                image = None
            self._anchor_image = run.index, image
        if image is not None or self._is_large:
            self._remember(run, self._patch(plane, image, run.last))

    def _remember(self, run: Run, patch: Patch | None) -> None:
        """Take note how an object looks, and at its anchor whether it is even."""
        if patch is None:
            return
        run.look = patch.look(run.last)
        level = self._request.settings.stop.min_level
        if level and run.index == run.anchor.index and self._may_cut(run):
            run.side = even_side(patch, run.last, level)

    def _may_cut(self, run: Run) -> bool:
        """Whether masks are cut: not along time, nor where anchors tell the size."""
        axis, letters = self._request.where.axis, self._predictor.volume.letters
        return run.stretch.taper is None and letters[axis : axis + 1] != "t"

    def _cut(self, patch: Patch | None, mask: BoxedMask, run: Run) -> BoxedMask:
        """Leave out what is only blur, while the object looks as where it begins."""
        if not (run.side and patch and run.look and side(run.look) == run.side):
            return mask
        return cut(patch, mask, run.look, self._request.settings.stop.min_level)

    def _patch(
        self, plane: Plane, image: npt.NDArray[np.uint8] | None, mask: BoxedMask
    ) -> Patch | None:
        """Return what is around a mask; of a large plane only that is read."""
        if not mask.pixels.size:
            return None
        box = Patch.box_of(mask)
        if image is not None:
            return Patch(box, image[Window(*box).slices])
        try:
            return Patch(box, self._predictor.volume.read_uint8(plane, Window(*box)))
        except ImageError:
            return None

    def _ask(
        self, index: int, image: npt.NDArray[np.uint8] | None, runs: Sequence[Run]
    ) -> list[_Answer]:
        """Return one answer per run; the masks do not overlap."""
        request = self._request
        crowd = self._crowd(index, runs)
        asked, owners = [], []
        for number, run in enumerate(runs):
            distance = request.step * abs(index - run.index)
            rule = request.settings.follow
            others = (crowd, run.object_id) if crowd is not None else None
            prompts = next_prompts(run.last, rule, distance, request.pixel, others)
            asked += prompts
            owners += [number] * len(prompts)
        plane = request.where.plane(index)
        answers = self._predictor.predict_many(plane, asked, image, is_nearby=True)
        parts: list[list[MaskPrediction]] = [[] for _ in runs]
        for owner, answer in zip(owners, answers, strict=True):
            parts[owner].append(answer)
        wholes, scores = zip(*map(_join, parts), strict=True)
        patches = [self._patch(plane, image, mask) for mask in wholes]
        wholes = tuple(map(self._cut, patches, wholes, runs))
        left = [request.bystanders.spare(mask, plane) for mask in wholes]
        are_taken = map(_is_taken, wholes, left, runs)
        masks = made_disjoint(left, scores, [run.object_id for run in runs])
        return list(map(_Answer, masks, scores, are_taken, patches))

    def _crowd(self, index: int, runs: Sequence[Run]) -> Labels | None:
        """Return who is where: bystanders, and the runs on the plane before."""
        if not self._request.settings.follow.neighbour_points:
            return None
        crowd: Labels = np.zeros(self._request.shape, np.int64)
        plane, whole = self._request.where.plane(index), (0, 0, *self._request.shape)
        others = self._request.bystanders.on(plane, whole)
        if others is not None:
            crowd[...] = others
        for run in runs:
            top, left, bottom, right = run.last.box
            crowd[top:bottom, left:right][run.last.pixels] = run.object_id
        return crowd

    def _judge(self, index: int, run: Run, answer: _Answer) -> None:
        mask, score, is_taken, patch = answer
        look = patch.look(mask) if patch and mask.pixels.size else None
        rule, request = self._request.settings.stop, self._request
        distance = request.step * abs(index - run.index)
        steadiness = expected_overlap(run.last, distance, request.pixel, rule.max_slope)
        likeness = run.look.likeness(look) if look and run.look else 1.0
        area = run.anchor.mask.area
        cues = measure(mask, run.last, score, likeness, steadiness, area)
        if taper := run.stretch.taper:
            cues = replace(cues, excess=taper.excess(index, mask.area))
        reason = CONFLICT if is_taken else rule.reason(cues)
        confidence = 0.0 if reason else cues.confidence
        seen = Sighting(mask, score, confidence, reason, not reason, cues)
        run.take(index, seen, look)


class _Answer(NamedTuple):
    """What the network says of an object, as far as it may be its own.

    Attributes
    ----------
    mask : BoxedMask
        The object.
    score : float
        Of the whole mask.
    is_taken : bool
        Whether another object has most of it.
    patch : Patch or None
        Where it is; None if there is no mask, or the plane cannot be read.
    """

    mask: BoxedMask
    score: float
    is_taken: bool
    patch: Patch | None


def _is_taken(whole: BoxedMask, left: BoxedMask, run: Run) -> bool:
    """Whether what is left of a mask is too little to be the object."""
    if left.area > AGREEMENT * whole.area or not whole.pixels.size:
        return False
    # A mask that only went astray on a neighbour is more like the last without that.
    return left.overlap(run.last) <= whole.overlap(run.last)


def _join(answers: Sequence[MaskPrediction]) -> tuple[BoxedMask, float]:
    """Join the pieces of one object; the score is that of the average pixel."""
    masks = [answer.boxed_mask for answer in answers]
    scores = [float(answer.score) for answer in answers]
    areas = [mask.area for mask in masks]
    weights = areas if len(masks) > 1 and any(areas) else None
    score = np.average(scores, weights=weights)
    return union(masks), float(score)
