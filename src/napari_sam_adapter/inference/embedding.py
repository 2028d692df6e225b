"""What is kept of an encoded plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
