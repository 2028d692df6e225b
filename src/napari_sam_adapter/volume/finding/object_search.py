"""Looking for objects on a plane that nobody pointed at.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix B (a grid of points).
Archit et al., *Segment Anything for Microscopy*, 2025 (points from a foreground map).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.predictions import ForegroundPredictor, is_large
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.seeds import (
    grid_points,
    middles_of,
    typical_size,
    typical_width,
)
from napari_sam_adapter.volume.asking.answer import Answer
from napari_sam_adapter.volume.asking.candidates import preferred_mask
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.asking.window_search import side_of_part
from napari_sam_adapter.volume.document.document import MOST_REFINABLE
from napari_sam_adapter.volume.document.mask_writing import check_shape
from napari_sam_adapter.volume.journal.journal_lines import prompts_text
from napari_sam_adapter.volume.planes.windows import all_windows
from napari_sam_adapter.volume.session.taking_found import NOTHING, FindPass, Lot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.windows import Window

POINTS_PER_SIDE = 32
"""Of the grid, where the network does not mark objects by itself."""
POINTS_PER_PASS = 32
MIN_SCORE = 0.88
"""Of masks found from the grid, most points of which lie on no object."""
MIN_SCORE_OF_MARKED = 0.6
"""Of masks of what the network marks, where its scores can be trusted."""
MIN_AREA = 10
"""Pixels; what is smaller is taken for noise."""
MAX_SHARE = 0.5
"""Part of the plane; what is larger is taken for its background."""
MIN_NEW = 0.7
"""Part of a mask that must be free; the rest is an object that was found before."""
MIN_PROBABILITY = 0.5
"""Mean in a mask, of the map that showed where to ask."""
FRAGMENT = 10
"""Diameter in pixels of the network's input; what is mostly smaller is in pieces."""
SMALL = 37
"""Width in pixels of the network's input; smaller objects are looked at closer."""
CLOSER = 0.5
"""Part of the plane's side that a closer look shows."""


@dataclass(frozen=True, eq=False)
class FindRequest:
    """Everything a worker needs to find the objects of a plane.

    Parameters
    ----------
    plane : Plane
        Where.
    predictor : PlanePredictor
        Reads, embeds and segments planes; safe in any thread.
    free : (H, W) bool array
        Where no object is yet.
    preference : int or None
        Which of its candidates to take of a prediction, see `preferred_number`.
    examples : tuple of Lot
        What the objects shall be like; empty for all.
    """

    plane: Plane
    predictor: PlanePredictor
    free: npt.NDArray[np.bool_]
    preference: int | None
    examples: tuple[Lot, ...] = ()


@dataclass(frozen=True)
class FindProgress:
    """How far a search is.

    Parameters
    ----------
    done, total : int
        Places looked at, and all.
    """

    done: int
    total: int


