"""An image encoder with an adapter beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.fast_adapter import run_with_prompts
from napari_sam_adapter.model.encoder.image_encoder import Started

if TYPE_CHECKING:
    from napari_sam_adapter.model.adapters.adapter import SamAdapter
    from napari_sam_adapter.model.adapters.task_information import Valid
    from napari_sam_adapter.model.encoder.image_encoder import (
        Block,
        EncodedImage,
        ImageEncoder,
    )
    from napari_sam_adapter.model.layers import Window


class AdaptedImageEncoder(nn.Module):
    """A frozen image encoder with an adapter beside it.

    Parameters
    ----------
    encoder : ImageEncoder
        Used as it is; its weights are shared, not copied.
    adapter : SamAdapter
        Made for the encoder's width and depth.

    Raises
    ------
    CheckpointError
        If the adapter has another number of blocks than the encoder.
    """

    def __init__(self, encoder: ImageEncoder, adapter: SamAdapter) -> None:
        super().__init__()
        if adapter.depth != len(encoder.blocks):
            raise CheckpointError(
                f"Expected an adapter for {len(encoder.blocks)} blocks, got one for "
                f"{adapter.depth}. Choose an adapter that was trained for this model."
            )
        self.encoder = encoder
        self.adapter = adapter

    def forward(
        self, image: Tensor, valid: Valid = None, window: Window | None = None
    ) -> EncodedImage:
        """Encode a normalised image (B, 3, H, W), or a window of one.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            The network input.
        valid : (rows, columns) or None
            The part of the input that is not padding.
        window : Window or None
            Where the input lies in the network's frame; None for all of it.

        Returns
        -------
        EncodedImage
            As of the encoder.
        """
        return self.complete(self.start(image, valid, window))

    def start(
        self, image: Tensor, valid: Valid = None, window: Window | None = None
    ) -> Started:
        """Do what comes before the blocks, and prepare their prompts."""
        tokens, sides = self.encoder.patch_embed(image)
        prompts = self.adapter.tuned(image, tokens, valid)
        return Started(self.encoder.add_position(tokens, window), sides, prompts)

    def complete(self, started: Started) -> EncodedImage:
        """Run the blocks and what comes after them; the part that takes long."""
        tokens = run_with_prompts(
            cast("list[Block]", list(self.encoder.blocks)),
            self.adapter.shared_mlp,
            started.prompts,
            started.tokens,
        )
        return self.encoder.finish(tokens, started.sides)
