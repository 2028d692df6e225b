"""EVP on a ViT: SAM-Adapter's prompts with a plain head, to compare with.

References
----------
Liu et al., *Explicit Visual Prompting for Low-Level Structure Segmentations*, 2023.
Xie et al., *SegFormer*, 2021, section 3.2, for the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.layers import LayerNorm2d

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.model.adapters.adapter import SamAdapter
    from napari_sam_adapter.model.adapters.task_information import Valid
    from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder

LEVELS = 4
"""How many token maps the head sees, evenly spaced over the blocks."""
UPSCALING = 4
"""Side of a logit map divided by the side of the token map, as for SAM's decoder."""


class PlainHead(nn.Module):
    """Token maps of several depths to logits, by linear layers alone.

    Parameters
    ----------
    width : int
        Token width.
    levels : int
        Number of token maps.
    classes : int
        Number of logit maps.
    channels : int
        Inner width, 256 in SegFormer's small heads.

    Notes
    -----
    Normalises over channels and not over the batch, which is small here.
    """

    def __init__(
        self, width: int, levels: int = LEVELS, classes: int = 1, channels: int = 256
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(width, channels) for _ in range(levels))
        self.fuse = nn.Sequential(
            nn.Conv2d(levels * channels, channels, 1, bias=False),
            LayerNorm2d(channels),
            nn.ReLU(),
        )
        self.predict = nn.Conv2d(channels, classes, 1)

    def forward(self, token_maps: Sequence[Tensor]) -> Tensor:
        """Turn maps (B, h, w, D) into logits (B, classes, h, w)."""
        embedded = [
            layer(tokens).permute(0, 3, 1, 2)
            for layer, tokens in zip(self.levels, token_maps, strict=True)
        ]
        logits: Tensor = self.predict(self.fuse(torch.cat(embedded, dim=1)))
        return logits


class Evp(nn.Module):
    """A frozen image encoder, an adapter, and a plain head that takes no prompts.

    Parameters
    ----------
    encoder : ImageEncoder
        Used as it is; its weights are shared, not copied.
    adapter : SamAdapter
        The same prompt generator as for SAM-Adapter.
    head : PlainHead
        With one level for each of `levels_of` the encoder.

    Raises
    ------
    CheckpointError
        If the adapter has another number of blocks than the encoder.
    """

    def __init__(
        self, encoder: ImageEncoder, adapter: SamAdapter, head: PlainHead
    ) -> None:
        super().__init__()
        self.adapted = AdaptedImageEncoder(encoder, adapter)
        self.head = head

    def forward(self, image: Tensor, valid: Valid = None) -> Tensor:
        """Segment a normalised image without prompts.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            The network input.
        valid : (rows, columns) or None
            The part of the input that is not padding.

        Returns
        -------
        (B, classes, 4h, 4w) tensor
            Logits of the size of SAM's low-resolution masks.
        """
        outputs = list(self._block_outputs(image, valid))
        logits = self.head([outputs[i] for i in levels_of(len(outputs))])
        return F.interpolate(logits, scale_factor=UPSCALING, mode="bilinear")

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return what EVP trains: the adapter and the head."""
        return [*self.adapted.adapter.parameters(), *self.head.parameters()]

    def _block_outputs(self, image: Tensor, valid: Valid) -> Iterator[Tensor]:
        encoder = self.adapted.encoder
        tokens, _ = encoder.patch_embed(image)
        prompts = self.adapted.adapter(image, tokens, valid)
        tokens = encoder.add_position(tokens)
        for block, prompt in zip(encoder.blocks, prompts, strict=True):
            tokens = block(tokens + prompt)
            yield tokens


def levels_of(depth: int) -> list[int]:
    """Return the blocks whose outputs the head sees.

    Parameters
    ----------
    depth : int
        Number of blocks.

    Returns
    -------
    list of int
        Up to four, evenly spaced, the last block among them.
    """
    return sorted({max(0, depth * i // LEVELS - 1) for i in range(1, LEVELS + 1)})
