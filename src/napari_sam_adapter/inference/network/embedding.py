"""What is kept of an encoded plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError, PromptError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame


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

    def __repr__(self) -> str:
        return f"<ImageEmbedding of {sized(self.frame.original)} pixels>"

    @property
    def nbytes(self) -> int:
        """Memory of the tensors in bytes."""
        return sum(t.numel() * t.element_size() for t in (self.features, *self.skips))


def drawn_on(
    embedding: ImageEmbedding, prompts_list: Sequence[Prompts]
) -> list[Prompts]:
    """Return prompts as an encoded plane is asked, without outlines.

    Parameters
    ----------
    embedding : ImageEmbedding
        What `SamPredictor.encode` gave.
    prompts_list : sequence of Prompts
        One per object.

    Returns
    -------
    list of Prompts
        In the same order.

    Raises
    ------
    ImageError
        If the plane is something else, such as the image.
    PromptError
        If the prompts are something else, such as points.
    """
    if isinstance(prompts_list, Prompts):
        raise PromptError(
            "Expected a list of Prompts, got one alone. Write [prompts], or ask with "
            "predict."
        )
    if not isinstance(embedding, ImageEmbedding):
        raise ImageError(
            f"Expected an encoded plane, got {type(embedding).__name__}. Give what "
            "predictor.encode(image) returns."
        )
    for prompts in prompts_list:
        if not isinstance(prompts, Prompts):
            raise PromptError(
                f"Expected Prompts, got {prompts!r:.80}. Write for example "
                "Prompts(points=[(20, 30)]) or Prompts(box=(10, 10, 40, 50)): rows "
                "first."
            )
    shape = embedding.frame.original
    return [prompts.without_polygons(shape) for prompts in prompts_list]
