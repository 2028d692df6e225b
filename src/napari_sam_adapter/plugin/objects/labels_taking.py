"""The button that makes objects of a Labels layer that the user has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.layers.labels_layer import fitting_layers
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
from napari_sam_adapter.volume.session.labels_to_take import reading_labels
from napari_sam_adapter.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.session.labels_to_take import LabelsToTake


class LabelsTaking(Feature):
    """Makes objects of what another plugin or person segmented.

    Parameters
    ----------
    controller : Controller
        Whose image is used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._pause = StrokePause()
        controller.add_commands({"take_labels": self.take})
        controller.closed.connect(self._pause.close)

    @reporting
    def take(self) -> None:
        """Make objects of the only Labels layer that fits, or of the selected one."""
        workspace = self._controller.in_use()
        layer = self._layer_for(workspace)
        self.say(f"Reading {layer.name} ...")
        self._controller.segmenter.queue.submit(
            Job(
                owner=workspace,
                key="taking",
                priority=Priority.FINDING,
                steps=reading_labels(layer.data),
                on_result=partial(self._on_step, workspace, layer),
                on_error=self.report,
                stopped=lambda: "No labels were taken.",
            )
        )

    def _layer_for(self, workspace: Workspace) -> Labels:
        shape = workspace.session.labels.shape
        viewer = self._controller.viewer
        own = workspace.layers.labels
        fitting = fitting_layers(viewer.layers, shape, own)
        selected = [layer for layer in fitting if layer in viewer.layers.selection]
        if len(fitting) > 1 and len(selected) != 1:
            raise SessionError(
                f"Expected one Labels layer to take, got {len(fitting)} that fit. "
                "Select one in the layer list."
            )
        if not fitting:
            others = [layer for layer in viewer.layers if layer is not own]
            chosen = viewer.layers.selection - {workspace.image}
            raise SessionError(
                f"Expected a Labels layer of {sized(shape)} pixels beside the masks of "
                f"this widget, got {_instead(others, chosen)}"
            )
        return (selected or fitting)[0]

    def _on_step(
        self, workspace: Workspace, layer: Labels, step: LabelsToTake | None
    ) -> None:
        if step is not None:
            take_in = partial(self._take_in, workspace, layer, step)
            self._pause.when_still(workspace, take_in)

    @reporting
    def _take_in(
        self, workspace: Workspace, layer: Labels, found: LabelsToTake
    ) -> None:
        if workspace not in self._controller.workspaces:
            return

        def on_begun() -> None:
            workspace.layers.ensure(workspace.session.labels)
            workspace.choose_object(workspace.next_id)
            layer.visible = False

        session = workspace.session
        work = session.doing(found.edits_for(session))
        self._controller.objects.passes.do(workspace, work, on_begun)
        count = len(found.numbers)
        self.say(
            f"{counted(count, 'object')} taken from {layer.name}, which is hidden now. "
            "Choose one in the table and click to correct it."
        )


def _instead(others: Iterable[Layer], chosen: Iterable[Layer]) -> str:
    """Return which layer may be meant though it does not fit, and what to do."""
    for layer in others:
        if isinstance(layer, Labels):
            if layer.multiscale:
                return f"{layer.name} with several levels. Open its full resolution."
            size = sized(layer.data.shape)
            return f"{layer.name} of {size}. Choose the image that it belongs to."
    for layer in chosen:
        if isinstance(layer, Image):
            return (
                f"{layer.name}, an image. If it holds labels, right-click it in the "
                "layer list and convert it to Labels."
            )
    return "none. Open one."
