"""An image layer as a volume with a session of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plugin.layers.kept_embeddings import window_store
from napari_sam_adapter.plugin.viewing.world_units import spacing_now
from napari_sam_adapter.volume.planes.axes import MOST_SPATIAL_AXES, SPATIAL_LETTERS
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.plugin.layers.image_level import ImageLevel


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
    if frame.ndim > MOST_SPATIAL_AXES:
        raise ImageError(
            f"Expected an image of 2 to {MOST_SPATIAL_AXES} axes besides colour, got "
            f"{frame.ndim}. Make a layer of a part of it."
        )
    axes = SPATIAL_LETTERS[-frame.ndim :] + "c" * level.has_colours
    full, *coarser = level.seen
    volume = Volume(full, axes, levels=coarser)
    spacing, store = spacing_now(frame), window_store()
    return Session(volume, labels=labels, spacing=spacing, store=store)
