"""Files to image layers, with all that they tell of their axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import napari
import numpy as np
from napari.utils.notifications import show_warning

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom.series import images_in
from napari_sam_adapter.image_io.files.kinds import DICOM, named_format
from napari_sam_adapter.image_io.files.opening import open_image
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.units import NO_UNIT
from napari_sam_adapter.plugin.viewing.world_units import SIGNS
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Layer
    from napari.types import LayerDataTuple

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

Reader: TypeAlias = "Callable[[str | list[str]], list[LayerDataTuple]]"
MOST_BYTES_READ = 10**9
"""Images up to this size are read whole before they are shown."""
COMPARED = 512
"""Rows and columns that tell one image from another."""
PATH = "napari-sam-adapter: path"
"""Under it the metadata of a layer name the file that we opened."""
PARTS = "napari-sam-adapter: files"
"""Under it they name all files of a series."""


def get_reader(path: str | list[str]) -> Reader | None:
    """Return what opens files for *File > Open*, as napari asks for it.

    Parameters
    ----------
    path : str or list of str
        What the user chose; a list are files to be opened as one stack.

    Returns
    -------
    callable or None
        None for all but NIfTI and DICOM.
    """
    kinds = [named_format(file) for file in _files(path)]
    # others napari opens itself
    is_ours = all(kind is not None and kind.has_affine for kind in kinds)
    return read_layers if is_ours else None


def read_layers(path: str | list[str]) -> list[LayerDataTuple]:
    """Open an image file, or files as a stack.

    Parameters
    ----------
    path : str or list of str
        The file; of DICOM any of a series, or a list of files.

    Returns
    -------
    list of LayerDataTuple
        One image for each series; nothing for those that are open, as after a choice of
        all files of one.

    Raises
    ------
    ImageError
        If one cannot be read, or NIfTI files are to be a stack.
    """
    viewer, layers = napari.current_viewer(), []
    for file in _files(path) if isinstance(path, str) else _images_of_stack(path):
        if viewer is not None and (shown := _layer_with(viewer, file)):
            viewer.status = f"{file.name} belongs to {shown}, which is open."
            continue
        image = open_image(file)
        if image.problem:
            show_warning(image.problem)
        layers.append(layer_data(image, pixels_of(image), file))
    return layers or [(None,)]


def _files(path: str | list[str]) -> list[Path]:
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]


def _images_of_stack(paths: list[str]) -> list[Path]:
    """Return a file of each image."""
    files = _files(paths)
    others = [file for file in files if named_format(file) is not DICOM]
    if others and len(files) > 1:
        raise ImageError(
            f"Expected DICOM files for a stack, got {counted(len(others), 'file')} of "
            f"another kind, as {others[0].name}, each an image by itself. Take Open "
            "File(s) instead."
        )
    return files if others else images_in(files) or files[:1]


def _layer_with(viewer: Viewer, file: Path) -> str:
    """Return the name of the layer whose series a file belongs to, or nothing."""
    file = file.absolute()
    layers = (layer for layer in viewer.layers if file in layer.metadata.get(PARTS, ()))
    return next((layer.name for layer in layers), "")


def pixels_of(image: OpenedImage) -> Any:
    """Read the pixels of an image, unless there are very many.

    Parameters
    ----------
    image : OpenedImage
        The image.

    Returns
    -------
    array
        In memory, or as it was.
    """
    bytes_needed = int(np.prod(image.data.shape)) * image.data.dtype.itemsize
    is_small = bytes_needed <= MOST_BYTES_READ
    return np.asarray(image.data) if is_small else image.data


def layer_data(image: OpenedImage, pixels: Any, path: Path) -> LayerDataTuple:
    """Return what a layer of an image needs; a large pyramid is shown by its levels.

    Parameters
    ----------
    image : OpenedImage
        The image.
    pixels : array
        From `pixels_of`.
    path : Path
        Its file.

    Returns
    -------
    LayerDataTuple
        Data, options and kind of layer.
    """
    options = {
        "name": image.name,
        "scale": image.scale,
        "units": image.units,
        "axis_labels": tuple(image.label_axes),
        "rgb": image.is_colour,
        "metadata": {PATH: str(path.absolute()), PARTS: image.parts},
    }
    if image.window:
        options["contrast_limits"] = image.window
    if image.levels and not isinstance(pixels, np.ndarray):
        return [pixels, *image.levels], options | {"multiscale": True}, "image"
    return pixels, options, "image"


def is_of_series(layer: Layer) -> bool:
    """Tell whether a layer was opened by us from a DICOM series.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    bool
        Also if its files are gone.
    """
    return bool(layer.metadata.get(PARTS))


def path_of(layer: Layer) -> Path | None:
    """Return the file or folder that a layer was opened from.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    Path or None
        None if nobody tells.
    """
    # of several images of a stack, napari names the first file
    found = layer.metadata.get(PATH) or layer.source.path
    return None if found is None else Path(found)


def is_opened_by_us(layer: Layer) -> bool:
    """Tell whether a layer has all that its file tells.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    bool
        True if its file was opened by `layer_data`.
    """
    return PATH in layer.metadata


class PixelSize(NamedTuple):
    """How far apart pixels are.

    Attributes
    ----------
    scale : tuple of float
        Along each axis of a layer.
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
            if unit != NO_UNIT
        ]
        if len({unit for _, unit in told}) == 1:
            return f"{' x '.join(step for step, _ in told)} {told[0][1]}"
        return " x ".join(f"{step} {unit}" for step, unit in told)


def pixel_size_in(path: Path, seen: LazyArray, ndim: int) -> PixelSize | None:
    """Read how large pixels are from the file of a layer.

    Parameters
    ----------
    path : Path
        The file.
    seen : LazyArray
        The pixels of the layer.
    ndim : int
        Its axes without colours.

    Returns
    -------
    PixelSize or None
        None if the file tells no unit, cannot be read, or holds other pixels.
    """
    try:
        opened = open_image(path)
        size = PixelSize(opened.scale[:ndim], opened.units[:ndim])
        return size if str(size) and has_pixels(opened, seen) else None
    except ImageError:
        return None


def has_pixels(opened: OpenedImage, seen: LazyArray) -> bool:
    """Tell whether an array holds the pixels of a file; reads a part of both.

    Parameters
    ----------
    opened : OpenedImage
        The file.
    seen : LazyArray
        The array, its axes in the order of the file.

    Returns
    -------
    bool
        True if the shapes are the same, and the middle of the plane in the middle.
    """
    if opened.data.shape != seen.shape:
        return False
    *leading, height, width = opened.label_shape
    rows, columns = _middle(height), _middle(width)
    middle = (*(length // 2 for length in leading), rows, columns)
    in_file, in_view = LazyArray(opened.data, opened.name)[middle], seen[middle]
    has_holes = in_view.dtype.kind in "fc"  # of no value, and so equal to nothing
    return np.array_equal(in_file, in_view, equal_nan=has_holes)


def _middle(length: int) -> slice:
    return slice(max(length - COMPARED, 0) // 2, (length + COMPARED) // 2)
