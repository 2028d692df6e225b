"""What the document remembers of an object: as a whole, and on each plane."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.boxed_mask import NOWHERE, BoxedMask
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.correcting import corrected
from napari_sam_adapter.volume.asking.packing import PackedArray, slices_of
from napari_sam_adapter.volume.asking.reasons import CONFLICT, REASONS
from napari_sam_adapter.volume.document.changes import union_box

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.predictions import Capabilities, MaskPrediction
    from napari_sam_adapter.volume.asking.answer import Answer
    from napari_sam_adapter.volume.asking.results import Origin, PlaneResult

NO_PROMPTS = Prompts()


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object of the document.

    Parameters
    ----------
    accepted : bool
        Whether the user declared the object finished.
    name : str
        What the user calls it; may be empty.
    class_name : str
        What kind of thing it is; may be empty.
    locked : bool
        Whether the user forbade to change it.
    """

    accepted: bool = False
    name: str = ""
    class_name: str = ""
    locked: bool = False


NEW_OBJECT = ObjectRecord()


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the last propagation said about an object on a plane.

    Parameters
    ----------
    mask : PackedArray or None
        (H, W) bool; None if it found no mask.
    score, confidence : float
        As in `PlaneResult`.
    reason : str
        As in `PlaneResult`.
    origin : Origin or None
        Anchors it follows from; None if it follows from none any more.
    score_is_trusted : bool
        Whether the score may be shown.
    """

    mask: PackedArray | None
    score: float
    confidence: float
    reason: str
    origin: Origin | None
    score_is_trusted: bool = True

    @classmethod
    def of(cls, result: PlaneResult) -> Derivation:
        """Keep what a propagation found.

        Parameters
        ----------
        result : PlaneResult
            Of a propagation.

        Returns
        -------
        Derivation
            The same, small.
        """
        is_usable = result.is_usable
        mask = PackedArray.of_mask(result.boxed_mask) if is_usable else None
        return cls(
            mask,
            result.score,
            result.confidence,
            result.reason,
            result.origin,
            result.score_is_trusted,
        )

    def is_from(self, fingerprint: str) -> bool:
        """Whether a propagation from the same anchors would say the same.

        Parameters
        ----------
        fingerprint : str
            Of anchors, model and settings.

        Returns
        -------
        bool
            False for planes that could not be read, and where another object was in
            the way: it may be otherwise now.
        """
        is_same = self.origin is not None and self.origin.fingerprint == fingerprint
        return is_same and self.reason in REASONS - {CONFLICT}


@dataclass(frozen=True, slots=True)
class PlaneRecord:
    """Everything known of one object on one plane, besides its pixels.

    Parameters
    ----------
    prompts : Prompts
        What the user asks here.
    answer : Answer or None
        Last committed mask.
    painted : PackedArray or None
        (H, W) bool: pixels that the user gave to the object or took from it by hand.
    locked : bool
        Whether the user forbade to change the object here.
    derivation : Derivation or None
        What the last propagation said; None if the user asked for the mask.
    followed : PackedArray or None
        (H, W) bool: the mask of a propagation that the user corrects; None if there was
        none when the first prompt came.
    """

    prompts: Prompts = field(default=NO_PROMPTS)
    answer: Answer | None = None
    painted: PackedArray | None = None
    locked: bool = False
    derivation: Derivation | None = None
    followed: PackedArray | None = None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.is_anchor and self.answer is None and self.derivation is None

    @property
    def is_pending(self) -> bool:
        """Whether the prompts are newer than the mask."""
        if self.prompts.is_empty:
            return False
        return self.answer is None or self.answer.prompts is not self.prompts

    @property
    def is_anchor(self) -> bool:
        """Whether the user worked on this object here."""
        return not self.prompts.is_empty or self.is_kept

    @property
    def is_kept(self) -> bool:
        """Whether pixels here are not to be changed by masks."""
        return self.locked or self.painted is not None

    @property
    def kept_box(self) -> Box | None:
        """The box around these pixels, if there are any; None for the whole plane."""
        return None if self.locked or self.painted is None else self.painted.box

    @property
    def is_unanswered(self) -> bool:
        """Whether an absent mask says nothing: the user asked for one, in vain or not.

        Locked and painted planes, and those with background prompts alone, do say
        that the object is not there.
        """
        if self.prompts.is_empty or self.is_kept:
            return False
        return self.is_pending or self.prompts.mark_object

    @property
    def is_derived(self) -> bool:
        """Whether the mask came by propagation and may be replaced by another."""
        derivation = self.derivation
        return not self.is_anchor and derivation is not None and bool(derivation.mask)

    @property
    def score(self) -> float | None:
        """The network's estimate for the last mask; None without a trusted one."""
        if self.answer is not None:
            answer = self.answer
            return answer.chosen.score if answer.score_is_trusted else None
        derived = self.derivation
        if derived is None or derived.mask is None or not derived.score_is_trusted:
            return None
        return derived.score

    @property
    def confidence(self) -> float | None:
        """How far the last mask is to be trusted; None without one."""
        if self.answer is not None:
            return self.answer.confidence
        return self.derivation.confidence if self.derivation else None

    @property
    def previous(self) -> MaskPrediction | None:
        """Answer to be refined: only if prompts were added and none changed."""
        if self.answer is None or not self.answer.can_be_refined:
            return None
        if not _adds(self.prompts, self.answer.prompts):
            return None
        return self.answer.prediction

    def question(
        self, capabilities: Capabilities, shape: tuple[int, int]
    ) -> tuple[Prompts, MaskPrediction | None]:
        """Return what the predictor is asked, and the answer to be refined.

        Parameters
        ----------
        capabilities : Capabilities
            What the predictor understands.
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        prompts : Prompts
            With the followed mask, see `corrected`; without outlines, which join the
            mask in which they were drawn.
        previous : MaskPrediction or None
            Goes in again, unless it did so with an outline.
        """
        prompts, previous, followed = self.prompts, self.previous, self.corrects
        if followed is not None:
            prompts = corrected(prompts, followed.unpack_mask(), capabilities)
            if previous is not None:
                prompts = replace(prompts, mask=self.prompts.boxed_mask)
        known = self.answer.prompts.polygons if self.answer else ()
        is_outlined = any(p.positive for p in prompts.polygons[len(known) :])
        if previous is not None and is_outlined:
            prompts, previous = replace(prompts, mask=previous.boxed_mask), None
        return prompts.without_polygons(shape), previous

    @property
    def corrects(self) -> PackedArray | None:
        """The mask of a propagation that is corrected by the next prompt, or was."""
        return self.derivation.mask if self.derivation else self.followed

    def with_painted(
        self, pixels: npt.NDArray[np.bool_], box: Box, shape: tuple[int, int]
    ) -> PlaneRecord:
        """Return a copy with more pixels edited by hand.

        Parameters
        ----------
        pixels : (h, w) bool array
            The new ones inside the box.
        box : (row_start, column_start, row_stop, column_stop)
            Half-open.
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        PlaneRecord
            This record is unchanged.
        """
        known = NOWHERE if self.painted is None else self.painted.box or (0, 0, *shape)
        around = union_box(known, box)
        part = np.zeros((around[2] - around[0], around[3] - around[1]), dtype=bool)
        if self.painted is not None:
            part[_inside(around, known)] = self.painted.unpack_part(known)
        part[_inside(around, box)] |= pixels
        painted = PackedArray.of_mask(BoxedMask(shape, around, part))
        return replace(self, painted=painted)


def same_prompts(prompts: Prompts, other: Prompts) -> bool:
    """Whether two sets of prompts ask the same.

    Parameters
    ----------
    prompts, other : Prompts
        Compared by value.

    Returns
    -------
    bool
        Whether nothing differs.
    """
    return _counts(prompts) == _counts(other) and prompts.extends(other)


def _inside(around: Box, box: Box) -> tuple[slice, slice]:
    """Return where a box lies in one around it."""
    top, left = around[:2]
    return slices_of((box[0] - top, box[1] - left, box[2] - top, box[3] - left))


def _adds(prompts: Prompts, earlier: Prompts) -> bool:
    return _counts(prompts) != _counts(earlier) and prompts.extends(earlier)


def _counts(prompts: Prompts) -> tuple[int, int, int]:
    return len(prompts.points), len(prompts.scribbles), len(prompts.polygons)
