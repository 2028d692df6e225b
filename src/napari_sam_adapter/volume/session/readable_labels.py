"""What can be asked of the objects and labels of one volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.asking.candidates import preferred_mask
from napari_sam_adapter.volume.document.document import Document
from napari_sam_adapter.volume.document.given_labels import check_labels
from napari_sam_adapter.volume.document.new_labels import new_labels
from napari_sam_adapter.volume.document.object_list import ObjectList
from napari_sam_adapter.volume.document.overlap_rules import KEEP
from napari_sam_adapter.volume.document.performing_objects import next_numbers
from napari_sam_adapter.volume.session.review import (
    DOUBTFUL,
    Doubt,
    SliceState,
    list_doubts,
    slices_along,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane


class ReadableLabels:
    """Objects, prompts and labels of one volume, to look at.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the volume.
    labels : int array of that shape or None
        Written in place; new ones by default, see `new_labels`.
    overlap_rule : str
        Who gets a pixel that two objects want, at the beginning; see `SetOverlapRule`.

    Raises
    ------
    SessionError
        If the labels have another shape, are not whole numbers, or are read-only; or
        there is no such rule.
    ImageError
        If new labels do not fit on the disk, or one is below 0 or beyond 32 bits.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        labels: npt.NDArray[np.integer[Any]] | None = None,
        overlap_rule: str = KEEP,
    ) -> None:
        is_new = labels is None
        if labels is None:
            labels = new_labels(shape)
        else:
            check_labels(labels, shape)
        self._document = Document(labels, is_new, overlap_rule)
        self.objects = ObjectList(self._document)
        self.written = self._document.written
        """Where the labels were written since a viewer took that to show it."""

    @property
    def labels(self) -> npt.NDArray[np.integer[Any]]:
        """The labels; 0 is background. Change them by edits only, or a copy.

        What is written into this very array, which viewers share, is not counted, not
        taken back, and not in the journal.
        """
        return self._document.labels

    @property
    def object_ids(self) -> list[int]:
        """All objects, in rising order."""
        return sorted(self._document.objects)

    @property
    def next_id(self) -> int:
        """Free number for an object: after the largest, or else the lowest.

        Raises
        ------
        SessionError
            If the labels array has no free value.
        """
        return self.next_ids(1)[0]

    def next_ids(self, count: int) -> list[int]:
        """Return free numbers for objects: after the largest, or else the lowest.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        list of int
            In rising order.

        Raises
        ------
        SessionError
            If the labels array has not so many free values.
        """
        return next_numbers(self._document, count)

    @property
    def accepted_ids(self) -> list[int]:
        """Objects that the user declared finished, in rising order."""
        return sorted(self._document.finished)

    @property
    def overlap_rule(self) -> str:
        """Who gets a pixel that two objects want; see `SetOverlapRule`."""
        return self._document.overlap_rule

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._document.history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._document.history.undone)

    def prompts(self, object_id: int, plane: Plane) -> Prompts:
        """Return what is asked of an object on a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        Prompts
            Empty if nothing is asked.
        """
        return self._document.record(object_id, plane).prompts

    def anchors(self, object_id: int) -> list[Plane]:
        """Return the planes on which the user worked on an object.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        list of Plane
            Those with prompts, hand edits or locks, in the order in which they came.
        """
        records = self._document.records_of.get(object_id, {})
        return [plane for plane, record in records.items() if record.is_anchor]

    def needs_mask(self, object_id: int, plane: Plane) -> bool:
        """Whether the prompts of an object on a plane are newer than its mask.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        bool
            True until a mask for the present prompts is committed.
        """
        return self._document.record(object_id, plane).is_pending

    def score(self, object_id: int, plane: Plane) -> float | None:
        """Return the network's estimate for the last mask of a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        float or None
            About 0 to 1; None without a computed mask, and where the network's
            estimate is not to be trusted.
        """
        return self._document.record(object_id, plane).score

    def confidence(self, object_id: int, plane: Plane) -> float | None:
        """Return how far the last mask of a plane is to be trusted.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        float or None
            0 to 1, see `PlaneResult`; None without a computed mask.
        """
        return self._document.record(object_id, plane).confidence

    def candidates(self, object_id: int, plane: Plane) -> tuple[MaskCandidate, ...]:
        """Return the masks to choose from after an ambiguous prompt.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        tuple of MaskCandidate
            Best score first; empty without a mask for the present prompts.
        """
        record = self._document.record(object_id, plane)
        if record.answer is None or record.is_pending:
            return ()
        return record.answer.mask_candidates

    def chosen_candidate(self, object_id: int, plane: Plane) -> int:
        """Return which of the `candidates` is the mask.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        int
            0 for the best, also where there are none.
        """
        answer = self._document.record(object_id, plane).answer
        return 0 if answer is None else answer.number

    def revision(self, object_id: int, plane: Plane) -> int:
        """Return a number that grows whenever an object changes on a plane."""
        return self._document.revisions.of(object_id, plane)

    def preferred(self, prediction: MaskPrediction) -> MaskCandidate | MaskPrediction:
        """Return what a prediction would give an object, see `preferred_mask`."""
        return preferred_mask(prediction, self._document.preference)

    @property
    def preference(self) -> int | None:
        """Place by size of the candidate that was chosen last; None without one."""
        return self._document.preference

    def is_locked(self, object_id: int, plane: Plane) -> bool:
        """Whether the user forbade to change an object on a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        bool
            True between `LockPlane` and `UnlockPlane`.
        """
        return self._document.record(object_id, plane).locked

    def doubts(
        self, object_id: int | None = None, below: float = DOUBTFUL
    ) -> list[Doubt]:
        """Return the planes to look at after a propagation; see `list_doubts`.

        Parameters
        ----------
        object_id : int or None
            One object; all by default.
        below : float
            Confidence from which on a mask needs no review.

        Returns
        -------
        list of Doubt
            The most doubtful first.
        """
        return list_doubts(self._document, object_id, below)

    def slices(self, object_id: int, plane: Plane, axis: int) -> dict[int, SliceState]:
        """Return what is known of an object along an axis; see `slices_along`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            One of the planes.
        axis : int
            Axis along which the others lie.

        Returns
        -------
        dict of int to SliceState
            By index.
        """
        return slices_along(self._document, object_id, plane, axis)

    def default_seed(self, object_id: int) -> Plane:
        """Return the plane on which the user began to work on an object last.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        Plane
            Its newest anchor.

        Raises
        ------
        SessionError
            If there is no such object, or no plane with prompts or hand edits.
        """
        self._document.require(object_id)
        anchors = self.anchors(object_id)
        if not anchors:
            raise SessionError(
                f"Expected prompts for object {object_id} on some plane, got none. "
                "Click it on a plane first, or give the plane to begin with."
            )
        return anchors[-1]
