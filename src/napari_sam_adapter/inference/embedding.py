"""What is kept of an encoded plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.inference.preprocessing import Frame


@dataclass(frozen=True)
class ImageEmbedding:
    """An encoded plane.

    Parameters
    ----------
    features : (1, 256, h, w) tensor
        The image embedding.
    skips : tuple of tensors
        Finer maps of the small model; empty for the published ones.
    frame : Frame
        How the plane lies in the network's square.
    """

    features: Tensor
    skips: tuple[Tensor, ...]
    frame: Frame

    @property
    def nbytes(self) -> int:
        """Memory of the tensors in bytes."""
        return sum(t.numel() * t.element_size() for t in (self.features, *self.skips))


def plane_of(embedding: ImageEmbedding) -> tuple[int, int]:
    """Return rows and columns of an encoded plane.

    Parameters
    ----------
    embedding : ImageEmbedding
        What `SamPredictor.encode` gave.

    Returns
    -------
    (int, int)
        Of the plane in pixels.

    Raises
    ------
    ImageError
        If it is something else, such as the image.
    """
    if not isinstance(embedding, ImageEmbedding):
        raise ImageError(
            f"Expected an encoded plane, got {type(embedding).__name__}. Give what "
            "predictor.encode(image) returns."
        )
    return embedding.frame.original
