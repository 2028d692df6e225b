"""An image layer as a volume with a session of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.plugin.kept_embeddings import window_store
from napari_sam_adapter.volume.axes import SPATIAL_LETTERS, spacing_of
from napari_sam_adapter.volume.planes import Volume
from napari_sam_adapter.volume.session import Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from napari.layers import Image


def start_session(
    image: Image, labels: npt.NDArray[np.integer[Any]] | None = None
) -> Session:
    """Return a new session of an image layer.

    Parameters
    ----------
    image : Image
        Of a multiscale image the finest level is used.
    labels : int array or None
        Objects that are there already; written in place.

    Returns
    -------
    Session
        In data coordinates of the layer, without a predictor; embeddings are kept.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    """
    letters = SPATIAL_LETTERS[-image.ndim :]
    data = image.data[0] if image.multiscale else image.data
    volume = Volume(data, letters + ("c" if image.rgb else ""))
    spacing = spacing_of(letters, image.scale, [str(unit) for unit in image.units])
    return Session(volume, labels=labels, spacing=spacing, store=window_store())
