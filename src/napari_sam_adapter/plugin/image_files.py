"""Files to image layers, with all that they tell of their axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_warning

from napari_sam_adapter.image_io.formats import open_image
from napari_sam_adapter.image_io.kinds import named_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Layer
    from napari.types import LayerDataTuple

    from napari_sam_adapter.image_io.opened_image import OpenedImage

MOST_BYTES_READ = 10**9
"""Images up to this size are read whole before they are shown."""
PATH = "napari-sam-adapter: path"
"""Under it the metadata of a layer name the file that we opened."""
PARTS = "napari-sam-adapter: files"
"""Under it they name all files of a series."""


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerDataTuple]] | None:
    """Return what opens a file for *File > Open*, as napari asks for it.

    Parameters
    ----------
    path : str or list of str
        What the user chose.

    Returns
    -------
    callable or None
        None for several files as one, and for all but NIfTI and DICOM.
    """
    known = named_format(Path(path)) if isinstance(path, str) else None
    # others napari opens itself
    return read_layers if known is not None and known.has_affine else None


def read_layers(path: str) -> list[LayerDataTuple]:
    """Open an image file.

    Parameters
    ----------
    path : str
        The file; of DICOM any of a series.

    Returns
    -------
    list of LayerDataTuple
        One image; nothing if its series is open, as after a choice of all its files.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    viewer = napari.current_viewer()
    if viewer is not None and (shown := _layer_with(viewer, path)):
        viewer.status = f"{Path(path).name} belongs to {shown}, which is open."
        return [(None,)]
    image = open_image(path)
    if image.problem:
        show_warning(image.problem)
    return [layer_data(image, pixels_of(image), Path(path))]


def _layer_with(viewer: Viewer, path: str) -> str:
    """Return the name of the layer whose series a file belongs to, or nothing."""
    file = Path(path).absolute()
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
    found = layer.source.path or layer.metadata.get(PATH)
    return None if found is None else Path(found)
