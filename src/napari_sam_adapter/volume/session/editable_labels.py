"""Objects, prompts and labels of one volume, with undo and a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddPoint,
    Edit,
    EndHere,
    LockPlane,
    NewObject,
    Paint,
    SetBox,
    SetPrompts,
    UnlockPlane,
)
from napari_sam_adapter.volume.document.journal_entries import EditGroup, Redo, Undo
from napari_sam_adapter.volume.document.overlap_rules import KEEP
from napari_sam_adapter.volume.document.snapshot import LabelsSnapshot, note_taken_back
from napari_sam_adapter.volume.document.under_way import UnderWay
from napari_sam_adapter.volume.journal.journal_file import Journal
from napari_sam_adapter.volume.journal.session_log import SessionLog
from napari_sam_adapter.volume.journal.session_state import SessionState
from napari_sam_adapter.volume.session.doing import Doable, Watch, doing, with_pauses
from napari_sam_adapter.volume.session.readable_labels import ReadableLabels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.planes.plane import Plane


class EditableLabels(ReadableLabels):
    """Objects, prompts and labels that a user edits, without any predictor.

    Takes the parameters of `ReadableLabels`; for the main thread.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        labels: npt.NDArray[np.integer[Any]] | None = None,
        overlap_rule: str = KEEP,
    ) -> None:
        super().__init__(shape, labels, overlap_rule)
        self.log = SessionLog()
        self.under_way = UnderWay()

    @property
    def state(self) -> SessionState:
        """All that is remembered besides the labels; later edits do not change it."""
        document = self._document
        return SessionState(
            dict(document.objects), dict(document.records), tuple(document.refinable),
            tuple(document.history.done), tuple(document.history.undone),
            self.log.number, tuple(self.log.descriptions),
            document.overlap_rule, document.preference,
        )  # fmt: skip

    def restore(self, state: SessionState) -> None:
        """Take up again what another session of the same labels remembered.

        Parameters
        ----------
        state : SessionState
            From `state`.
        """
        document = self._document
        document.restore_from(state.objects, state.records, state.refinable)
        document.overlap_rule = state.overlap_rule
        document.preference = state.preference
        document.history.done.extend(state.done)
        document.history.undone.extend(state.undone)
        self.log = SessionLog(state.number, state.descriptions)

    def apply(self, *edits: Edit) -> list[Change]:
        """Carry out edits, as one step of the history.

        Parameters
        ----------
        *edits : Edit
            One edit, or several that belong together.

        Returns
        -------
        list of Change
            Pixels that changed at once; masks of new prompts come later.

        Raises
        ------
        PlaneError
            If a plane lies outside the volume.
        PromptError
            If a prompt is malformed or lies outside its plane.
        SessionError
            If an object does not exist, or exists already, or an edit does not fit.
            In these cases nothing is changed.
        OutputError
            If the journal cannot be written; the edits are done nevertheless.
        """
        return self._do(edits[0] if len(edits) == 1 else EditGroup(edits))

    def doing(self, entry: Doable, watch: Watch | None = None) -> Iterator[None]:
        """Carry out an edit, several, an undo or a redo little by little.

        Parameters
        ----------
        entry, watch
            What to do, and who is told; there must be something to undo or redo.

        Returns
        -------
        iterator of None
            For `under_way`; empty if there is little to do.

        Raises
        ------
        SamAdapterError
            As `apply`.
        """
        return with_pauses(doing(self._document, self.log, entry), watch)

    def apply_drawn(self, *strokes: Paint) -> list[Change]:
        """Carry out strokes that stood in the labels already and were taken back.

        Parameters
        ----------
        *strokes : Paint
            As one step; a `snapshot` that is being copied learns of them.

        Returns
        -------
        list of Change
            As of `apply`, which raises the same errors.
        """
        note_taken_back(self._document, strokes)
        return self.apply(*strokes)

    def undo(self) -> list[Change]:
        """Take the last step back; its masks, and propagations on their way, get stale.

        Returns
        -------
        list of Change
            What happened to the pixels; empty if there was nothing to undo.
        """
        return self._do(Undo()) if self.can_undo else []

    def redo(self) -> list[Change]:
        """Do the last undone step again.

        Returns
        -------
        list of Change
            What happened to the pixels; empty if there was nothing to redo.
        """
        return self._do(Redo()) if self.can_redo else []

    def new_object(self) -> int:
        """Make an object.

        Returns
        -------
        int
            Its label, `next_id`.

        Raises
        ------
        SessionError
            If the labels array has no free value.
        """
        object_id = self.next_id
        self.apply(NewObject(object_id))
        return object_id

    def add_point(
        self,
        object_id: int,
        plane: Plane,
        point: tuple[float, float],
        positive: bool = True,
    ) -> list[Change]:
        """Add a point prompt; see `AddPoint` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.
        point : (row, column)
            Pixels of the plane.
        positive : bool
            Whether the point belongs to the object.

        Returns
        -------
        list of Change
            Pixels that changed at once: none.
        """
        return self.apply(AddPoint(object_id, plane, point, positive))

    def set_box(
        self,
        object_id: int,
        plane: Plane,
        box: tuple[float, float, float, float] | None,
    ) -> list[Change]:
        """Set or remove the box prompt; see `SetBox` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.
        box : (row_min, column_min, row_max, column_max) or None
            Pixels of the plane.

        Returns
        -------
        list of Change
            Pixels that changed at once: those of a mask without prompts left.
        """
        return self.apply(SetBox(object_id, plane, box))

    def set_prompts(
        self, object_id: int, plane: Plane, prompts: Prompts
    ) -> list[Change]:
        """Replace all prompts of a plane; see `SetPrompts` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.
        prompts : Prompts
            What is asked from now on. If they equal those before, nothing happens.

        Returns
        -------
        list of Change
            Pixels that changed at once: those of a mask without prompts left.
        """
        return self.apply(SetPrompts(object_id, plane, prompts))

    def accept(self, object_id: int) -> list[Change]:
        """Declare an object finished; see `Accept` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        list of Change
            None: pixels stay.
        """
        return self.apply(Accept(object_id))

    def lock(self, object_id: int, plane: Plane) -> list[Change]:
        """Forbid to change an object on a plane; see `LockPlane` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        list of Change
            None: pixels stay.
        """
        return self.apply(LockPlane(object_id, plane))

    def unlock(self, object_id: int, plane: Plane) -> list[Change]:
        """Allow again to change an object on a plane; see `UnlockPlane`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        list of Change
            None: pixels stay.
        """
        return self.apply(UnlockPlane(object_id, plane))

    def end_here(self, object_id: int, plane: Plane) -> list[Change]:
        """Declare that an object is not on a plane; see `EndHere` and `apply`.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        list of Change
            Its pixels there, if it had any.
        """
        return self.apply(EndHere(object_id, plane))

    def continue_journal(self, path: Path) -> None:
        """Save further edits in a journal that led to the present state.

        Parameters
        ----------
        path : Path
            The journal; a half-written last line is cut off.

        Raises
        ------
        OutputError
            If the file cannot be changed.
        """
        self.log.record_with(Journal(path))

    def snapshot(self) -> LabelsSnapshot:
        """Return the labels as they are now; they are copied later, in any thread."""
        self.under_way.finish()
        return LabelsSnapshot(self._document)

    def close(self) -> None:
        """Let go of the journal's file; what comes after is not saved any more."""
        self.under_way.finish()
        self.log.close()

    def _do(self, entry: Doable) -> list[Change]:
        self.under_way.finish()
        changes = doing(self._document, self.log, entry)
        return [change for change in changes if not change.is_empty]
