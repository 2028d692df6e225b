"""The three layers over one image: points, shapes and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from napari_sam_adapter.plugin.layers import (
    labels_layer,
    prompt_layers,
    prompt_reading,
    prompt_shapes,
)
from napari_sam_adapter.plugin.layers.hints import lift
from napari_sam_adapter.plugin.state import Press, Tool
from napari_sam_adapter.plugin.viewing.labels_painting import LabelsPainter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer, Points, Shapes

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.document.written import Region
    from napari_sam_adapter.volume.planes.planes import Plane

RIGHT_BUTTON = 2
STROKE_MODES = {"paint", "erase"}
"""Those that write into the labels before the button is released."""
MODES = {
    Tool.POINTS: "add",
    Tool.BOXES: "add_rectangle",
    Tool.SCRIBBLES: "add_path",
    Tool.POLYGONS: "add_polygon",
    Tool.LASSO: "add_polygon_lasso",
}
"""In which mode of its layer each tool works."""


class TrioListener(Protocol):
    """Whom a `LayerTrio` tells what the user did."""

    def on_layer_added(self, layer: Layer) -> None:
        """Learn that one of the layers came into the viewer."""

    def on_prompt_coming(self, layer: Points | Shapes, press: Press) -> None:
        """Learn that a prompt is about to be added, and how the mouse was pressed."""

    def on_prompts_edited(self) -> None:
        """Learn that prompts were added, moved or removed."""

    def on_stroke(self, layer: Labels, atoms: list[Any]) -> None:
        """Learn that the masks were painted by hand."""

    def on_label_selected(self, label: int) -> None:
        """Learn that a label was picked."""


class LayerTrio:
    """Points, shapes and masks of one image, as long as they are in the viewer.

    The layers are held by reference: they may be renamed, hidden, locked or removed
    at any time, and `ensure` makes those again that are gone.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    image : Layer
        What they lie over; its transform is followed.
    listener : TrioListener
        Whom to tell.
    """

    def __init__(
        self, viewer: ViewerModel, image: Layer, listener: TrioListener
    ) -> None:
        self.points: Points | None = None
        self.shapes: Shapes | None = None
        self.labels: Labels | None = None
        self._painter = LabelsPainter()
        self._viewer = viewer
        self._image = image
        self._listener = listener
        self._is_redrawing = False
        self._is_drawing = False
        self._press = Press()
        self._is_stroking = False
        self._pressed: Layer | None = None
        for name in prompt_layers.TRANSFORMS:
            getattr(image.events, name).connect(self._on_transform)

    @property
    def all(self) -> tuple[Layer, ...]:
        """The layers that are in the viewer, from bottom to top."""
        trio = self.labels, self.shapes, self.points
        return tuple(layer for layer in trio if layer is not None)

    @property
    def finished_shapes(self) -> Shapes | None:
        """The Shapes layer, unless a shape in it is not finished."""
        return None if self._is_drawing else self.shapes

    @property
    def is_stroking(self) -> bool:
        """Whether the mouse button is down and draws in the masks."""
        # If another layer is chosen meanwhile, napari does not tell of the end.
        if self._viewer.layers.selection.active != self.labels:
            self._is_stroking = False
            self.drop_outline()
        return self._is_stroking

    @property
    def is_dragging(self) -> bool:
        """Whether the mouse button is down and draws a prompt."""
        if self._viewer.layers.selection.active != self._pressed:  # as above
            self._pressed = None
        return self._pressed is not None

    @property
    def is_painting(self) -> bool:
        """Whether a stroke, or an outline of several clicks, is under way."""
        is_stroking = self.is_stroking
        has_outline = self.labels and labels_layer.has_open_outline(self.labels)
        return is_stroking or bool(has_outline)

    def drop_outline(self) -> None:
        """Take back an outline of the brush that is not closed."""
        if self.labels is not None:
            labels_layer.drop_outline(self.labels)

    def ensure(self, labels: npt.NDArray[Any]) -> None:
        """Make the layers that are missing.

        Parameters
        ----------
        labels : int array
            What the Labels layer shows, without a copy.
        """
        if self.labels is None:
            self.labels = labels_layer.build_labels_layer(self._image, labels)
            self.labels.events.paint.connect(self._on_paint)
            self.labels.events.selected_label.connect(self._on_label_selected)
            self.labels.mouse_drag_callbacks.append(self._on_labels_drag)
            self._add(self.labels)
            self._move_under_prompts(self.labels)
        if self.shapes is None:
            self.shapes = prompt_shapes.build_shapes_layer(self._image)
            self.shapes.events.data.connect(self._on_prompts)
            self.shapes.mouse_drag_callbacks.append(self._on_press)
            self._add(self.shapes)
        if self.points is None:
            self.points = prompt_layers.build_points_layer(self._image)
            self.points.events.data.connect(self._on_prompts)
            self.points.mouse_drag_callbacks.append(self._on_press)
            self._add(self.points)

    def bring_back_masks(self, labels: npt.NDArray[Any]) -> None:
        """Make the Labels layer again if masks of prompts would be seen nowhere.

        Parameters
        ----------
        labels : int array
            As for `ensure`.
        """
        if self.labels is None and self.all:  # else they were let go
            selection = self._viewer.layers.selection
            active = selection.active
            self.ensure(labels)
            selection.active = active

    def use(self, tool: Tool) -> None:
        """Select a prompt layer and let the mouse draw in it.

        Parameters
        ----------
        tool : Tool
            One of `MODES`.
        """
        layer = self.points if tool is Tool.POINTS else self.shapes
        lift(self._viewer.layers, self.all)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            layer.visible = True
            layer.mode = MODES[tool]

    def tool(self) -> Tool:
        """Return which prompt layer the mouse draws in, and how.

        Returns
        -------
        Tool
            `Tool.NONE` if another layer is selected, or in another mode.
        """
        active = self._viewer.layers.selection.active
        if active is None or active not in (self.points, self.shapes):
            return Tool.NONE
        tools = {mode: tool for tool, mode in MODES.items()}
        return tools.get(str(active.mode), Tool.NONE)

    def repaint(self, labels: npt.NDArray[Any], written: Region | None) -> None:
        """Make the Labels layer, if it is there, show what was written; see `paint`."""
        if self.labels is not None:
            self._painter.paint(self.labels, labels, written)

    def exchange(self, labels: npt.NDArray[Any]) -> None:
        """Give the Labels layer, if it is there, other labels; see `LabelsPainter`."""
        if self.labels is not None:
            self._painter.exchange(self.labels, labels)

    def show_prompts(self, visible: bool) -> None:
        """Show or hide points and shapes.

        Parameters
        ----------
        visible : bool
            False while another image is in use.
        """
        for layer in (self.points, self.shapes):
            if layer is not None:
                layer.visible = visible

    def changed_prompts(
        self, known: Mapping[Plane, Prompts], shape: tuple[int, ...]
    ) -> dict[Plane, Prompts]:
        """Return what the prompt layers show and what is not known; see `merge`."""
        return prompt_reading.merge(self.points, self.finished_shapes, known, shape)

    def shows_more(
        self, known: Mapping[Plane, Prompts], shape: tuple[int, ...]
    ) -> bool:
        """Whether the prompt layers show what is no prompt; see `shows_more`."""
        return prompt_reading.shows_more(
            self.points, self.finished_shapes, known, shape
        )

    def decorate(self) -> None:
        """Give new points and shapes the look of what they mean."""
        if self.points is not None:
            prompt_layers.decorate(self.points)
        if self.finished_shapes is not None:
            prompt_shapes.colour_shapes(self.finished_shapes)

    def redraw(self, known: Mapping[Plane, Prompts]) -> None:
        """Make points and shapes show these prompts and nothing else.

        Parameters
        ----------
        known : mapping of Plane to Prompts
            Prompts of the object under work.
        """
        self._is_redrawing = True
        try:
            if self.shapes is not None and self._is_drawing:
                prompt_shapes.finish_drawing(self.shapes)
            if self.points is not None:
                prompt_layers.show_points(self.points, known)
            if self.shapes is not None:
                prompt_shapes.show_shapes(self.shapes, known)
        finally:
            self._is_redrawing = self._is_drawing = False

    def forget(self, layer: Layer) -> bool:
        """Let go of a layer.

        Parameters
        ----------
        layer : Layer
            One that left the viewer.

        Returns
        -------
        bool
            Whether it was one of the three.
        """
        if layer == self.labels:
            layer.events.paint.disconnect(self._on_paint)
            layer.events.selected_label.disconnect(self._on_label_selected)
            layer.mouse_drag_callbacks.remove(self._on_labels_drag)
            self.labels, self._is_stroking = None, False
        elif layer == self.shapes:
            layer.events.data.disconnect(self._on_prompts)
            layer.mouse_drag_callbacks.remove(self._on_press)
            self.shapes, self._is_drawing = None, False
        elif layer == self.points:
            layer.events.data.disconnect(self._on_prompts)
            layer.mouse_drag_callbacks.remove(self._on_press)
            self.points = None
        else:
            return False
        return True

    def close(self) -> None:
        """Let go of the image and of all layers; they stay in the viewer."""
        self._painter.close()
        for name in prompt_layers.TRANSFORMS:
            getattr(self._image.events, name).disconnect(self._on_transform)
        for layer in self.all:
            self.forget(layer)

    def _add(self, layer: Layer) -> None:
        self._viewer.add_layer(layer)
        self._listener.on_layer_added(layer)

    def _move_under_prompts(self, layer: Layer) -> None:
        layers = self._viewer.layers
        prompts = [p for p in (self.shapes, self.points) if p is not None]
        if prompts:
            layers.move(layers.index(layer), min(map(layers.index, prompts)))

    def _on_transform(self, event: Any) -> None:
        for layer in self.all:
            for name, value in prompt_layers.transform_of(self._image).items():
                setattr(layer, name, value)

    def _on_press(self, layer: Points | Shapes, event: Any) -> Iterator[None]:
        self._press = Press(event.button == RIGHT_BUTTON, "Shift" in event.modifiers)
        self._pressed = layer
        yield
        while event.type == "mouse_move":
            yield
        self._pressed = None

    def _on_prompts(self, event: Any) -> None:
        if self._is_redrawing:
            return
        if event.action == "adding":
            press, self._press = self._press, Press()
            self._listener.on_prompt_coming(event.source, press)
            self._is_drawing |= event.source is self.shapes
        elif event.action in {"added", "removed", "changed"}:
            self._is_drawing &= event.source is not self.shapes
            self._listener.on_prompts_edited()

    def _on_labels_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        self._is_stroking = layer.mode in STROKE_MODES
        yield
        while event.type == "mouse_move":
            yield
        self._is_stroking = False

    def _on_paint(self, event: Any) -> None:
        self._listener.on_stroke(event.source, event.value)

    def _on_label_selected(self, event: Any) -> None:
        self._listener.on_label_selected(int(event.source.selected_label))
