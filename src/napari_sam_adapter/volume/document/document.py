"""The one mutable thing: objects, prompts, masks, labels, and their history."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.history import History, Key, Step, Transition
from napari_sam_adapter.volume.document.ledger import Ledger
from napari_sam_adapter.volume.document.objects import ObjectRecord, PlaneRecord
from napari_sam_adapter.volume.document.overlap_rules import KEEP, checked_rule
from napari_sam_adapter.volume.document.revisions import Revisions
from napari_sam_adapter.volume.document.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.planes.plane import Plane

NO_RECORD = PlaneRecord()
MOST_REFINABLE = 200
"""Newest answers that keep their logits, for the next prompt to refine."""


class Document:
    """Objects and labels of one volume; for the main thread only.

    Parameters
    ----------
    labels : int array of the spatial shape
        Written in place.
    is_empty : bool
        Whether all of them are known to be 0; other values above 0 become objects.
    overlap_rule : str
        One of `OVERLAP_RULES`; refused by a `SessionError` if it is another.
    """

    def __init__(
        self,
        labels: npt.NDArray[np.integer[Any]],
        is_empty: bool = False,
        overlap_rule: str = KEEP,
    ) -> None:
        self.labels = labels
        self.overlap_rule = checked_rule(overlap_rule)
        self.ledger = Ledger(labels, is_empty, is_strict=True)
        self.history = History()
        self.objects: dict[int, ObjectRecord] = {}
        self.finished: set[int] = set()
        self.locked: set[int] = set()
        self.records: dict[Key, PlaneRecord] = {}
        self.records_of: dict[int, dict[Plane, PlaneRecord]] = {}
        self.preference: int | None = None
        self.kept: dict[Key, Box | None] = {}
        self.refinable: dict[Key, None] = {}
        self.revisions = Revisions()
        self.recordings: list[list[Change]] = []
        self.written = Written()
        self.restore_objects({i: (None, ObjectRecord()) for i in self.ledger.objects})

    @property
    def spared(self) -> set[int]:
        """Objects from which a mask takes no pixel under the rule in force."""
        if self.overlap_rule == "overwrite":
            return self.locked
        return self.locked | self.finished

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
        if propagation and propagation not in self.revisions.open_propagations:
            return False
        exists = object_id in self.objects
        return exists and self.revisions.of(object_id, plane) == revision

    def take_note(self, step: Step, changes: list[Change]) -> None:
        """Add a step that was just done to the history; masks on their way get stale.

        Parameters
        ----------
        step : Step
            Of an edit.
        changes : list of Change
            Its pixels.
        """
        self.revisions.settle(step)
        self.history.push(step)
        self.revisions.end_disturbed(changes)

    def back(self) -> Step:
        """Go back in the history, which must be possible; end all propagations.

        Returns
        -------
        Step
            To be carried out now: what takes the last step back.
        """
        self.revisions.open_propagations.clear()
        step = self.history.done.pop()
        self.history.undone.append(step)
        return step.inverted()

    def forth(self) -> Step:
        """Go forth in the history, which must be possible; end all propagations.

        Returns
        -------
        Step
            To be carried out now: the one that was undone last.
        """
        self.revisions.open_propagations.clear()
        step = self.history.undone.pop()
        self.history.done.append(step)
        return step

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
        return list(self.carrying_out(step))

    def carrying_out(self, step: Step) -> Iterator[Change]:
        """Do what a step says change by change, outside of the history.

        Parameters
        ----------
        step : Step
            As for `carry_out`.

        Yields
        ------
        Change
            What happened to the pixels; everything else is done before the first one.
        """
        if step.preference is not None:
            self.preference = step.preference[1]
        self.restore_objects(step.objects)
        self.restore_records(step.records)
        if step.overlap_rule is not None:
            self.overlap_rule = step.overlap_rule[1]
        self.revisions.settle(step)
        for packed in step.changes:
            change = packed.unpack()
            self.write(change)
            yield change

    def keep_refinable(self, key: Key) -> None:
        """Note the newest answer; the oldest in excess lose their logits.

        Parameters
        ----------
        key : (int, Plane)
            Object and plane of the answer.

        Notes
        -----
        Where a mask is on its way, the logits stay: it may be made from them. The last
        step loses them, too: of very many objects in one step that is most of them.
        """
        self.refinable.pop(key, None)
        self.refinable[key] = None
        excess = max(len(self.refinable) - MOST_REFINABLE, 0)
        for oldest in list(islice(self.refinable, excess)):
            record = self.records.get(oldest, NO_RECORD)
            if not record.is_pending:
                del self.refinable[oldest]
                if record.answer is not None:
                    answer = record.answer.without_logits()
                    small = replace(record, answer=answer)
                    self.restore_records({oldest: (record, small)})
                    self.history.replace_record(oldest, record, small)

    def restore_from(
        self,
        objects: Mapping[int, ObjectRecord],
        records: Mapping[Key, PlaneRecord],
        refinable: Iterable[Key],
    ) -> None:
        """Take up objects and records in place of those that are there.

        Parameters
        ----------
        objects : mapping
            Every object with its record.
        records : mapping
            (object, plane) to its record.
        refinable : iterable of (int, Plane)
            Where answers have logits, the newest last.
        """
        self.refinable = dict.fromkeys(refinable)
        for known in (self.objects, self.records, self.records_of):
            known.clear()
        for members in (self.finished, self.locked, self.kept):
            members.clear()
        self.restore_objects({key: (None, record) for key, record in objects.items()})
        self.restore_records({key: (None, record) for key, record in records.items()})

    def write(self, change: Change, new: int = 0) -> None:
        """Write changed pixels into the labels, and count them.

        Parameters
        ----------
        change : Change
            What to write.
        new : int
            Number of pixels, if the object's first on this plane, in an empty box.
        """
        if change.is_empty:
            return
        for recording in self.recordings:
            recording.append(change)
        self.revisions.note(change)
        self.written.add(region := change.region)
        if new and self.ledger.note_new(change, new):
            self.labels[region] = change.after
            return
        before = self.labels[region].copy()
        change.write(self.labels)
        self.ledger.update(region, before, self.labels[region])

    def restore_objects(
        self, transitions: Mapping[int, Transition[ObjectRecord]]
    ) -> None:
        """Put objects where a step says, and note which are finished or locked.

        Parameters
        ----------
        transitions : mapping
            Object to its record before and after.
        """
        _restore(self.objects, transitions)
        self.ledger.touch(transitions)
        for object_id, (_, after) in transitions.items():
            _include(self.finished, object_id, after is not None and after.accepted)
            _include(self.locked, object_id, after is not None and after.locked)

    def restore_records(
        self, transitions: Mapping[Key, Transition[PlaneRecord]]
    ) -> None:
        """Put records where a step says, and note which hold pixels to be kept.

        Parameters
        ----------
        transitions : mapping
            (object, plane) to its record before and after.
        """
        _restore(self.records, transitions)
        for key, (before, after) in transitions.items():
            object_id, plane = key
            self.kept.pop(key, None)
            if after is not None and after.is_kept:
                self.kept[key] = after.kept_box
            own = self.records_of.setdefault(object_id, {})
            _restore(own, {plane: (before, after)})
            if not own:
                del self.records_of[object_id]
        self.ledger.touch({object_id for object_id, _ in transitions})


def _include(members: set[Any], member: Any, inside: bool) -> None:
    if inside:
        members.add(member)
    else:
        members.discard(member)


def _restore(table: dict[Any, Any], transitions: Mapping[Any, Transition[Any]]) -> None:
    """Put records of objects or planes where the second part of transitions says."""
    for name, (_, after) in transitions.items():
        if after is None:
            table.pop(name, None)
        else:
            table[name] = after
