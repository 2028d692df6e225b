"""Through which intensity window the network sees the image in use."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_sam_adapter.intensity import (
    CONTRAST,
    CT_WINDOWS,
    LEARNED,
    PLANE,
    IntensityMapping,
)
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.layers.shown_through import ShownThrough
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import Message, Phase
from napari_sam_adapter.plugin.timers import stop_for_good
from napari_sam_adapter.predictions import trained_window
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.planes.preview import Preview, preview_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.utils.events import Event

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.planes.planes import Plane
    from napari_sam_adapter.volume.session.session import Session

PERCENTILE, AS_IS = "percentile", "as_is"
ESTIMATE, PREVIEW = "estimate", "preview"
"""Kinds of jobs."""
PREVIEW_SIDE = 128
"""Longest side of the picture of what the network sees, in pixels."""
REST = 250
"""Milliseconds for which view or contrast have to stay before anything is done."""


class ImageWindow(Feature):
    """The choice of the window, and a small picture of the plane in view through it.

    Parameters
    ----------
    controller : Controller
        Whose image is seen.
    """

    changed = Signal()
    """Emitted when rule or picture may be others."""
    image_changed = Signal()
    """Emitted before that, when another image is in use, or none."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.preview: Preview | None = None
        self.problem = ""
        self._wanted: WeakKeyDictionary[Workspace, tuple[Session, IntensityMapping]] = (
            WeakKeyDictionary()
        )
        self._contrast_changed: WeakSet[Workspace] = WeakSet()
        self._in_use: ReferenceType[Workspace] | None = None
        self._seen: tuple[Volume, Plane] | None = None
        self._given: WeakKeyDictionary[Workspace, IntensityMapping] = (
            WeakKeyDictionary()
        )
        self._shown_through = ShownThrough()
        self._view_timer = _timer(self._look)
        self._contrast_timer = _timer(self._follow_contrast)
        controller.updated.connect(self._on_updated)
        controller.workspace_opened.connect(self._on_opened)
        controller.state.events.phase.connect(self._use_wanted)
        controller.state.events.loaded.connect(self._on_updated)
        controller.closed.connect(self.close)

    @property
    def rule(self) -> str:
        """Rule of the window of the image in use."""
        workspace = self._controller.workspace
        if workspace is None:
            return PERCENTILE
        if not self.has_choice:
            return AS_IS
        known = workspace.volume.known_intensity
        return PERCENTILE if known is None else known.rule

    @property
    def has_choice(self) -> bool:
        """Whether there is an image whose values are not 8-bit colours."""
        workspace = self._controller.workspace
        if workspace is None:
            return False
        return not (workspace.volume.is_rgb and workspace.volume.dtype.itemsize == 1)

    @property
    def has_channels(self) -> bool:
        """Whether the network sees layers of the image in use as colours."""
        workspace = self._controller.workspace
        return workspace is not None and bool(workspace.level.partners)

    @property
    def learned(self) -> IntensityMapping | None:
        """The window that the adapter in use was trained through, for this image."""
        workspace, segmenter = self._controller.workspace, self._controller.segmenter
        if workspace is None or not segmenter.is_loaded:
            return None
        window = trained_window(segmenter.predictor, workspace.volume)
        if window is not None and window.rule == CONTRAST:
            return replace(window, rule=LEARNED)
        return window

    @reporting
    def choose(self, rule: str) -> None:
        """See the image in use through another window; the viewer shows those of CT.

        Parameters
        ----------
        rule : str
            As in `IntensityMapping`.
        """
        workspace = self._controller.in_use()
        self._estimate_no_more(workspace)
        window = CT_WINDOWS.get(rule)
        self._show_through(workspace, window)
        if window is not None:
            self._use_now(workspace, window)
        elif rule == PERCENTILE:
            self._estimate(workspace)
        elif rule == CONTRAST:
            self._use_now(workspace, _contrast_of(workspace))
        elif rule == PLANE:
            self._use_now(workspace, IntensityMapping(PLANE))
        elif (learned := self.learned) is not None:
            self._use_now(workspace, learned)

    def _show_through(
        self, workspace: Workspace, window: IntensityMapping | None
    ) -> None:
        image = workspace.image
        # What is set here is not of the user, for no level of the image.
        with image.events.contrast_limits.blocker(self._on_contrast):
            if window is None:
                self._shown_through.end(image)
            else:
                self._shown_through.begin(image, window)
        self._contrast_changed.discard(workspace)  # what is chosen now counts

    def close(self) -> None:
        """Stop looking."""
        stop_for_good(self._view_timer, self._contrast_timer)
        self._wanted.clear()

    def _estimate_no_more(self, workspace: Workspace) -> None:
        queue, key = self._controller.segmenter.queue, (ESTIMATE, workspace)
        queue.cancel(lambda job: job.owner is self and job.key == key)

    def _estimate(self, workspace: Workspace) -> None:
        volume = workspace.volume
        self._controller.segmenter.queue.submit(
            Job(
                owner=self,
                key=(ESTIMATE, workspace),
                priority=Priority.VIEW,
                steps=map(Volume.default_intensity, (volume,)),
                on_result=partial(self._use, workspace, workspace.session),
                on_error=self.report,
            )
        )

    def _use_now(self, workspace: Workspace, mapping: IntensityMapping) -> None:
        self._use(workspace, workspace.session, mapping)

    @reporting
    def _use(
        self, workspace: Workspace, session: Session, mapping: IntensityMapping
    ) -> None:
        is_there = workspace in self._controller.workspaces
        if not is_there or workspace.session is not session:  # closed meanwhile
            return
        # A run whose masks would come from two windows could not be told apart.
        if self._controller.state.phase is Phase.PROPAGATING:
            self._wanted[workspace] = session, mapping
            return
        self._wanted.pop(workspace, None)
        if workspace.volume.known_intensity == mapping:
            self.changed.emit()  # what was chosen may be its other name
            return
        session.intensity = mapping
        for plane in workspace.planes_without_mask():
            self._controller.segmenter.ask(workspace, workspace.object_id, plane)
        if workspace is self._controller.workspace:
            text = "The network sees the image in another way, from the next click on."
            self._controller.state.message = Message(text)
        self._controller.on_view_still()
        self._look()
        self.changed.emit()

    def _use_wanted(self, phase: Phase) -> None:
        if phase is not Phase.PROPAGATING:
            while self._wanted:
                workspace, (session, mapping) = self._wanted.popitem()
                self._use(workspace, session, mapping)

    def _on_opened(self, workspace: Workspace) -> None:
        workspace.image.events.contrast_limits.connect(self._on_contrast)

    def _on_contrast(self, event: Event) -> None:
        for workspace in self._controller.workspaces:
            known = workspace.volume.known_intensity
            is_followed = known is not None and known.rule == CONTRAST
            if is_followed and workspace.image is event.source:
                self._contrast_changed.add(workspace)
                self._contrast_timer.start()

    def _follow_contrast(self) -> None:
        workspace = self._controller.workspace
        if workspace is None or workspace not in self._contrast_changed:
            return
        self._contrast_changed.discard(workspace)
        if self.rule == CONTRAST:  # no other was chosen meanwhile
            self._use_now(workspace, _contrast_of(workspace))

    def _use_learned(self) -> None:
        """See the image as the adapter wants it, unless the user chose a window."""
        workspace = self._controller.workspace
        if workspace is None or not self._controller.segmenter.is_loaded:
            return
        given, window = self._given.get(workspace), self.learned
        if window == given:
            return
        self._estimate_no_more(workspace)
        known = workspace.volume.known_intensity
        if window is not None:
            self._given[workspace] = window
            if known is None or known.rule == PERCENTILE or known == given:
                self._use_now(workspace, window)
        else:
            del self._given[workspace]
            if known == given:
                self._estimate(workspace)

    def _on_updated(self) -> None:
        workspace = self._controller.workspace
        in_use = None if workspace is None else ref(workspace)
        if in_use != self._in_use:
            self._in_use = in_use
            self.image_changed.emit()
            self._follow_contrast()  # which may have changed while it was not in use
        self._use_learned()
        if self._in_view() != self._seen:
            self._view_timer.start()
        self.changed.emit()

    def _in_view(self) -> tuple[Volume, Plane] | None:
        workspace = self._controller.workspace
        plane = None if workspace is None else workspace.plane_or_none()
        if workspace is None or plane is None:
            return None
        return workspace.volume, plane

    def _look(self) -> None:
        seen = self._seen = self._in_view()
        if seen is None:
            self._show(None)
            return
        self._controller.segmenter.queue.submit(
            Job(
                owner=self,
                key=PREVIEW,
                priority=Priority.VIEW,
                steps=map(preview_plane, *zip(seen, strict=True), (PREVIEW_SIDE,)),
                on_result=self._show,
                on_error=self._on_nothing_to_see,
            )
        )

    def _show(self, preview: Preview | None, problem: str = "") -> None:
        self.preview, self.problem = preview, problem
        self.changed.emit()

    def _on_nothing_to_see(self, error: SamAdapterError) -> None:
        self._show(None, str(error))


def _contrast_of(workspace: Workspace) -> IntensityMapping:
    low, high = workspace.image.contrast_limits
    return IntensityMapping(CONTRAST, float(low), float(high))


def _timer(callback: Callable[[], None]) -> QTimer:
    timer = QTimer()
    timer.setSingleShot(True)
    timer.setInterval(REST)
    timer.timeout.connect(callback)
    return timer
