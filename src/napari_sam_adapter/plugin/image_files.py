"""Files to image layers, with all that they tell of their axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.image_io.formats import open_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.types import LayerDataTuple

    from napari_sam_adapter.image_io.opened_image import OpenedImage

MOST_BYTES_READ = 10**9
"""Images up to this size are read whole before they are shown."""
OURS = ".nii", ".nii.gz"
"""Files that napari cannot open itself."""
PATH = "napari-sam-adapter: path"
"""Under it the metadata of a layer name the file that we opened."""


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerDataTuple]] | None:
    """Return what opens a file for *File > Open*, as napari asks for it.

    Parameters
    ----------
    path : str or list of str
        What the user chose.

    Returns
    -------
    callable or None
        None for several files as one, and for all that are not NIfTI.
    """
    is_ours = isinstance(path, str) and path.lower().endswith(OURS)
    return read_layers if is_ours else None


def read_layers(path: str) -> list[LayerDataTuple]:
    """Open an image file.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    list of LayerDataTuple
        One image.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    image = open_image(path)
    return [layer_data(image, pixels_of(image), Path(path))]


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
        "metadata": {PATH: str(path.absolute())},
    }
    if image.levels and not isinstance(pixels, np.ndarray):
        return [pixels, *image.levels], options | {"multiscale": True}, "image"
    return pixels, options, "image"


def path_of(layer: Layer) -> str | None:
    """Return the file that a layer was opened from.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    str or None
        None if nobody tells.
    """
    found = layer.source.path or layer.metadata.get(PATH)
    return None if found is None else str(found)
