"""A step in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.volume.document.changes import (
    Change,
    PackedChange,
    change_between,
)
from napari_sam_adapter.volume.document.history import (
    Key,
    Step,
    Transition,
    object_transition,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.objects import ObjectRecord, PlaneRecord
    from napari_sam_adapter.volume.planes.plane import Plane


class Draft:
    """A step in the making: writes into the document and remembers what was.

    Parameters
    ----------
    document : Document
        Changed at once.
    propagation : int
        As of `Step`.
    """

    def __init__(self, document: Document, propagation: int = 0) -> None:
        self.document = document
        self.changes: list[Change] = []
        self._packed: list[PackedChange] = []
        self._propagation = propagation
        self._objects: dict[int, Transition[ObjectRecord]] = {}
        self._records: dict[Key, Transition[PlaneRecord]] = {}
        self._rule: tuple[str, str] | None = None
        self._preference: Transition[int] | None = None

    def set_object(self, object_id: int, record: ObjectRecord | None) -> None:
        """Make, change or remove an object.

        Parameters
        ----------
        object_id : int
            The object.
        record : ObjectRecord or None
            None removes it.
        """
        object_id = int(object_id)  # it may be NumPy's
        before = self.document.objects.get(object_id)
        before, _ = self._objects.get(object_id, (before, None))
        transition = object_transition(before, record)
        self._objects[object_id] = transition
        self.document.restore_objects({object_id: transition})

    def set_record(self, object_id: int, plane: Plane, record: PlaneRecord) -> None:
        """Change what is known of an object on a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.
        record : PlaneRecord
            An empty one is forgotten.
        """
        key = int(object_id), plane
        before = self.document.records.get(key)
        before, _ = self._records.get(key, (before, None))
        after = None if record.is_blank else record
        self._records[key] = before, after
        self.document.restore_records({key: (before, after)})

    def set_overlap_rule(self, rule: str) -> None:
        """Say who gets a pixel that a mask wants and another object has.

        Parameters
        ----------
        rule : str
            One of `OVERLAP_RULES`.
        """
        before = self.document.overlap_rule if self._rule is None else self._rule[0]
        self._rule = before, rule
        self.document.overlap_rule = rule

    def set_preference(self, rank: int) -> None:
        """Say which candidate later ambiguous prompts shall get.

        Parameters
        ----------
        rank : int
            From `size_rank`.
        """
        document = self.document
        if rank != document.preference:
            first, _ = self._preference or (document.preference, None)
            self._preference = first, rank
            document.preference = rank

    def write(
        self,
        object_id: int,
        plane: Plane,
        after: npt.NDArray[np.integer[Any]],
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Write new labels on a plane, or on a part of it.

        Parameters
        ----------
        object_id : int
            Object that is edited.
        plane : Plane
            Where.
        after : (h, w) int array
            Labels of the plane or part.
        corner : (row, column)
            Where the part begins.
        """
        row, column = corner
        whole = plane.view(self.document.labels)
        before = whole[row : row + after.shape[0], column : column + after.shape[1]]
        self.write_change(change_between(int(object_id), plane, before, after, corner))

    def write_change(self, change: Change, new: int = 0) -> None:
        """Write new labels of which all is known.

        Parameters
        ----------
        change : Change
            In the smallest box.
        new : int
            As of `Document.write`.
        """
        self.changes.append(change)
        if not change.is_empty:
            self._packed.append(PackedChange.of(change))
        self.document.write(change, new)

    def step(self) -> Step:
        """Return all that was done, for the history, or begun, for `withdraw`.

        Returns
        -------
        Step
            Without empty changes.
        """
        return Step(
            self._objects,
            self._records,
            tuple(self._packed),
            self._propagation,
            overlap_rule=self._rule,
            preference=self._preference,
        )
