"""Undo and redo over everything the document holds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_adapter.volume.document.changes import PackedChange
    from napari_sam_adapter.volume.document.objects import ObjectRecord, PlaneRecord
    from napari_sam_adapter.volume.planes.plane import Plane

MOST_STEPS, FEWEST_STEPS = 1000, 100
MOST_SHARED = 1 << 10
"""Pairs of records of objects that are remembered."""
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
        Number of the propagation, or of the search through a volume, that made it;
        0 for an edit.
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
        return sum(_bytes_of(*transition) for transition in self.records.values())

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
        joined = _Growing(self)
        for step in later:
            joined.add(step)
        return joined.step

    def inverted(self) -> Step:
        """Return the step that takes this one back.

        Returns
        -------
        Step
            With before and after exchanged, in reverse order.
        """
        return Step(
            {
                name: object_transition(after, before)
                for name, (before, after) in self.objects.items()
            },
            {key: (after, before) for key, (before, after) in self.records.items()},
            tuple(change.inverted() for change in reversed(self.changes)),
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


class _Growing:
    """A step to which others are added, in a time that does not grow with it."""

    def __init__(self, first: Step) -> None:
        self._first = replace(first, objects={}, records={}, changes=())
        self.records = dict(first.records)
        self.nbytes = first.nbytes
        self._objects = dict(first.objects)
        self._changes = list(first.changes)
        self._preference = first.preference

    @property
    def propagation(self) -> int:
        """As of `Step`."""
        return self._first.propagation

    def add(self, step: Step) -> None:
        """Add what happened after it."""
        _chain(self._objects, step.objects)
        _chain(self.records, step.records)
        self._changes.extend(step.changes)
        self._preference = _join(self._preference, step.preference)
        self.nbytes += step.nbytes

    @property
    def step(self) -> Step:
        """All of it as one: before from the first step, after from the last one."""
        return replace(
            self._first,
            objects=self._objects,
            records=self.records,
            changes=tuple(self._changes),
            preference=self._preference,
        )


class History:
    """Steps that can be undone, and undone steps that can be redone.

    The last step grows by the parts of a propagation, or by masks that join it.
    """

    def __init__(self) -> None:
        self._done: deque[Step] = deque(maxlen=MOST_STEPS)
        self._last: _Growing | None = None
        self.undone: list[Step] = []

    @property
    def done(self) -> deque[Step]:
        """Steps that can be undone, the last one at the end."""
        if self._last is not None:
            self._done.append(self._last.step)
            self._last = None
        return self._done

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._last is not None or bool(self._done)

    def push(self, step: Step) -> None:
        """Add a step; what was undone is lost.

        Parameters
        ----------
        step : Step
            Joins the step before if both have the number of one propagation.
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
        last = self._open_last()
        if last is not None and key in last.records:
            last.add(step)
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

    def add_to_last(self, step: Step) -> None:
        """Add what belongs to the last step, which must be there.

        Parameters
        ----------
        step : Step
            What happened after it.
        """
        last = self._open_last()
        assert last is not None  # as promised
        last.add(step)
        self._forget_oldest()

    def replace_record(self, key: Key, record: PlaneRecord, other: PlaneRecord) -> None:
        """Let the last step lead to another record, which costs less memory.

        Parameters
        ----------
        key : (int, Plane)
            Object and plane.
        record, other : PlaneRecord
            To which it leads now, or nothing is done, and from now on.
        """
        steps = self._done
        is_last = bool(steps) and _leads_to(steps[-1].records, key, record)
        last = self._open_last() if is_last else self._last
        if last is not None and _leads_to(last.records, key, record):
            before, _ = last.records[key]
            last.nbytes += _bytes_of(before, other) - _bytes_of(before, record)
            last.records[key] = before, other

    def _add_part(self, step: Step) -> None:
        last = self._open_last()
        if last is not None and last.propagation == step.propagation:
            last.add(step)
        else:
            self.done.append(step)

    def _open_last(self) -> _Growing | None:
        """Return the last step so that it can grow; None if there is no step."""
        if self._last is None and self._done:
            self._last = _Growing(self._done.pop())
        return self._last

    def _forget_oldest(self) -> None:
        total = sum(step.nbytes for step in self._done)
        total += 0 if self._last is None else self._last.nbytes
        while total > MOST_BYTES and len(self._done) > FEWEST_STEPS:
            total -= self._done.popleft().nbytes

    def _slip_under_undone(self, step: Step) -> None:
        for number in reversed(range(len(self.undone))):
            if self.undone[number].depends_on(step):
                self.undone[number] = step.inverted().followed_by(self.undone[number])
                return


@lru_cache(MOST_SHARED)
def object_transition(
    before: ObjectRecord | None, after: ObjectRecord | None
) -> Transition[ObjectRecord]:
    """Return two records of an object as one value.

    Parameters
    ----------
    before, after : ObjectRecord or None
        None where there was or is none.

    Returns
    -------
    (ObjectRecord or None, ObjectRecord or None)
        The very same for equal ones: very many objects share it.
    """
    return before, after


def _join(
    earlier: Transition[int] | None, later: Transition[int] | None
) -> Transition[int] | None:
    if earlier is None or later is None:
        return earlier or later
    return earlier[0], later[1]


def _chain(
    chained: dict[Name, Transition[Record]],
    later: Mapping[Name, Transition[Record]],
) -> None:
    for name, (before, after) in later.items():
        chained[name] = chained.get(name, (before, after))[0], after


def _leads_to(
    records: Mapping[Key, Transition[PlaneRecord]], key: Key, record: PlaneRecord
) -> bool:
    return key in records and records[key][1] is record


def _bytes_of(before: PlaneRecord | None, after: PlaneRecord | None) -> int:
    """Return the memory of an answer that came between two records."""
    answer = None if after is None else after.answer
    is_old = before is not None and before.answer is answer
    return 0 if answer is None or is_old else answer.nbytes
