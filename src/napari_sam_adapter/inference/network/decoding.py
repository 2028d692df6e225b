"""The faster of two ways through the mask decoder, and what it keeps of an image."""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.inference.network.lanes import lanes_for, side_by_side
from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN, embed_mask, whole
from napari_sam_adapter.model.decoder.folded_decoder import (
    FoundMasks,
    PromptSide,
    decode,
    decode_above,
)
from napari_sam_adapter.model.decoder.folded_upscaling import to_rows
from napari_sam_adapter.model.decoder.image_side import ImageSide
from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
from napari_sam_adapter.model.decoder.near_masks import masks_near
from napari_sam_adapter.model.prompt_tensors import PromptTensors
from napari_sam_adapter.model.spare import Spare
from napari_sam_adapter.model.steady import steady_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.model.decoder.dense_prompts import DensePrompt
    from napari_sam_adapter.model.decoder.near_masks import TokenBox
    from napari_sam_adapter.model.sam import Sam

_KEPT = 3
"""Images whose side of the decoder is kept: some 15 MB each at 64 x 64 tokens, and 26
more of the last one if many points have been asked about together."""

_MANY = 4
"""Mask prompts of one image that share what the first layer makes of it."""


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
        self._spares = [Spare()]
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
        prompts: PromptTensors,
        masks: slice,
        near: Sequence[TokenBox | None] = (),
    ) -> tuple[Tensor, Tensor]:
        """Decode some of the masks of N objects.

        Parameters
        ----------
        embedding : ImageEmbedding
            The image.
        prompts : PromptTensors
            Of the objects, on the device.
        masks : slice
            Which of the decoder's masks to make.
        near : sequence of TokenBox or None
            Where each object is looked for, see `masks_near`; empty for everywhere.

        Returns
        -------
        masks : (N, M, 4h, 4w) tensor
            Logits; on the CPU where `near` tells a place.
        scores : (N, M) tensor
            Predicted IoU of each mask.
        """
        near = near or [None] * prompts.count()
        found, scores = self._decode(embedding, prompts, masks, near)
        return found, self._sam.judged(found, scores, masks)

    def _decode(
        self,
        embedding: ImageEmbedding,
        prompts: PromptTensors,
        masks: slice,
        near: Sequence[TokenBox | None],
    ) -> tuple[Tensor, Tensor]:
        """Do what `decode` does, with the scores that the decoder's tokens tell."""
        if not self._is_folded:
            found, scores = self._decode_plainly(embedding, prompts)
            return _kept_near(found[:, masks], near), scores[:, masks]
        if prompts.masks is not None and len(prompts.masks) > 1:
            return self._decode_in_turn(embedding, prompts, masks, near)
        asked = self._prompt_side(embedding, prompts)._replace(near=list(near))
        return decode(self._side_of(embedding), asked, masks)

    def decode_above(
        self,
        embedding: ImageEmbedding,
        points: tuple[Tensor, Tensor],
        masks: slice,
        least: float,
    ) -> Iterator[FoundMasks]:
        """Decode points a few at a time, and keep masks with a high enough score.

        Masks that promise too little are not made, where the score does not need them.

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
            One for each object, on the CPU; may be empty.
        """
        device = self._positions.device
        prompts = PromptTensors((points[0].to(device), points[1].to(device)))
        if self._is_folded:
            yield from self._folded_above(embedding, prompts, masks, least)
            return
        found, scores = self._decode_plainly(embedding, prompts)
        found, scores = found[:, masks], scores[:, masks]
        scores = self._sam.judged(found, scores, masks)
        kept = scores > least
        chosen = found[kept].cpu(), scores[kept].cpu()  # of all, at once
        counts = kept.sum(dim=1).tolist()
        of_each = (torch.split(tensor, counts) for tensor in chosen)
        yield from itertools.starmap(FoundMasks, zip(*of_each, strict=True))

    def _folded_above(
        self,
        embedding: ImageEmbedding,
        prompts: PromptTensors,
        masks: slice,
        least: float,
    ) -> Iterator[FoundMasks]:
        side, asked = self._side_of(embedding), self._prompt_side(embedding, prompts)
        if not self._sam.judges_masks:
            yield from decode_above(side, asked, masks, least)
            return
        for found in decode_above(side, asked, masks):
            scores = self._sam.judged(*found, masks)
            kept = scores > least
            yield FoundMasks(found.logits[kept], scores[kept])

    def _decode_in_turn(
        self,
        embedding: ImageEmbedding,
        prompts: PromptTensors,
        masks: slice,
        near: Sequence[TokenBox | None],
    ) -> tuple[Tensor, Tensor]:
        """Decode objects with mask prompts, whose embeddings may take 4 MB each."""

        def decode_one(side: ImageSide, number: int) -> tuple[Tensor, Tensor]:
            one = slice(number, number + 1)
            asked = self._prompt_side(embedding, prompts.of(one))
            asked = asked._replace(near=list(near[one]), is_one_of_many=is_many)
            return decode(side, asked, masks)

        side, count = self._side_of(embedding), prompts.count()
        is_many = count >= _MANY
        if is_many and self._sam.prompt_encoder.map_embed is None:
            assert prompts.masks is not None  # or this would not be called
            some = embed_mask(self._sam.prompt_encoder, prompts.masks[0, 0])
            if side.can_share(some):
                side.first(some)  # by all processors, before they part
        while len(self._spares) < lanes_for(count):
            self._spares.append(Spare())
        spares = self._spares[: lanes_for(count)]
        sides = [side, *(side.twin(spare) for spare in spares[1:])]
        found = side_by_side(decode_one, count, sides)
        decoded, scores = zip(*found, strict=True)
        return torch.cat(decoded), torch.cat(scores)

    def _prompt_side(
        self, embedding: ImageEmbedding, prompts: PromptTensors
    ) -> PromptSide:
        """Embed prompts for the folded decoder."""
        encoder = self._sam.prompt_encoder
        if encoder.map_embed is not None:
            sparse, dense, maps = encoder(*prompts)
            skips = self._skips_of(embedding)
            return PromptSide(sparse, [whole(d) for d in dense], skips, maps)
        sparse, _, _ = encoder(prompts.points, prompts.boxes, batch=prompts.count())
        drawn: list[DensePrompt] | None = None
        if prompts.masks is not None:
            drawn = [embed_mask(encoder, low) for low in prompts.masks[:, 0]]
        return PromptSide(sparse, drawn)

    def _decode_plainly(
        self, embedding: ImageEmbedding, prompts: PromptTensors
    ) -> tuple[Tensor, Tensor]:
        sparse, dense, maps = self._sam.prompt_encoder(*prompts)
        skips = self._skips_of(embedding)
        features = embedding.features.to(self._positions.device)
        with steady_step(self.device):
            found: tuple[Tensor, Tensor] = self._sam.mask_decoder(
                features, self._positions, sparse, dense, skips, maps
            )
        return found

    def _skips_of(self, embedding: ImageEmbedding) -> tuple[Tensor, ...]:
        return tuple(skip.to(self._positions.device) for skip in embedding.skips)

    def _side_of(self, embedding: ImageEmbedding) -> ImageSide:
        found = None
        for known, side in self._sides:
            if known() is embedding:
                found = side
            else:
                side.drop_levels()
        if found is not None:
            return found
        no_mask = self._sam.prompt_encoder.no_mask_embed.weight
        decoder = self._sam.mask_decoder
        features = embedding.features.to(self._positions.device)
        side = ImageSide(
            decoder, features, self._position_rows, no_mask, self._spares[0]
        )
        self._sides.append((weakref.ref(embedding), side))
        return side


def _kept_near(masks: Tensor, near: Sequence[TokenBox | None]) -> Tensor:
    """Leave out of whole masks (N, M, 4h, 4w) what the folded decoder does not make."""
    if not any(near):
        return masks
    grid = masks.shape[-2] // PER_TOKEN, masks.shape[-1] // PER_TOKEN
    kept = []
    for whole_masks, place in zip(masks.cpu(), near, strict=True):

        def cut(box: TokenBox, found: Tensor = whole_masks) -> Tensor:
            return found[:, *box.slices(PER_TOKEN)]

        kept.append(masks_near(cut, place, grid))
    return torch.stack(kept)
