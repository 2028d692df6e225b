"""The one class that connects the viewer, the state, the sessions and the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_error
from psygnal import Signal

from napari_sam_adapter.errors import SamAdapterError, SessionError
from napari_sam_adapter.plugin.actions import ACTIONS, KeyBindings
from napari_sam_adapter.plugin.layers.click_signs import sign_of_click
from napari_sam_adapter.plugin.layers.hints import (
    hint,
    is_hint,
    no_such_object,
    topmost,
)
from napari_sam_adapter.plugin.layers.workspace import Workspace
from napari_sam_adapter.plugin.layers.workspaces import Workspaces
from napari_sam_adapter.plugin.network.network_loading import Loader, load_from_disk
from napari_sam_adapter.plugin.network.segmenter import Segmenter
from napari_sam_adapter.plugin.objects.object_commands import ObjectCommands
from napari_sam_adapter.plugin.objects.prompt_tools import PromptTools
from napari_sam_adapter.plugin.reporting import reporting
from napari_sam_adapter.plugin.session_view import require_slices, show_session
from napari_sam_adapter.plugin.state import Message, ModelChoice, PluginState, Tool
from napari_sam_adapter.plugin.viewing.viewer_watch import ViewerWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_sam_adapter.plugin.state import Press
    from napari_sam_adapter.volume.planes.planes import Plane


class Controller:
    """What buttons, keys and layer events do.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, or a proxy of it.
    state : PluginState
        What the panels show.
    load : callable
        Makes a predictor of a `ModelChoice`; called on the worker thread.
    """

    updated = Signal()
    """Emitted when the image, its session, or the plane in view may have changed."""
    workspace_opened = Signal(Workspace)
    """Emitted once for every image that is taken into use."""
    stopped = Signal()
    """Emitted when the user stops what is running."""
    closed = Signal()
    """Emitted when the widget goes: let go of the viewer."""

    def __init__(
        self, viewer: ViewerModel, state: PluginState, load: Loader = load_from_disk
    ) -> None:
        self._viewer, self._state = viewer, state
        self._segmenter = Segmenter(state, load, self._on_commit, self.report)
        self.workspaces = Workspaces(viewer, self, self.workspace_opened.emit)
        self._keys = KeyBindings(viewer, self.do)
        self.commands: dict[str, Callable[[], None]] = {}
        self.add_commands({n: getattr(self, n) for n in ACTIONS if hasattr(self, n)})
        self.objects, self.tools = ObjectCommands(self), PromptTools(self)
        self.stop_first: Callable[[], bool] = bool  # True if it stopped something
        self._watch = ViewerWatch(viewer, self)
        self._is_closed = False

    @property
    def workspace(self) -> Workspace | None:
        """The image in use with its session and layers."""
        return self.workspaces.current

    @property
    def segmenter(self) -> Segmenter:
        """The network and the queue of its work."""
        return self._segmenter

    @property
    def state(self) -> PluginState:
        """What the panels show."""
        return self._state

    @property
    def viewer(self) -> ViewerModel:
        """The viewer."""
        return self._viewer

    @property
    def keys(self) -> KeyBindings:
        """Which key does what."""
        return self._keys

    def add_commands(self, commands: Mapping[str, Callable[[], None]]) -> None:
        """Give actions that are carried out elsewhere their buttons and keys.

        Parameters
        ----------
        commands : mapping of str to callable
            What to call for the name of an action in `ACTIONS`.
        """
        self.commands.update(commands)
        self._keys.add(commands)

    def do(self, name: str) -> None:
        """Carry out one of `ACTIONS` by its name."""
        self.commands[name]()

    # What the user asks for.

    @reporting
    def choose_image(self, image: Image | None) -> None:
        """Work on an image; its session is started or taken up again.

        Parameters
        ----------
        image : Image or None
            A layer of the viewer.
        """
        self._state.image = image
        self.workspaces.put_away()
        self.update()
        if image is not None:
            self.workspaces.take_up(image)
        self._hint()
        self.update()

    def choose_model(self, choice: ModelChoice) -> None:
        """Use another network from the next prediction on, or for clicks that wait.

        Parameters
        ----------
        choice : ModelChoice
            Model, adapter and device.
        """
        self._state.model = choice
        self._drop_error()
        self._segmenter.retry()

    def load_model(self) -> None:
        """Load the chosen network now instead of with the first click."""
        self._segmenter.load()

    @reporting
    def use_points(self) -> None:
        """Let the mouse set points."""
        self.use(Tool.POINTS)

    @reporting
    def use_boxes(self) -> None:
        """Let the mouse draw boxes."""
        self.use(Tool.BOXES)

    def set_polarity(self, positive: bool) -> None:
        """Say what a plain left click means.

        Parameters
        ----------
        positive : bool
            True for the object, False for background.
        """
        self._state.positive = positive

    @reporting
    def choose_object(self, object_id: int) -> None:
        """Work on an object that exists already.

        Parameters
        ----------
        object_id : int
            Its number.
        """
        workspace = self.in_use()
        if object_id in workspace.object_ids:
            workspace.choose_object(object_id)
        else:
            self.report(SessionError(no_such_object(object_id, workspace.object_ids)))
        self.update()

    @reporting
    def propagate(self) -> None:
        """Follow the object through its neighbour planes."""
        self._segmenter.propagate(require_slices(self.in_use()))

    def stop(self) -> None:
        """Stop what is running: loading, a click, a propagation, or a split."""
        if not self.stop_first():  # what began later than all that
            self.stopped.emit()
            self._segmenter.stop()
        self.update()

    def close(self) -> None:
        """Stop all work and let go of the viewer; layers and masks stay."""
        if self._is_closed:
            return
        self._is_closed = True
        self.closed.emit()
        self._state.events.disconnect()
        self._watch.close()
        self._segmenter.close()
        self._keys.release()
        self.workspaces.close()

    # What a workspace tells: see `workspace_owner`.

    def on_layer_added(self, layer: Layer) -> None:
        """Give a new layer of ours the keys and watch its mode."""
        self._keys.bind_layer(layer)
        self._watch.add_layer(layer)

    def on_prompts_changed(self, workspace: Workspace, planes: list[Plane]) -> None:
        """Predict the planes where prompts changed."""
        for plane in planes:
            if workspace.session.prompts(workspace.object_id, plane).is_empty:
                workspace.repaint()
                self._drop_error()
            else:
                self._segmenter.ask(workspace, workspace.object_id, plane)
        self.update()

    def on_labels_edited(self, workspace: Workspace, done: str) -> None:
        """Say what was painted, and show that there is something to undo."""
        self._state.message = Message(done) if done else self._state.message
        self.update()

    def on_object_picked(self, workspace: Workspace, object_id: int) -> None:
        """Work on the object that was picked."""
        if workspace is self.workspace:
            self.choose_object(object_id)

    def sign_of_press(self, press: Press) -> bool:
        """Return whether a press marks the object; refuse what is not understood."""
        return sign_of_click(self._state, self.in_use(), press)

    def is_new_object(self, positive: bool) -> bool:
        """Return whether a prompt shall begin an object of its own."""
        return positive and self._state.one_per_click

    def report(self, error: SamAdapterError) -> None:
        """Show an error in the status line and as a notification.

        Parameters
        ----------
        error : SamAdapterError
            What cannot be done.
        """
        self._state.message = Message(str(error), is_error=True)
        show_error(str(error))

    # What the viewer tells: see `ViewerListener`.

    def on_layers_changed(self) -> None:
        """List the images; the chosen one stays if it is still there."""
        images = tuple(la for la in self._viewer.layers if isinstance(la, Image))
        chosen = self._state.image
        if chosen is None or chosen not in images:
            chosen = topmost(images)
        self._state.images = images
        if chosen != self._state.image:
            self.choose_image(chosen)

    def on_layer_removed(self, layer: Layer) -> None:
        """Let go of an image or of one of our layers."""
        for workspace in self.workspaces.take_out(layer):
            self._segmenter.forget(workspace)
            workspace.close()
            if workspace is self.workspace:
                self.choose_image(None)
        for workspace in self.workspaces:
            if workspace.layers.forget(layer):  # work goes on: it needs no layer
                self._keys.forget(layer)

    def on_view_changed(self) -> None:
        """Show the score of the plane that is in view, and what layers are called."""
        self.update()

    def on_view_still(self) -> None:
        """Encode the plane in view, if the user is about to click."""
        if self.workspace is None or self._state.tool is Tool.NONE:
            return
        if (plane := self.workspace.plane_or_none()) is not None:
            self._segmenter.prefetch(self.workspace, plane)

    def on_tool_changed(self) -> None:
        """Show which tool is in use."""
        workspace, before = self.workspace, self._state.tool
        self._state.tool = Tool.NONE if workspace is None else workspace.layers.tool()
        if self._state.tool is not before and is_hint(self._state.message, before):
            self._hint()

    # Keeping the state up to date.

    def in_use(self) -> Workspace:
        """Return the image in use.

        Returns
        -------
        Workspace
            The one that is chosen.

        Raises
        ------
        SessionError
            If there is none.
        """
        if self.workspace is None:
            raise SessionError("Expected an image, got none. Open and choose one.")
        return self.workspace

    def use(self, tool: Tool) -> None:
        """Let the mouse draw with a tool.

        Parameters
        ----------
        tool : Tool
            Any but `Tool.NONE`.

        Raises
        ------
        SessionError
            If there is no image.
        """
        self.in_use().use(tool)
        self.on_tool_changed()
        self._hint()
        self._watch.expect_stillness()

    def _hint(self) -> None:
        self._state.message = hint(self._state.tool, self.workspace, self._viewer)

    def _drop_error(self) -> None:
        if self._state.message.is_error:
            self._hint()

    def _on_commit(self, workspace: Workspace) -> None:
        if workspace is self.workspace:
            self.update()

    def update(self) -> None:
        """Copy what the session says into the state, and tell everybody."""
        show_session(self._state, self.workspace)
        self.updated.emit()
