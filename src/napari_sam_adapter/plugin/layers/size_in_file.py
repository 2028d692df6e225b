"""Take over how large pixels are, where the file tells it and the layer does not.

Readers of napari may leave out what a file tells of it. Then sizes are in pixels, and
slices are followed as if they lay as close as pixels do.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal

from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.units import NO_UNIT
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority, ignore
from napari_sam_adapter.plugin.image_files import (
    PixelSize,
    is_opened_by_us,
    path_of,
    pixel_size_in,
)
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.viewing.world_units import units_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer
    from napari.layers import Layer

    from napari_sam_adapter.plugin.controller import Controller

Known = tuple[tuple[int, ...], PixelSize | None]


class SizeInFile(Feature):
    """Offers to take the size of pixels from the file of the image in use.

    Parameters
    ----------
    controller : Controller
        Whose image it is.
    """

    changed = Signal()
    """Emitted when another size, or none, is offered."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._known: WeakKeyDictionary[Image, Known] = WeakKeyDictionary()
        self._shown: PixelSize | None = None
        # A drive may be slow: clicks do not wait for it.
        self._queue = JobQueue(ignore, mostly_waits=True)
        controller.updated.connect(self._on_updated)
        controller.closed.connect(self._queue.close)

    @property
    def offered(self) -> PixelSize | None:
        """What the file of the image in use tells, and its layer does not."""
        workspace = self._controller.workspace
        if workspace is None or not _is_in_pixels(workspace.image):
            return None
        shape, size = self._known.get(workspace.image, ((), None))
        return size if shape == _shape(workspace.image) else None

    @reporting
    def use(self) -> None:
        """Give the size to the image, and to the layers that lie on its pixels."""
        size = self.offered
        if size is None:
            return
        viewer, image = self._controller.viewer, self._controller.in_use().image
        pixel = image.world_to_data(viewer.dims.point[-image.ndim :])
        for layer in [*self._layers_on(image)]:
            layer.units, layer.scale = size.units, size.scale
        axes = range(viewer.dims.ndim - image.ndim, viewer.dims.ndim)
        viewer.dims.set_point(list(axes), list(image.data_to_world(pixel)))
        _keep_in_view(viewer, size)
        self.say(f"{image.name}: {size} now, as its file says.")
        self._on_updated()

    def _layers_on(self, image: Image) -> Iterator[Layer]:
        # Those of our own follow their image.
        layers, workspaces = self._controller.viewer.layers, self._controller.workspaces
        own = {layer for workspace in workspaces for layer in workspace.layers.all}
        shape, path = _shape(image), path_of(image)
        plain = [
            layer
            for layer in layers
            if layer.ndim == image.ndim and layer not in own and _is_in_pixels(layer)
        ]
        images = [
            layer
            for layer in plain
            if isinstance(layer, Image)
            and (_shape(layer), path_of(layer)) == (shape, path)
        ]
        yield from images
        are_all = all(i in images for i in layers if isinstance(i, Image))
        for layer in plain:
            if isinstance(layer, Labels):
                if _shape(layer) == shape:
                    yield layer
            elif are_all and not isinstance(layer, Image):  # else whose places are they
                yield layer

    def _on_updated(self) -> None:
        workspace = self._controller.workspace
        if workspace is not None:
            self._look_into_file(workspace.image)
        if self.offered != self._shown:
            self._shown = self.offered
            self.changed.emit()

    def _look_into_file(self, image: Image) -> None:
        shape, path = _shape(image), path_of(image)
        if self._known.get(image, ((), None))[0] == shape:
            return
        self._known[image] = shape, None
        is_told = is_opened_by_us(image) or not _is_in_pixels(image)
        if path is not None and not is_told and not image.multiscale:
            seen = LazyArray(image.data, image.name)
            steps = map(pixel_size_in, (path,), (seen,), (image.ndim,))
            on_result = partial(self._on_read, image, shape)
            self._queue.submit(
                Job(object(), "size", Priority.IDLE, steps, on_result, ignore)
            )

    def _on_read(
        self, image: Image, shape: tuple[int, ...], size: PixelSize | None
    ) -> None:
        self._known[image] = shape, size
        self._on_updated()
        workspace = self._controller.workspace
        if workspace is not None and workspace.image is image and self.offered:
            self.say(
                f"The file of {image.name} tells {size} a pixel, the layer does not: "
                "take it over under Image."
            )


def _shape(layer: Layer) -> tuple[int, ...]:
    pixels = layer.data[0] if layer.multiscale else layer.data
    return tuple(pixels.shape)


def _is_in_pixels(layer: Layer) -> bool:
    """Return whether a layer lies where its pixels are counted from 0, in no unit."""
    affines = np.asarray(layer.affine), np.asarray(layer.rotate)
    is_straight = all(np.array_equal(one, np.eye(len(one))) for one in affines)
    is_at_start = not (np.any(layer.translate) or np.any(layer.shear))
    is_unscaled = set(layer.scale) == {1} and set(units_of(layer)) == {NO_UNIT}
    return is_unscaled and is_at_start and is_straight


def _keep_in_view(viewer: Viewer, size: PixelSize) -> None:
    """Have the camera show the same pixels as before, as large."""
    scale = np.array(size.scale)[-3:]
    steps = np.concatenate([np.ones(3 - len(scale)), scale])
    shown = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    camera = viewer.scene.camera
    camera.center = tuple(np.array(camera.center) * steps)
    camera.zoom /= float(np.prod(steps[shown]) ** (1 / len(shown)))