class ObjectSearch:
    """Where to ask next, and what is taken already."""

    def __init__(self, request: FindRequest) -> None:
        self.passes: list[FindPass] = []
        self._request = request
        self._free = request.free.copy()
        self._probability: npt.NDArray[np.float32] | None = None
        self._reduction = 1.0
        self._is_sure = False

    def look_around(self) -> Iterator[FindProgress]:
        """See what the network marks by itself, if it was trained to."""
        predictor = self._request.predictor.predictor
        if not (isinstance(predictor, ForegroundPredictor) and predictor.marks_objects):
            return
        shape, side = self._free.shape, predictor.image_size
        if is_large(shape, side):
            yield from self._look_through(predictor, all_windows(shape, side))
            return
        yield from self._look_through(predictor, [None])
        if self._shows_small_objects(side / max(shape)):
            self._reduction = CLOSER
            part = side_of_part(shape, CLOSER)
            yield from self._look_through(predictor, all_windows(shape, part))

    def ask(self) -> Iterator[FindProgress]:
        """Ask at one place after the other that is still free."""
        points = self._places()
        total = len(points)
        while len(points := self._still_free(points)):
            now, points = points[:POINTS_PER_PASS], points[POINTS_PER_PASS:]
            reduction = self._reduction
            self._ask_at([Prompts(point[None], reduction=reduction) for point in now])
            yield FindProgress(total - len(points), total)

    def ask_again(self, prompts: Sequence[Prompts]) -> Iterator[FindProgress]:
        """Ask for what was found before, and take all that is still new."""
        self._is_sure = True
        for first in range(0, len(prompts), POINTS_PER_PASS):
            self._ask_at(list(prompts[first : first + POINTS_PER_PASS]))
            yield FindProgress(first + POINTS_PER_PASS, len(prompts))

    def _look_through(
        self, predictor: ForegroundPredictor, windows: Sequence[Window | None]
    ) -> Iterator[FindProgress]:
        """Take note of what is marked on the plane, one part after the other."""
        probability = np.zeros(self._free.shape, np.float32)
        problems = []
        for done, window in enumerate(windows, start=1):
            part = probability if window is None else probability[window.slices]
            try:
                np.maximum(part, self._marked(predictor, window), out=part)
            except ImageError as problem:  # nothing is shown there
                problems.append(problem)
            yield FindProgress(done, len(windows))
        if len(problems) == len(windows):
            raise problems[0]
        self._probability = probability

    def _marked(
        self, predictor: ForegroundPredictor, window: Window | None
    ) -> npt.NDArray[np.float32]:
        own = self._request.predictor
        embedding = own.embed(self._request.plane, window=window)
        with own.device:
            return predictor.foreground(embedding)

    def _shows_small_objects(self, scale: float) -> bool:
        """Return whether most of what is marked is small in the network's pixels."""
        assert self._probability is not None  # somebody has looked
        inside = self._probability > MIN_PROBABILITY
        is_whole = typical_size(inside, MIN_AREA) * scale >= FRAGMENT
        return is_whole and typical_width(inside) * scale < SMALL

    def _places(self) -> npt.NDArray[np.float64]:
        if self._probability is None:
            return grid_points(self._free.shape, POINTS_PER_SIDE)
        return middles_of((self._probability > MIN_PROBABILITY) & self._free)

    def _still_free(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rows, columns = np.rint(points).astype(int).T
        free: npt.NDArray[np.float64] = points[self._free[rows, columns]]
        return free

    def _ask_at(self, prompts: list[Prompts]) -> None:
        request = self._request
        predictions = request.predictor.predict_many(request.plane, prompts)
        pairs = zip(predictions, prompts, strict=True)
        answers, masks = zip(*(self._take(*pair) for pair in pairs), strict=True)
        if any(answers):
            texts = tuple(map(prompts_text, prompts))
            self.passes.append(FindPass(tuple(prompts), answers, masks, texts))
            self._forget_logits()

    def _forget_logits(self) -> None:
        """Keep those of the newest answers; the session keeps no others, either."""
        newer = 0
        for number in reversed(range(len(self.passes))):
            if newer >= MOST_REFINABLE:
                self.passes[number] = self.passes[number].without_logits()
                break  # those before have lost theirs
            newer += self.passes[number].new

    def _take(
        self, prediction: MaskPrediction, prompts: Prompts
    ) -> tuple[Answer | None, Lot]:
        """Return a new object, small, and take its pixels; None if it is none."""
        chosen = preferred_mask(prediction, self._request.preference)
        boxed = chosen.boxed_mask
        check_shape(boxed, self._free.shape)
        mask, place = boxed.pixels, slices_of(boxed.box)
        area = int(np.count_nonzero(mask))
        if not (
            has_usual_size(area, self._free.size)
            and is_new((boxed.box, mask), self._free)
            and self._is_likely(prediction, chosen.score, mask, place)
        ):
            return None, NOTHING
        self._free[place] &= ~mask
        rank = self._request.preference
        return Answer.preferring(prediction, prompts, rank), (boxed.box, mask)

    def _is_likely(
        self,
        prediction: MaskPrediction,
        score: float,
        mask: npt.NDArray[np.bool_],
        place: tuple[slice, slice],
    ) -> bool:
        if self._is_sure:
            return True
        if self._probability is None:
            return score >= MIN_SCORE
        is_good = score >= MIN_SCORE_OF_MARKED or not prediction.score_is_trusted
        marked = self._probability[place][mask].mean()
        return bool(is_good and marked >= MIN_PROBABILITY)


def has_usual_size(area: int, size: int) -> bool:
    """Return whether a mask is neither noise nor background.

    Parameters
    ----------
    area, size : int
        Pixels of the mask, and of the plane.

    Returns
    -------
    bool
        As the search takes it.
    """
    return MIN_AREA <= area <= MAX_SHARE * size


def is_new(mask: Lot, free: npt.NDArray[np.bool_]) -> bool:
    """Return whether most of a mask lies where nothing is yet.

    Parameters
    ----------
    mask : (box, (h, w) bool array)
        As of `FindPass`.
    free : (H, W) bool array
        Where no object is.

    Returns
    -------
    bool
        False for an empty mask.
    """
    box, pixels = mask
    new = np.count_nonzero(pixels & free[slices_of(box)])
    return bool(new and new >= MIN_NEW * np.count_nonzero(pixels))
