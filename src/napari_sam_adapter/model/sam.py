"""The three parts of SAM joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
from napari_sam_adapter.model.decoder.prompt_encoder import PromptEncoder
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.model.shape import SamShape


class Sam(nn.Module):
    """Image encoder, prompt encoder and mask decoder under their published names.

    Parameters
    ----------
    image_encoder, prompt_encoder, mask_decoder : nn.Module
        The parts: `ImageEncoder`, `PromptEncoder` and `MaskDecoder`, or those of
        another family with the same inputs and outputs.
    """

    image_encoder: Any
    prompt_encoder: Any
    mask_decoder: Any

    def __init__(
        self,
        image_encoder: nn.Module,
        prompt_encoder: nn.Module,
        mask_decoder: nn.Module,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder

    @property
    def image_size(self) -> int:
        """Side of the padded square input in pixels."""
        return int(self.prompt_encoder.image_size)

    @property
    def judges_masks(self) -> bool:
        """Whether the score of a mask needs the mask."""
        return getattr(self.mask_decoder, "quality", None) is not None

    def judged(self, logits: Tensor, scores: Tensor, masks: slice) -> Tensor:
        """Return the predicted IoU of masks that were made.

        Parameters
        ----------
        logits : (..., M, h, w) tensor
            Some of the decoder's masks.
        scores : (..., M) tensor
            What the decoder says of them.
        masks : slice
            Which of its masks they are.

        Returns
        -------
        (..., M) tensor
            The decoder's own estimate, or what the small model makes of it.
        """
        if not self.judges_masks:
            return scores
        judged: Tensor = self.mask_decoder.quality(
            logits.to(scores.device), scores, masks
        )
        return judged


def build_sam(shape: SamShape) -> Sam:
    """Make a network with fresh weights.

    Parameters
    ----------
    shape : SamShape
        Its sizes.

    Returns
    -------
    Sam
        In training mode, on the CPU, in float32.
    """
    return Sam(
        ImageEncoder(shape),
        PromptEncoder(
            shape.image_size,
            shape.grid,
            mask_channels=shape.mask_channels,
            draws_maps=shape.conv_stem,
        ),
        MaskDecoder(
            mlp_width=shape.decoder_mlp_width,
            masks=shape.mask_tokens,
            takes_maps=shape.conv_stem,
            judges_masks=shape.judges_masks,
        ),
    )
