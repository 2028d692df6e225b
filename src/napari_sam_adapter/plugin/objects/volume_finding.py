"""The button that finds the objects of all slices, each followed from its middle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.background import WAIT
from napari_sam_adapter.plugin.network.propagation_run import not_looked_at
from napari_sam_adapter.plugin.objects.object_finding import AT_ONCE, nothing_found
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.session_view import require_slices
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.plugin.viewing.world_units import spacing_now
from napari_sam_adapter.volume.document.journal_entries import Undo
from napari_sam_adapter.volume.document.step_words import search_words
from napari_sam_adapter.volume.finding.finding import FoundObjects
from napari_sam_adapter.volume.finding.search_steps import FindPart
from napari_sam_adapter.volume.finding.volume_search import (
    Following,
    SearchedPlane,
    search_parts,
)
from napari_sam_adapter.volume.propagation.propagation import resolve_range
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.finding.search_steps import Part
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRange,
    )


class VolumeFinding(Feature):
    """Finds objects on all slices along an axis, and follows each through the others.

    Parameters
    ----------
    controller : Controller
        Whose image and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.add_commands({"find_in_volume": self.find})

    @reporting
    def find(self) -> None:
        """Look at all slices of the range for following, outwards from that in view."""
        workspace = require_slices(self._controller.in_use())
        seen, choice = workspace.plane_in_view(), self._controller.state.follow
        where = resolve_range(
            workspace.volume, seen, choice.axis, choice.first, choice.last
        )
        self._controller.segmenter.when_loaded(
            (id(workspace), "find in volume"),
            workspace,
            partial(self._start, workspace, where),
        )

    def _start(self, workspace: Workspace, where: PropagationRange) -> None:
        workspace.session.spacing = spacing_now(workspace.frame)
        workspace.choose_object(workspace.next_id)
        self._controller.segmenter.begin(FindingRun(self._controller, workspace, where))


class FindingRun:
    """A search through a volume under way, and what came of it; see `LongRun`.

    Parameters
    ----------
    controller : Controller
        Who writes what was found, and tells of errors.
    workspace : Workspace
        Whose objects.
    where : PropagationRange
        The slices.
    """

    def __init__(
        self, controller: Controller, workspace: Workspace, where: PropagationRange
    ) -> None:
        self.workspace, self.is_stopped = workspace, False
        self._controller, self._total = controller, len(where)
        self._are_more = bool(workspace.session.object_ids)
        self._searched: list[SearchedPlane] = []
        self._found = 0
        seen = where.seed.index_along(where.axis)
        outwards = sorted(
            range(where.start, where.stop + 1), key=lambda index: abs(index - seen)
        )
        planes = [where.plane(index) for index in outwards]
        way = Following(where.axis, where.start, where.stop)
        self._parts = search_parts(
            workspace.session, planes, way, lambda: self.is_stopped
        )
        self._part = self._next()

    @property
    def title(self) -> str:
        """What is said when it begins."""
        slices = counted(self._total, "slice")
        return f"Looking for objects on {slices} ... Clicks go first."

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(len(self._searched), self._total)

    @property
    def summary(self) -> str:
        """What came of it, in a sentence or two."""
        count = self._found
        if self.is_stopped:
            return self.progress.stopped(self._outcome)
        found = f"{counted(count, 'object')} found on {counted(self._total, 'slice')}."
        if not count:
            choice = self._controller.state.model
            found = nothing_found("these slices", self._are_more, choice)
        return found + not_looked_at(
            [(step.plane, step.problem) for step in self._searched if step.problem]
        )

    def steps(self) -> Iterator[Any]:
        """Do one part after the other, on the worker thread."""
        while (part := self._part) is not None:
            for step in part.steps():
                yield step
                if self._part is None:  # it broke off
                    return
            yield WAIT

    def take(self, step: Any) -> Sequence[Change]:
        """Take over what came of a step; after the last one of a part go on."""
        part = self._part
        try:
            if step is WAIT:
                self._part = self._next()
            elif part is not None:
                part.check()
                if not isinstance(part, FindPart):
                    return [change for made in part.taking_in(step) for change in made]
                self._take_in(part, step)
        except SamAdapterError as error:
            self._controller.report(error)
            self._part, self.is_stopped = None, False  # the error is what is told
            self.close()
        return ()

    def ends_soon(self) -> bool:
        """Look at no more slices; what was seen is finished, unless asked again."""
        is_first, self.is_stopped = not self.is_stopped, True
        return is_first

    def close(self) -> None:
        """Declare that nothing more comes of it."""
        self._parts.close()

    @property
    def _outcome(self) -> str:
        """What a search that was stopped leaves; edits in between part its step."""
        if not self._found:
            return "Nothing was changed."
        session = self.workspace.session
        is_next = session.can_undo and session.objects.words_for_next(Undo())
        is_one = is_next == search_words(self._found)
        return "What was found stays" + ("; Undo takes it back." if is_one else ".")

    def _next(self) -> Part | None:
        for part in self._parts:
            if not isinstance(part, SearchedPlane):
                return part
            self._searched.append(part)
        return None

    def _take_in(self, part: FindPart, step: Any) -> None:
        """Make objects of what was found; a new object under work stays a new one."""
        if not (isinstance(step, FoundObjects) and step.passes):
            return
        workspace, session = self.workspace, self.workspace.session
        is_new = workspace.object_id not in session.object_ids

        def on_begun() -> None:
            self._found += len(part.object_ids)
            if part.object_ids:
                workspace.layers.ensure(session.labels)
            if part.object_ids and is_new:
                workspace.choose_object(workspace.next_id)

        passes = self._controller.objects.passes
        passes.do(workspace, part.taking_in(step), on_begun, shows_at_once=False)
        if len(part.object_ids) <= AT_ONCE:
            passes.go_on()
