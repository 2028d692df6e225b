"""The values of a base model's weights from which training takes off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from napari_sam_adapter.model.decoder.two_way_transformer import DownsampledAttention
from napari_sam_adapter.model.layers import ConvBlock

if TYPE_CHECKING:
    from napari_sam_adapter.model.sam import Sam

POSITION_SCALE = 3.0
"""Standard deviation of the positional frequencies: positions are told apart when they
are about 15 pixels from each other, in a frame of 512."""
CROSS_GAIN = 1.6
"""Scale of the shared start of queries and keys."""


def initialise(sam: Sam) -> None:
    """Give the weights values from which training takes off at once.

    Parameters
    ----------
    sam : Sam
        The network; changed in place.

    Notes
    -----
    In the decoder's cross-attention, queries and keys start with the same projection.
    Attention then begins as similarity of positions, so that a click meets its place in
    the image from the first step; with independent projections the network answers
    every prompt with an empty mask for thousands of steps.
    """
    for module in sam.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    for module in sam.modules():
        if isinstance(module, ConvBlock):
            nn.init.zeros_(module.second.weight)
    for module in sam.mask_decoder.transformer.modules():
        if isinstance(module, DownsampledAttention) and module.is_cross:
            nn.init.xavier_uniform_(module.q_proj.weight, gain=CROSS_GAIN)
            module.k_proj.weight.data.copy_(module.q_proj.weight)
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix *= POSITION_SCALE
    nn.init.trunc_normal_(sam.image_encoder.pos_embed, std=0.02)
    for module in sam.image_encoder.blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
