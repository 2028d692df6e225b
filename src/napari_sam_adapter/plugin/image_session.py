"""An image layer as a volume with a session of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.plugin.kept_embeddings import window_store
from napari_sam_adapter.plugin.world_units import spacing_now
from napari_sam_adapter.volume.axes import SPATIAL_LETTERS
from napari_sam_adapter.volume.planes import Volume
from napari_sam_adapter.volume.session import Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.plugin.image_level import ImageLevel


def start_session(
    level: ImageLevel, labels: npt.NDArray[np.integer[Any]] | None = None
) -> Session:
    """Return a new session of a level of an image layer.

    Parameters
    ----------
    level : ImageLevel
        Where prompts are set and masks are written.
    labels : int array or None
        Objects that are there already; written in place.

    Returns
    -------
    Session
        In pixels of the level, without a predictor; embeddings are kept.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    """
    frame = level.frame
    letters = SPATIAL_LETTERS[-frame.ndim :]
    axes = letters + ("c" if level.is_rgb else "")
    volume = Volume(level.data, axes, levels=level.coarser)
    spacing, store = spacing_now(frame), window_store()
    return Session(volume, labels=labels, spacing=spacing, store=store)
