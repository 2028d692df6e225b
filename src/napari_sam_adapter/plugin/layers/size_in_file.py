"""How large pixels are, where the file tells and the layer does not.

Readers of napari may leave out what a file tells of it. Then sizes are in pixels, and
slices are followed as if they lay as close as pixels do.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from psygnal import Signal

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.image_io.files.opening import open_image
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.units import NO_UNIT
from napari_sam_adapter.plugin.background import Job, Priority, ignore
from napari_sam_adapter.plugin.image_files import has_pixels, path_of
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.viewing.world_units import SIGNS, units_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.layers import Layer

    from napari_sam_adapter.plugin.controller import Controller


class PixelSize(NamedTuple):
    """What a file tells of its axes.

    Attributes
    ----------
    scale : tuple of float
        Distance between neighbours along each axis of the layer.
    units : tuple of str
        A name for each.
    """

    scale: tuple[float, ...]
    units: tuple[str, ...]

    def __str__(self) -> str:
        """Say the distances of the axes that have a unit."""
        told = [
            (f"{step:.3g}", SIGNS.get(unit, unit))
            for step, unit in zip(self.scale, self.units, strict=True)
            if unit != NO_UNIT or step != 1
        ]
        if len({unit for _, unit in told}) == 1:
            return f"{' x '.join(step for step, _ in told)} {told[0][1]}"
        return " x ".join(f"{step} {unit}" for step, unit in told)


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
        self._in_files: WeakKeyDictionary[Image, PixelSize | None] = WeakKeyDictionary()
        self._shown: PixelSize | None = None
        controller.updated.connect(self._on_updated)

    @property
    def offered(self) -> PixelSize | None:
        """What the file of the image in use tells, and its layer does not."""
        workspace = self._controller.workspace
        if workspace is None or not _is_plain(workspace.image):
            return None
        return self._in_files.get(workspace.image)

    @reporting
    def use(self) -> None:
        """Give the size to the image, and to all layers that lie on its pixels."""
        size, viewer = self.offered, self._controller.viewer
        if size is None:
            return
        image, place = self._controller.in_use().image, viewer.dims.current_step
        for layer in [layer for layer in viewer.layers if _lies_on(layer, image)]:
            layer.units, layer.scale = size.units, size.scale
        viewer.dims.current_step = place
        viewer.reset_view()
        self.say(f"{image.name}: {size} now, as its file says.")
        self._on_updated()

    def _on_updated(self) -> None:
        workspace = self._controller.workspace
        if workspace is not None and workspace.image not in self._in_files:
            self._look_into_file(workspace.image)
        if self.offered != self._shown:
            self._shown = self.offered
            self.changed.emit()

    def _look_into_file(self, image: Image) -> None:
        self._in_files[image] = None
        path = path_of(image)
        if path is None or not _is_plain(image) or image.multiscale:
            return

        def on_result(size: PixelSize | None) -> None:
            self._in_files[image] = size
            self._on_updated()
            if self.offered is size is not None:
                self.say(
                    f"The file of {image.name} tells {size} a pixel, the layer does "
                    "not: take it over under Image."
                )

        steps = _read(path, LazyArray(image.data, image.name), image.ndim)
        queue, owner = self._controller.segmenter.queue, object()
        queue.submit(Job(owner, "size", Priority.OPEN, steps, on_result, ignore))


def _read(path: Path, seen: LazyArray, ndim: int) -> Iterator[PixelSize | None]:
    """Read what a file tells; nothing if it does not hold the pixels of the layer."""
    with suppress(SamAdapterError):
        opened = open_image(path)
        size = PixelSize(opened.scale[:ndim], opened.units[:ndim])
        if str(size) and has_pixels(opened, seen):
            yield size


def _is_plain(layer: Layer) -> bool:
    """Return whether nobody told how large the pixels of a layer are."""
    return set(layer.scale) == {1} and set(units_of(layer)) == {NO_UNIT}


def _lies_on(layer: Layer, image: Image) -> bool:
    """Return whether a layer is in the pixels of an image."""
    if layer.ndim != image.ndim or not _is_plain(layer):
        return False
    is_raster = isinstance(layer, (Image, Labels))  # others have places, no pixels
    shape = image.data.shape[: image.ndim]
    return not is_raster or layer.data.shape[: layer.ndim] == shape
