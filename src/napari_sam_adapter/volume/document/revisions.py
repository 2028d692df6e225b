"""Which masks on their way are still wanted."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_adapter.volume.document.bystanders import Bystanders
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.history import Key, Step
    from napari_sam_adapter.volume.planes.plane import Plane


class Revisions:
    """Numbers that grow with every edit, and the propagations that are under way.

    Attributes
    ----------
    open_propagations : dict of int to Bystanders
        Number of each propagation whose results are wanted, and the objects beside it.
    """

    def __init__(self) -> None:
        self.open_propagations: dict[int, Bystanders] = {}
        self._clock = itertools.count(1)
        self._latest: dict[int | Key, int] = {}
        self._oldest = 0

    def of(self, object_id: int, plane: Plane) -> int:
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
        of_object = self._latest.get(object_id, 0)
        of_plane = self._latest.get((object_id, plane), 0)
        return max(of_object, of_plane, self._oldest)

    def outdate_all(self) -> None:
        """Make every revision that was ever given out an old one."""
        self._oldest = next(self._clock)

    def settle(self, step: Step) -> None:
        """Give everything that a step touched a new revision.

        Parameters
        ----------
        step : Step
            A step that was just done or taken back. Accepting an object outdates
            nothing: masks on their way still count. Locking does.
        """
        for object_id, (before, after) in step.objects.items():
            if before is None or after is None or before.locked != after.locked:
                self._latest[object_id] = next(self._clock)
        for key in step.records:
            self._latest[key] = next(self._clock)

    def note(self, change: Change) -> None:
        """Let propagations see the labels as they were when they began.

        Parameters
        ----------
        change : Change
            About to be written.
        """
        for bystanders in self.open_propagations.values():
            bystanders.append(change)

    def end_disturbed(self, changes: Iterable[Change]) -> None:
        """End propagations that rely on pixels which were just changed.

        Parameters
        ----------
        changes : iterable of Change
            By anything but a propagation, which spares finished objects.
        """
        pixels = [part for change in changes for part in (change.before, change.after)]
        for number, bystanders in list(self.open_propagations.items()):
            finished = list(bystanders.finished)
            if any(np.isin(part, finished).any() for part in pixels):
                del self.open_propagations[number]
