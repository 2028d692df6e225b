"""The faster of two ways through the mask decoder, and what it keeps of an image."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.model.folded_decoder import ImageSide, decode, to_rows
from napari_sam_adapter.model.mask_decoder import MaskDecoder

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.inference.embedding import ImageEmbedding
    from napari_sam_adapter.model.sam import Sam

_KEPT = 3
"""Images whose side of the decoder is kept: some 15 MB each at 64 x 64 tokens."""


class Decoding:
    """Prompts of one image to masks of low resolution.

    Parameters
    ----------
    sam : Sam
        The network, on its device.
    """

    def __init__(self, sam: Sam) -> None:
        self._sam = sam
        with torch.inference_mode():
            self._positions = sam.prompt_encoder.dense_positions()
        is_plain = type(sam.mask_decoder) is MaskDecoder
        self._is_folded = is_plain and self._positions.device.type == "cpu"
        self._position_rows = to_rows(self._positions)
        self._sides: deque[tuple[weakref.ref[ImageEmbedding], ImageSide]]
        self._sides = deque(maxlen=_KEPT)

    @property
    def device(self) -> torch.device:
        """Where it decodes."""
        return self._positions.device

    def decode(
        self,
        embedding: ImageEmbedding,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        logits: Tensor | None,
        masks: slice,
    ) -> tuple[Tensor, Tensor]:
        """Decode some of the masks of N objects.

        Parameters
        ----------
        embedding : ImageEmbedding
            The image.
        points, boxes, logits
            See `PromptEncoder.forward`.
        masks : slice
            Which of the decoder's masks to make.

        Returns
        -------
        masks : (N, M, 4h, 4w) tensor
            Logits.
        scores : (N, M) tensor
            Predicted IoU of each mask.
        """
        sparse, dense, maps = self._sam.prompt_encoder(points, boxes, logits)
        device = self.device
        skips = tuple(skip.to(device) for skip in embedding.skips)
        if self._is_folded:
            is_given = logits is not None or maps is not None
            side = self._side_of(embedding)
            return decode(side, sparse, dense if is_given else None, skips, maps, masks)
        found, scores = self._sam.mask_decoder(
            embedding.features.to(device), self._positions, sparse, dense, skips, maps
        )
        return found[:, masks], scores[:, masks]

    def _side_of(self, embedding: ImageEmbedding) -> ImageSide:
        for known, side in self._sides:
            if known() is embedding:
                return side
        no_mask = self._sam.prompt_encoder.no_mask_embed.weight
        decoder = self._sam.mask_decoder
        features = embedding.features.to(self._positions.device)
        side = ImageSide(decoder, features, self._position_rows, no_mask)
        self._sides.append((weakref.ref(embedding), side))
        return side
