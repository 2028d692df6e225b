"""The one mutable thing: objects, prompts, masks, labels, and their history."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.history import History, Key, Step, Transition
from napari_sam_adapter.volume.objects import ObjectRecord, PlaneRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from napari_sam_adapter.volume.changes import Change
    from napari_sam_adapter.volume.plane import Plane

NO_RECORD = PlaneRecord()
FEW_LABELS = 1 << 24
"""Below this, the labels in use are found with one flag per label: no sorting."""


class Document:
    """Objects and labels of one volume; for the main thread only.

    Parameters
    ----------
    labels : int array of the spatial shape
        Written in place.
    objects : iterable of int
        Values in it that are objects.
    overwrite : bool
        Whether masks take pixels of other objects.
    """

    def __init__(
        self,
        labels: npt.NDArray[np.integer[Any]],
        objects: Iterable[int] = (),
        overwrite: bool = False,
    ) -> None:
        self.labels = labels
        self.overwrite = overwrite
        self.history = History()
        self.objects = {object_id: ObjectRecord() for object_id in objects}
        self.records: dict[Key, PlaneRecord] = {}
        self.preference: int | None = None
        self.kept: set[Key] = set()
        self.open_propagations: dict[int, frozenset[int]] = {}
        self._clock = itertools.count(1)
        self._revisions: dict[int | Key, int] = {}
        self._oldest_revision = 0

    def record(self, object_id: int, plane: Plane) -> PlaneRecord:
        """Return what is known of an object on a plane.

        Parameters
        ----------
        object_id : int
            An object.
        plane : Plane
            Where.

        Returns
        -------
        PlaneRecord
            An empty one if nothing is known.
        """
        return self.records.get((object_id, plane), NO_RECORD)

    def require(self, object_id: int) -> ObjectRecord:
        """Return an object that has to exist.

        Parameters
        ----------
        object_id : int
            An object.

        Returns
        -------
        ObjectRecord
            Its record.

        Raises
        ------
        SessionError
            If there is no such object.
        """
        if object_id not in self.objects:
            raise SessionError(
                f"Expected an object of this session, got {object_id}. "
                "Make it with new_object() or NewObject first."
            )
        return self.objects[object_id]

    def revision(self, object_id: int, plane: Plane) -> int:
        """Return a number that grows whenever an object changes on a plane.

        Parameters
        ----------
        object_id : int
            An object.
        plane : Plane
            Where.

        Returns
        -------
        int
            Never the same again after an edit, an undo or a redo.
        """
        of_object = self._revisions.get(object_id, 0)
        of_plane = self._revisions.get((object_id, plane), 0)
        return max(of_object, of_plane, self._oldest_revision)

    def is_current(
        self, object_id: int, plane: Plane, revision: int, propagation: int = 0
    ) -> bool:
        """Whether a mask that was asked for is still wanted.

        Parameters
        ----------
        object_id : int
            An object.
        plane : Plane
            Where.
        revision : int
            State of the object there when it was asked for.
        propagation : int
            Number of the propagation it belongs to, 0 for none.

        Returns
        -------
        bool
            False if the state is another, or the propagation was ended.
        """
        if propagation and propagation not in self.open_propagations:
            return False
        exists = object_id in self.objects
        return exists and self.revision(object_id, plane) == revision

    def end_disturbed(self, changes: Iterable[Change]) -> None:
        """End propagations that rely on pixels which were just changed.

        Parameters
        ----------
        changes : iterable of Change
            By anything but a propagation, which spares finished objects. A run that
            saw a finished object move could not be repeated from the journal.
        """
        pixels = [part for change in changes for part in (change.before, change.after)]
        for number, finished in list(self.open_propagations.items()):
            if any(np.isin(part, list(finished)).any() for part in pixels):
                del self.open_propagations[number]

    def outdate_all(self) -> None:
        """Make every revision that was ever given out an old one."""
        self._oldest_revision = next(self._clock)

    def settle(self, step: Step) -> None:
        """Give everything that a step touched a new revision.

        Parameters
        ----------
        step : Step
            A step that was just done or taken back. Accepting an object outdates
            nothing: masks on their way still count.
        """
        for object_id, (before, after) in step.objects.items():
            if before is None or after is None:
                self._revisions[object_id] = next(self._clock)
        for key in step.records:
            self._revisions[key] = next(self._clock)

    def undo(self) -> list[Change]:
        """Take the last step back, which must exist; end all propagations.

        Returns
        -------
        list of Change
            What happened to the pixels.
        """
        self.open_propagations.clear()
        step = self.history.done.pop()
        self.history.undone.append(step)
        return self.carry_out(step.inverted())

    def redo(self) -> list[Change]:
        """Do the last undone step again, which must exist; end all propagations.

        Returns
        -------
        list of Change
            What happened to the pixels.
        """
        self.open_propagations.clear()
        step = self.history.undone.pop()
        self.history.done.append(step)
        return self.carry_out(step)

    def carry_out(self, step: Step) -> list[Change]:
        """Do what a step says, outside of the history.

        Parameters
        ----------
        step : Step
            An undone step, or the inverse of one that was done.

        Returns
        -------
        list of Change
            What happened to the pixels.
        """
        changes = [change.unpack() for change in step.changes]
        for change in changes:
            change.write(self.labels)
        if step.preference is not None:
            self.preference = step.preference[1]
        restore(self.objects, step.objects)
        self.restore_records(step.records)
        self.settle(step)
        return changes

    def restore_records(
        self, transitions: Mapping[Key, Transition[PlaneRecord]]
    ) -> None:
        """Put records where a step says, and note which hold pixels to be kept.

        Parameters
        ----------
        transitions : mapping
            (object, plane) to its record before and after.
        """
        restore(self.records, transitions)
        for key, (_, after) in transitions.items():
            if after is not None and after.is_kept:
                self.kept.add(key)
            else:
                self.kept.discard(key)


def labels_in_use(labels: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Return the values above 0 that occur in a label array.

    Parameters
    ----------
    labels : int array
        Any shape.

    Returns
    -------
    list of int
        In rising order.
    """
    largest = int(labels.max())
    if largest >= FEW_LABELS:
        return [int(value) for value in np.unique(labels) if value > 0]
    present = np.zeros(max(largest, 0) + 1, dtype=bool)
    for part in labels:
        present[np.maximum(part, 0)] = True
    return [int(value) for value in np.flatnonzero(present) if value > 0]


def restore(table: dict[Any, Any], transitions: Any) -> None:
    """Put records of objects or planes where the second part of transitions says."""
    for name, (_, after) in transitions.items():
        if after is None:
            table.pop(name, None)
        else:
            table[name] = after
