"""What a predictor answers, and what the volume code needs of a predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.prompts import Prompts


@dataclass(frozen=True)
class MaskCandidate:
    """One of several masks that fit an ambiguous prompt.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on the plane.
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    logits : (h, w) float32 array
        Low-resolution logits, to be fed back with the next prompt.
    """

    mask: npt.NDArray[np.bool_]
    score: float
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class MaskPrediction:
    """The answer to the prompts of one object on one plane.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on the plane.
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    logits : (h, w) float32 array
        Low-resolution logits of this mask.
    candidates : tuple of MaskCandidate
        All masks for an ambiguous prompt, best score first; else one.
    """

    mask: npt.NDArray[np.bool_]
    score: float
    logits: npt.NDArray[np.float32]
    candidates: tuple[MaskCandidate, ...] = ()


class Predictor(Protocol):
    """What the volume code needs: pixels to an embedding, prompts to masks.

    The embedding is opaque: whatever `encode` returns goes back into `predict`.
    Both are stateless and may be called from any thread, one call at a time.
    """

    @property
    def description(self) -> dict[str, str]:
        """Model, adapter, their hashes, device and number format."""

    def encode(self, image: npt.NDArray[Any]) -> Any:
        """Embed one plane, (H, W) or (H, W, 3)."""

    def predict(
        self, embedding: Any, prompts: Prompts, previous: MaskPrediction | None = None
    ) -> MaskPrediction:
        """Segment one object; `previous` is its last answer on this plane."""

    def predict_many(
        self, embedding: Any, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Segment several objects in one pass."""


@runtime_checkable
class PackingPredictor(Predictor, Protocol):
    """A predictor whose embeddings can be kept: as plain arrays, and back."""

    def encode_batch(self, images: Sequence[npt.NDArray[Any]]) -> list[Any]:
        """Embed several planes of one size."""

    def pack(self, embedding: Any) -> dict[str, npt.NDArray[np.float16]]:
        """Return an embedding as arrays in half precision."""

    def unpack(
        self, arrays: Mapping[str, npt.NDArray[np.float16]], shape: tuple[int, int]
    ) -> Any:
        """Return the embedding of a plane of some shape from its arrays."""
