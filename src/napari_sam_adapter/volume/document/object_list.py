"""What a table of all objects shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.boxed_mask import NOWHERE
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.journal_entries import Undo
from napari_sam_adapter.volume.document.performing_objects import require_unlocked
from napari_sam_adapter.volume.document.piece_search import PieceSearch
from napari_sam_adapter.volume.document.step_words import in_words
from napari_sam_adapter.volume.document.tidy_search import TidySearch
from napari_sam_adapter.volume.planes.plane import numbered_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.history import Key, Step
    from napari_sam_adapter.volume.document.journal_entries import Redo
    from napari_sam_adapter.volume.document.object_edits import TidyObject
    from napari_sam_adapter.volume.document.objects import PlaneRecord
    from napari_sam_adapter.volume.planes.plane import Plane

NEWEST = 5
"""Objects that tell how large the next one will be."""


@dataclass(frozen=True)
class ObjectSummary:
    """One object in a line.

    Parameters
    ----------
    object_id : int
        Its number in the labels.
    name, class_name : str
        What the user calls it, and its kind; may be empty.
    voxels : int
        Its size.
    slices : int
        On how many slices along the last two axes it lies.
    confidence : float or None
        The lowest of its computed masks, 0 to 1; None without one.
    accepted, locked : bool
        Whether the user declared it finished, and forbade to change it.
    """

    object_id: int
    name: str
    class_name: str
    voxels: int
    slices: int
    confidence: float | None
    accepted: bool
    locked: bool


class ObjectList:
    """The objects of a session; each line costs no pass over the labels.

    Parameters
    ----------
    document : Document
        With the objects.
    """

    def __init__(self, document: Document) -> None:
        self._document = document

    def __contains__(self, object_id: int) -> bool:
        return object_id in self._document.objects

    @property
    def ids(self) -> list[int]:
        """All objects, in rising order."""
        return sorted(self._document.objects)

    @property
    def stamp(self) -> int:
        """A moment, for `changed_since`."""
        return self._document.ledger.stamp

    def changed_since(self, stamp: int) -> list[int]:
        """Return the objects that changed after a moment.

        Parameters
        ----------
        stamp : int
            Value of `stamp` at that moment; 0 for the beginning.

        Returns
        -------
        list of int
            Also those that are gone.
        """
        return self._document.ledger.changed_since(stamp)

    def summary(self, object_id: int) -> ObjectSummary:
        """Return the line of an object.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        ObjectSummary
            As it is now.

        Raises
        ------
        SessionError
            If there is no such object.
        """
        record = self._document.require(object_id)
        parts = self._document.ledger.parts(object_id)
        planes = self._document.records_of.get(object_id, {}).values()
        known = [c for plane in planes if (c := _confidence(plane)) is not None]
        return ObjectSummary(
            object_id,
            record.name,
            record.class_name,
            sum(part.voxels for part in parts.values()),
            len(parts),
            min(known, default=None),
            record.accepted,
            record.locked,
        )

    @property
    def last_open(self) -> int | None:
        """The newest object that is neither finished nor locked; None without one."""
        closed = self._document.finished | self._document.locked
        return max(self._document.objects.keys() - closed, default=None)

    @property
    def names(self) -> dict[int, str]:
        """Names of the objects that have one."""
        known = self._document.objects.items()
        return {object_id: record.name for object_id, record in known if record.name}

    @property
    def classes(self) -> dict[int, str]:
        """Classes of the objects that have one."""
        known = self._document.objects.items()
        return {i: record.class_name for i, record in known if record.class_name}

    def in_next(self, entry: Undo | Redo) -> set[int]:
        """Return the objects whose pixels an undo or redo will change.

        Parameters
        ----------
        entry : Undo or Redo
            One that is possible.

        Returns
        -------
        set of int
            0 is among them for a stroke over several objects.
        """
        return {change.object_id for change in self._next(entry).changes}

    def words_for_next(self, entry: Undo | Redo) -> str:
        """Return what the step is called that an undo or redo is about.

        Parameters
        ----------
        entry : Undo or Redo
            One that is possible.

        Returns
        -------
        str
            Such as ``"click on object 3"``.
        """
        return in_words(self._next(entry))

    @property
    def last_edit(self) -> Key | None:
        """Object and plane of the newest step by hand; None without one."""
        for step in reversed(self._document.history.done):
            for key, (_, record) in reversed(list(step.records.items())):
                if record is not None and record.is_anchor:
                    return key
        return None

    def mask_asked_for(self, object_id: int, plane: Plane) -> BoxedMask | None:
        """Return the last answer to the prompts of an object on a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        BoxedMask or None
            Whether or not the object got all of its pixels; None without an answer.
        """
        answer = self._document.record(object_id, plane).answer
        return None if answer is None else answer.chosen.mask.unpack_mask()

    def is_on(self, object_id: int, plane: Plane) -> bool:
        """Return whether an object has pixels on a plane.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where; only along other axes than the last two its pixels are read.

        Returns
        -------
        bool
            As it is now.
        """
        box = self._document.ledger.box_on(object_id, plane)
        if box is None:
            return bool((plane.view(self._document.labels) == object_id).any())
        return box != NOWHERE

    def usual_window(self, axes: tuple[int, int]) -> int | None:
        """Return how large the parts of planes were that showed the newest objects.

        Parameters
        ----------
        axes : (int, int)
            Of the planes.

        Returns
        -------
        int or None
            The middle one of a few sides in pixels; None if there is none.
        """
        document = self._document
        newest = (key for key in reversed(document.refinable) if key[1].axes == axes)
        answers = (document.record(*key).answer for key in newest)
        windows = (answer.window for answer in answers if answer is not None)
        sides = [
            max(bottom - top, right - left)
            for top, left, bottom, right in islice(filter(None, windows), NEWEST)
        ]
        return sorted(sides)[len(sides) // 2] if sides else None

    def voxel_to_look_at(self, object_id: int) -> tuple[int, ...]:
        """Return a voxel of an object on the middle one of its slices.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        tuple of int
            The one nearest to the centre of its pixels there.

        Raises
        ------
        SessionError
            If there is no such object, or it has no pixels.
        """
        self._document.require(object_id)
        parts = list(self._document.ledger.parts(object_id).items())
        if not parts:
            raise SessionError(
                f"Expected an object with pixels, got the empty object {object_id}. "
                "Click on it first."
            )
        number, part = parts[len(parts) // 2]
        labels = self._document.labels
        plane = numbered_plane(labels.shape, number)
        top, left, bottom, right = part.box
        own = np.argwhere(plane.view(labels)[top:bottom, left:right] == object_id)
        nearest = np.argmin(((own - own.mean(axis=0)) ** 2).sum(axis=1))
        row, column = own[nearest].tolist()
        return (*plane.position, top + row, left + column)

    def piece_search(
        self, object_id: int, spacing: Sequence[float] | None = None
    ) -> PieceSearch:
        """Return what a worker needs to look for the pieces of an object.

        Parameters
        ----------
        object_id : int
            One that may be split.
        spacing : sequence of float or None
            As for `SplitObject`, which takes what is found.

        Returns
        -------
        PieceSearch
            Of the object as it is now.

        Raises
        ------
        SessionError
            If there is no such object, or it is locked.
        """
        require_unlocked(self._document, object_id)
        return PieceSearch.begin(self._document, object_id, spacing)

    def tidy_search(self, edit: TidyObject) -> TidySearch:
        """Return what a worker needs to find out what is to be tidied.

        Parameters
        ----------
        edit : TidyObject
            Of an object that may be changed; takes what is found.

        Returns
        -------
        TidySearch
            Of the object as it is now.

        Raises
        ------
        SessionError, PlaneError
            As the edit.
        """
        require_unlocked(self._document, edit.object_id)
        return TidySearch.begin(self._document, edit)

    def _next(self, entry: Undo | Redo) -> Step:
        history = self._document.history
        return (history.done if isinstance(entry, Undo) else history.undone)[-1]


def _confidence(record: PlaneRecord) -> float | None:
    has_mask = record.answer is not None or bool(
        record.derivation and record.derivation.mask
    )
    return record.confidence if has_mask else None
