"""What is kept of an encoded plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
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

    def pack(self) -> dict[str, npt.NDArray[np.float16]]:
        """Return the tensors in half precision, by name.

        Returns
        -------
        dict of str to float16 array
            For `unpack`.
        """
        tensors = {"features": self.features}
        tensors |= {f"skip {i}": skip for i, skip in enumerate(self.skips)}
        return {name: t.half().cpu().numpy() for name, t in tensors.items()}

    @classmethod
    def unpack(
        cls,
        arrays: Mapping[str, npt.NDArray[np.float16]],
        frame: Frame,
        device: torch.device,
    ) -> ImageEmbedding:
        """Undo `pack`.

        Parameters
        ----------
        arrays : mapping of str to float16 array
            What `pack` gave.
        frame : Frame
            How the plane lies in the square.
        device : torch.device
            Where the tensors go.

        Returns
        -------
        ImageEmbedding
            Rounded to half precision, in float32.
        """
        first, *others = (
            torch.from_numpy(np.array(array)).to(device).float()
            for array in arrays.values()
        )
        return cls(first, tuple(others), frame)
