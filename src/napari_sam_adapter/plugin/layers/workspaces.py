"""The images that were taken into use, and the one in use now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari_sam_adapter.plugin.layers.channels import share_pixels
from napari_sam_adapter.plugin.layers.image_level import ImageLevel, levels_of
from napari_sam_adapter.plugin.layers.left_layers import leave
from napari_sam_adapter.plugin.layers.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_sam_adapter.plugin.layers.workspace_owner import WorkspaceOwner

    Key = tuple[Layer, int, frozenset[Image]]


class Workspaces:
    """One workspace for every image, level of it, and choice of channels beside it.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    owner : WorkspaceOwner
        Whom the workspaces tell.
    on_opened : callable
        Told once about every image that is taken into use.

    Attributes
    ----------
    current : Workspace or None
        The one in use.
    starting_labels : dict of Layer to int array
        Objects of images that are about to be taken into use.
    levels : dict of Layer to int
        On which level of a multiscale image to work, if not at full resolution.
    fixed : set of Layer
        Images for which neither a level nor channels may be chosen.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        owner: WorkspaceOwner,
        on_opened: Callable[[Workspace], None],
    ) -> None:
        self.current: Workspace | None = None
        self.starting_labels: dict[Layer, npt.NDArray[np.integer[Any]]] = {}
        self._viewer = viewer
        self._owner = owner
        self._on_opened = on_opened
        self.levels: dict[Layer, int] = {}
        self._partners: dict[Layer, tuple[Image, ...]] = {}
        self.fixed: set[Layer] = set()
        self._hidden: WeakSet[Layer] = WeakSet()
        self._of: dict[Key, Workspace] = {}

    def __iter__(self) -> Iterator[Workspace]:
        """Give out all of them."""
        return iter(self._of.values())

    def put_away(self) -> None:
        """Hide the prompts of the image in use; none is in use then."""
        if self.current is not None:
            layers = self.current.layers
            prompts = layers.points, layers.shapes
            self._hidden.update(p for p in prompts if p is not None and not p.visible)
            layers.show_prompts(False)
        self.current = None

    def take_up(self, image: Image) -> None:
        """Use an image; its session is started or taken up again.

        Parameters
        ----------
        image : Image
            A layer of the viewer.

        Raises
        ------
        ImageError
            If the image cannot be segmented.
        """
        level = min(self.levels.get(image, 0), len(levels_of(image)[0]) - 1)
        self.choose_partners(image, self._partners.get(image, ()))
        partners = self._partners[image]  # whose pixels may be others by now
        key = image, level, frozenset(partners)
        if key not in self._of:
            labels = self.starting_labels.pop(image, None)
            seen = ImageLevel(image, level, partners)
            opened = Workspace(self._viewer, seen, self._owner, labels)
            self._of[key] = opened
            self._on_opened(opened)
        self.current = self._of[key]
        layers = self.current.layers
        layers.show_prompts(True)
        for layer in self._hidden.intersection(layers.all):  # as the user left them
            layer.visible = False
        self._hidden.difference_update(layers.all)

    def choose_partners(self, image: Image, partners: Iterable[Image]) -> None:
        """Let the network see channels beside an image once it is taken up.

        Parameters
        ----------
        image : Image
            A layer of the viewer.
        partners : iterable of Image
            In the order of their colours; those with other pixels are passed over.
        """
        fitting = (other for other in partners if share_pixels(image, other))
        self._partners[image] = tuple(fitting)

    def is_untouched(self, workspace: Workspace) -> bool:
        """Return whether nothing is lost with a session and its masks.

        Parameters
        ----------
        workspace : Workspace
            One of these.

        Returns
        -------
        bool
            False, too, for masks that another plugin put into the layer.
        """
        labels, layer = workspace.session.labels, workspace.layers.labels
        if workspace.has_work or (layer is not None and layer.data is not labels):
            return False
        return not labels.any()

    def take_out(self, layer: Layer) -> list[Workspace]:
        """Let go of an image that left the viewer or has other pixels.

        Parameters
        ----------
        layer : Layer
            Any.

        Returns
        -------
        list of Workspace
            Those that it had.
        """
        if layer not in self._viewer.layers:
            self.levels.pop(layer, None)
            self._partners.pop(layer, None)
            for image, beside in self._partners.items():
                self._partners[image] = tuple(p for p in beside if p is not layer)
            self.fixed.discard(layer)
        keys = [key for key in self._of if key[0] == layer]
        return [self._of.pop(key) for key in keys]

    def drop(self, workspace: Workspace) -> None:
        """Let go of a workspace whose image stays.

        Parameters
        ----------
        workspace : Workspace
            One of these; its layers, but masks if there are any, leave the viewer.
        """
        layers, is_untouched = workspace.layers, self.is_untouched(workspace)
        for layer in layers.all:
            if layer is not layers.labels or is_untouched:
                self._viewer.layers.remove(layer)
        self._of = {key: w for key, w in self._of.items() if w is not workspace}
        workspace.close()

    def close(self) -> None:
        """Let go of all; layers and masks stay."""
        for workspace in self:
            leave(workspace.image, workspace.layers.all)
            workspace.close()
        self._of.clear()
        self.current = None
