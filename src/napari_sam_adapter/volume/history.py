"""Undo and redo over everything the document holds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_sam_adapter.volume.changes import PackedChange
    from napari_sam_adapter.volume.objects import ObjectRecord, PlaneRecord
    from napari_sam_adapter.volume.plane import Plane

MOST_STEPS, FEWEST_STEPS = 1000, 100
MOST_BYTES = 256 * 1024**2
"""Beyond the fewest steps, the oldest go if the answers in all need more."""

Key = tuple[int, "Plane"]
"""Object and plane."""
Name = TypeVar("Name")
Record = TypeVar("Record")
Transition = tuple[Record | None, Record | None]
"""A record before and after; None where there was or is none."""


@dataclass(frozen=True, eq=False)
class Step:
    """What one undo takes back.

    Parameters
    ----------
    objects : mapping
        Object to its record before and after.
    records : mapping
        (object, plane) to its record before and after.
    changes : tuple of PackedChange
        Pixels, in the order in which they were written.
    propagation : int
        Number of the propagation that made it, 0 for an edit.
    overlap_rule : (str, str) or None
        The rule before and after, if it was changed.
    preference : (int or None, int or None), or None
        `Document.preference` before and after; None if it stays.
    """

    objects: Mapping[int, Transition[ObjectRecord]] = field(default_factory=dict)
    records: Mapping[Key, Transition[PlaneRecord]] = field(default_factory=dict)
    changes: tuple[PackedChange, ...] = ()
    propagation: int = 0
    overlap_rule: tuple[str, str] | None = None
    preference: Transition[int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was done."""
        parts = self.objects, self.records, self.changes
        return not any((*parts, self.preference, self.overlap_rule))

    @cached_property
    def nbytes(self) -> int:
        """Memory of the answers that came with it, which is most of all."""
        answers = [
            after.answer
            for before, after in self.records.values()
            if after is not None and after.answer is not None
            if before is None or before.answer is not after.answer
        ]
        return sum(answer.nbytes for answer in answers)

    def followed_by(self, *later: Step) -> Step:
        """Return this step and later ones as one.

        Parameters
        ----------
        *later : Step
            What happened after this one, in order.

        Returns
        -------
        Step
            Before from this step, after from the last one.
        """
        steps = self, *later
        return replace(
            self,
            objects=_chain(step.objects for step in steps),
            records=_chain(step.records for step in steps),
            changes=tuple(change for step in steps for change in step.changes),
            preference=reduce(_join, (step.preference for step in steps)),
        )

    def inverted(self) -> Step:
        """Return the step that takes this one back.

        Returns
        -------
        Step
            With before and after exchanged, in reverse order.
        """
        return Step(
            {name: (after, before) for name, (before, after) in self.objects.items()},
            {key: (after, before) for key, (before, after) in self.records.items()},
            tuple(
                replace(change, before=change.after, after=change.before)
                for change in reversed(self.changes)
            ),
            self.propagation,
            overlap_rule=self.overlap_rule and self.overlap_rule[::-1],
            preference=self.preference and self.preference[::-1],
        )

    def meets(self, changes: tuple[PackedChange, ...]) -> bool:
        """Whether this step may have touched the same pixels.

        Parameters
        ----------
        changes : tuple of PackedChange
            Changes of another step.

        Returns
        -------
        bool
            False only if their order does not matter.
        """
        return any(mine.meets(other) for mine in self.changes for other in changes)

    def depends_on(self, other: Step) -> bool:
        """Whether this step says something else if another one comes before it.

        Parameters
        ----------
        other : Step
            A step that was made without this one.

        Returns
        -------
        bool
            False only if their order does not matter.
        """
        is_about_same = bool(self.records.keys() & other.records.keys())
        return is_about_same or self.meets(other.changes)


class History:
    """Steps that can be undone, and undone steps that can be redone.

    The parts of the last step, those of a propagation or masks that joined it, are made
    one when somebody looks at the steps: to do that with each part would take the
    longer the more there are.
    """

    def __init__(self) -> None:
        self._done: deque[Step] = deque(maxlen=MOST_STEPS)
        self._parts: list[Step] = []
        self._bytes_of_parts = 0
        self.undone: list[Step] = []

    @property
    def done(self) -> deque[Step]:
        """Steps that can be undone, the last one at the end."""
        self._close_last()
        return self._done

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._parts or self._done)

    def push(self, step: Step) -> None:
        """Add a step; what was undone is lost.

        Parameters
        ----------
        step : Step
            Joins the step before if both belong to one propagation.
        """
        self.undone.clear()
        if step.propagation:
            self._add_part(step)
        else:
            self.done.append(step)
        self._forget_oldest()

    def attach(self, step: Step, key: Key) -> None:
        """Add a mask to the edit that asked for it.

        Parameters
        ----------
        step : Step
            The committed mask.
        key : (int, Plane)
            Object and plane of the mask.

        Notes
        -----
        The edit may not be the last one any more: the user went on while the mask
        was computed. It still joins its edit if no later step touched the same
        pixels, for then the order does not matter; else it becomes a step of its own.
        What was undone can still be redone: it first takes the mask back, if it needs
        to.
        """
        self._slip_under_undone(step)
        if any(key in part.records for part in self._open_last()):
            self._add_to_last(step)
            self._forget_oldest()
            return
        for number in reversed(range(len(self.done))):
            if key in self.done[number].records:
                self.done[number] = self.done[number].followed_by(step)
                self._forget_oldest()
                return
            if self.done[number].meets(step.changes):
                break
        self.done.append(step)

    def _add_part(self, step: Step) -> None:
        last = self._open_last()
        if last and last[0].propagation != step.propagation:
            self._close_last()
        self._add_to_last(step)

    def _open_last(self) -> list[Step]:
        """Return the parts of the last step; none if there is no step."""
        if not self._parts and self._done:
            self._parts = [self._done.pop()]
            self._bytes_of_parts = self._parts[0].nbytes
        return self._parts

    def _close_last(self) -> None:
        """Put the parts of the last step together."""
        if self._parts:
            first, *later = self._parts
            self._parts, self._bytes_of_parts = [], 0
            self._done.append(first.followed_by(*later))

    def _add_to_last(self, step: Step) -> None:
        self._parts.append(step)
        self._bytes_of_parts += step.nbytes

    def _forget_oldest(self) -> None:
        total = sum(step.nbytes for step in self._done) + self._bytes_of_parts
        while total > MOST_BYTES and len(self._done) > FEWEST_STEPS:
            total -= self._done.popleft().nbytes

    def _slip_under_undone(self, step: Step) -> None:
        for number in reversed(range(len(self.undone))):
            if self.undone[number].depends_on(step):
                self.undone[number] = step.inverted().followed_by(self.undone[number])
                return


def _join(
    earlier: Transition[int] | None, later: Transition[int] | None
) -> Transition[int] | None:
    if earlier is None or later is None:
        return earlier or later
    return earlier[0], later[1]


def _chain(
    steps: Iterable[Mapping[Name, Transition[Record]]],
) -> dict[Name, Transition[Record]]:
    chained: dict[Name, Transition[Record]] = {}
    for step in steps:
        for name, (before, after) in step.items():
            chained[name] = chained.get(name, (before, after))[0], after
    return chained
