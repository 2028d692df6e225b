"""The faster of two ways through the mask decoder, and what it keeps of an image."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.model.folded_decoder import (
    FoundMasks,
    ImageSide,
    PromptSide,
    decode,
    decode_above,
)
from napari_sam_adapter.model.folded_upscaling import to_rows
from napari_sam_adapter.model.mask_decoder import MaskDecoder
from napari_sam_adapter.model.spare import Spare

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self._spare = Spare()
        self._sides: deque[tuple[weakref.ref[ImageEmbedding], ImageSide]]
        self._sides = deque(maxlen=_KEPT)

    @property
    def device(self) -> torch.device:
        """Where it decodes."""
        device: torch.device = self._positions.device
        return device

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
        prompts = self._prompt_side(embedding, points, boxes, logits)
        if self._is_folded:
            return decode(self._side_of(embedding), prompts, masks)
        found, scores = self._decode_plainly(embedding, prompts)
        return found[:, masks], scores[:, masks]

    def decode_above(
        self,
        embedding: ImageEmbedding,
        points: tuple[Tensor, Tensor],
        masks: slice,
        least: float,
    ) -> Iterator[FoundMasks]:
        """Decode points one by one, and keep masks that promise enough.

        Parameters
        ----------
        embedding : ImageEmbedding
            The image.
        points : ((N, K, 2) tensor, (N, K) tensor)
            See `PromptEncoder.forward`.
        masks : slice
            Which of the decoder's masks to look at.
        least : float
            Masks whose score is not higher are left out.

        Yields
        ------
        FoundMasks
            One for each object; may be empty.
        """
        device = self._positions.device
        on_device = points[0].to(device), points[1].to(device)
        prompts = self._prompt_side(embedding, on_device, None, None)
        if self._is_folded:
            side = self._side_of(embedding)
            yield from decode_above(side, prompts, masks, least)
            return
        found, scores = self._decode_plainly(embedding, prompts)
        for logits, values in zip(found[:, masks], scores[:, masks], strict=True):
            kept = values > least
            yield FoundMasks(logits[kept], values[kept])

    def _prompt_side(
        self,
        embedding: ImageEmbedding,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        logits: Tensor | None,
    ) -> PromptSide:
        sparse, dense, maps = self._sam.prompt_encoder(points, boxes, logits)
        skips = tuple(skip.to(self._positions.device) for skip in embedding.skips)
        is_given = logits is not None or maps is not None or not self._is_folded
        return PromptSide(sparse, dense if is_given else None, skips, maps)

    def _decode_plainly(
        self, embedding: ImageEmbedding, prompts: PromptSide
    ) -> tuple[Tensor, Tensor]:
        features = embedding.features.to(self._positions.device)
        found: tuple[Tensor, Tensor] = self._sam.mask_decoder(
            features, self._positions, *prompts
        )
        return found

    def _side_of(self, embedding: ImageEmbedding) -> ImageSide:
        for known, side in self._sides:
            if known() is embedding:
                return side
        no_mask = self._sam.prompt_encoder.no_mask_embed.weight
        decoder = self._sam.mask_decoder
        features = embedding.features.to(self._positions.device)
        side = ImageSide(decoder, features, self._position_rows, no_mask, self._spare)
        self._sides.append((weakref.ref(embedding), side))
        return side
