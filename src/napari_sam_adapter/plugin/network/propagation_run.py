"""A propagation under way, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.session_view import object_at_work
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.plugin.viewing.world_units import spacing_now
from napari_sam_adapter.volume.asking.reasons import (
    END,
    RANGE_ENDED,
    REASONS,
    SAID_TO_END,
    TOLD,
)
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.wording import any_of, counted, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.state import FollowChoice
    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )

ALL_OPEN = ", or tick all open objects under Volume"
"""What else can be followed where no object is at work."""


def request_of(workspace: Workspace, choice: FollowChoice) -> PropagationRequest:
    """Return what the user wants to be followed.

    Parameters
    ----------
    workspace : Workspace
        Whose objects.
    choice : FollowChoice
        How.

    Returns
    -------
    PropagationRequest
        For `follow`.

    Raises
    ------
    SessionError
        If there is nothing to begin with.
    PlaneError
        If axis and range do not fit the plane in view.
    """
    session, objects = workspace.session, list[int]()
    session.under_way.finish()
    session.spacing = spacing_now(workspace.frame)
    if choice.everything:
        finished = session.accepted_ids
        begun = (i for i in session.object_ids if session.anchors(i))
        objects = [i for i in begun if i not in finished]
    objects = objects or [object_at_work(workspace, ALL_OPEN)]
    seed = workspace.seed_in_view() or session.default_seed(objects[0])
    _check_view(workspace.plane_in_view(), seed, objects[0], choice)
    return session.propagation(
        objects, choice.first, choice.last, axis=choice.axis, seed=seed,
        settings=PropagationSettings(method=choice.method),
    )  # fmt: skip


def _check_view(seen: Plane, seed: Plane, object_id: int, choice: FollowChoice) -> None:
    """Raise if what was chosen for this view would be taken for another one."""
    is_chosen = (choice.axis, choice.first, choice.last) != (None, None, None)
    if is_chosen and set(seed.axes) != set(seen.axes):
        raise SessionError(
            f"Expected prompts of object {object_id} in this view, for which a range "
            "or an axis is chosen, got some in another view only. Roll the dimensions "
            "back, or click on the object here."
        )


@dataclass
class PropagationRun:
    """Counts what a propagation has done.

    Parameters
    ----------
    workspace : Workspace
        Whose object is followed.
    request : PropagationRequest
        What was asked for.
    is_stopped : bool
        Whether it ended before its end.
    """

    workspace: Workspace
    request: PropagationRequest
    is_stopped: bool = field(default=False, init=False)
    _planes: int = field(default=0, init=False)
    _written: int = field(default=0, init=False)
    _changed: int = field(default=0, init=False)
    _endings: dict[str, None] = field(default_factory=dict, init=False)
    _unreadable: dict[Plane, str] = field(default_factory=dict, init=False)

    def steps(self) -> Iterator[PlaneResult | None]:
        """Follow the objects, on the worker thread."""
        return follow(self.request)

    def take(self, step: PlaneResult) -> list[Change]:
        """Write the mask of a plane, and take note of it.

        Parameters
        ----------
        step : PlaneResult
            What the network said.

        Returns
        -------
        list of Change
            What was written; nothing if the result was of no use.
        """
        changes = self.workspace.session.commit(step)
        self._planes += 1
        self._written += bool(changes)
        self._changed += not all(change.is_empty for change in changes)
        is_end = not step.is_usable or step.reason == END
        if step.reason not in REASONS:
            self._unreadable[step.plane] = step.reason
        elif is_end and step.reason in TOLD:
            self._endings[self._ending(step)] = None
        return changes

    def ends_soon(self) -> bool:
        """Return False: each slice is whole, so that it can end at any time."""
        return False

    def close(self) -> None:
        """Declare that nothing more comes of it."""
        self.workspace.session.finish_propagation(self.request)

    @property
    def title(self) -> str:
        """What is said when it begins."""
        return f"Following {numbered('object', self.request.object_ids)} ..."

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self._planes, self.request.total)

    @property
    def summary(self) -> str:
        """What came of it, in a sentence or two."""
        if self.is_stopped:
            stays = "What was followed stays; Undo takes it back."
            outcome = stays if self._written else "Nothing was changed."
            return self.progress.stopped(outcome)
        ending = f", until {any_of([*self._endings])}" if self._endings else ""
        objects = numbered("object", self.request.object_ids)
        if not (self.request.stretches or self.request.outdated):
            verb = "is" if len(self.request.object_ids) == 1 else "are"
            known = f"{objects.capitalize()} {verb} up to date"
            return f"{known}: nothing changed where you worked."
        followed = f"Followed {objects} on {counted(self._written, 'slice')}"
        if len(self.request.object_ids) > 1:  # each on its own slices
            followed = f"Followed {objects}: {counted(self._written, 'mask')}"
        return f"{followed}{self._of_them}{ending}.{self._missing}"

    @property
    def _of_them(self) -> str:
        """How many changed, as undo counts them, if not all."""
        if self._changed == self._written:
            return ""
        return f", {self._changed or 'none'} of them changed"

    def _ending(self, result: PlaneResult) -> str:
        """Say why an object was followed no further."""
        where, reason = self.request.where, TOLD[result.reason]
        if result.reason != END:
            return reason
        index = result.plane.index_along(where.axis)
        if index not in (where.start, where.stop):
            return SAID_TO_END
        is_border = index in (0, self.request.volume_shape[where.axis] - 1)
        return reason if is_border else RANGE_ENDED

    @property
    def _missing(self) -> str:
        """What is said of planes that could not be read."""
        return not_looked_at([*self._unreadable.items()])


def not_looked_at(problems: Sequence[tuple[Plane, str]]) -> str:
    """Say what is wrong with planes that were passed over.

    Parameters
    ----------
    problems : sequence of (Plane, str)
        Which, and why.

    Returns
    -------
    str
        Two sentences after a space, about the first one; nothing if there is none.
    """
    if not problems:
        return ""
    (plane, reason), *others = problems
    more = f" and {len(others)} more" if others else ""
    return f" Not looked at: {', '.join(map(str, plane.position))}{more}. {reason}"
