"""Searches with a thread of their own beside clicks, at whose end objects change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from napari_sam_adapter.plugin.background import Job, JobQueue, Priority
from napari_sam_adapter.plugin.reporting import Feature
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.objects.object_editing import ObjectEditing


class Searching(Feature):
    """A command that searches on a worker, and then changes objects.

    Parameters
    ----------
    controller : Controller
        Whose images are used.
    objects : ObjectEditing
        Who knows which objects are meant.
    """

    flag: ClassVar[str]
    """Name in the state that tells that it is under way."""
    left: ClassVar[str]
    """What is said of the objects if it is stopped."""

    def __init__(self, controller: Controller, objects: ObjectEditing) -> None:
        super().__init__(controller)
        self._objects = objects
        self._state = controller.state
        self._queue = JobQueue(self._show, mostly_waits=True)
        self._pause = StrokePause()
        controller.stopped.connect(self.stop)
        controller.closed.connect(self._queue.close)
        controller.closed.connect(self._pause.close)

    def stop(self) -> None:
        """Leave the objects as they are."""
        if getattr(self._state, self.flag):
            self._pause.forget()
            self._queue.cancel(lambda job: True)
            self.say(f"Stopped. {self.left}")

    def _search(
        self,
        workspace: Workspace,
        key: Hashable,
        steps: Iterator[Any],
        on_found: Callable[[Any], None],
    ) -> None:
        self._queue.submit(
            Job(
                owner=workspace,
                key=key,
                priority=Priority.VIEW,
                steps=steps,
                on_result=on_found,
                on_error=self.report,
            )
        )

    def _when_still(self, workspace: Workspace, change: Callable[[], None]) -> None:
        """Change objects once nobody draws."""
        self._pause.when_still(workspace, partial(self._change_and_show, change))

    def _change_and_show(self, change: Callable[[], None]) -> None:
        change()
        self._show()

    def _show(self) -> None:
        # What waits for the end of a stroke is under way, too: a page waits for it.
        waits = self._pause.is_waiting
        setattr(self._state, self.flag, waits or bool(self._queue.jobs))
