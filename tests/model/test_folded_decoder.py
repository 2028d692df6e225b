"""The folded decoder gives the masks of the plain one."""

from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.folded_decoder import (
    ImageSide,
    PromptSide,
    decode,
    decode_above,
)
from napari_sam_adapter.model.folded_upscaling import to_rows
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.spare import Spare

SHAPES = {
    "published": SamShape(80, 32, 2, (0,), 64),
    "small": SamShape(80, 32, 2, (0,), 64, use_rel_pos=False, conv_stem=True),
}
POINTS = torch.tensor([[[10.0, 60.0]], [[40.0, 33.0]]]), torch.tensor([[1], [0]])
PROMPTS = {
    "points": {"points": POINTS},
    "boxes": {"boxes": torch.tensor([[3.0, 4.0, 50.0, 60.0], [9.0, 1.0, 20.0, 70.0]])},
    "points and masks": {"points": POINTS, "masks": torch.ones(2, 1, 20, 20).cumsum(3)},
    "nothing": {},
}


def random_sam(shape: SamShape) -> Sam:
    torch.manual_seed(0)
    sam = build_sam(shape).eval().requires_grad_(False)
    for parameter in sam.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.05)
    return sam


def sides(sam: Sam, prompts: str) -> tuple[ImageSide, PromptSide, tuple]:
    """Return both sides for the folded decoder, and what the plain one takes."""
    encoded = sam.image_encoder(torch.randn(1, 3, 80, 80))
    sparse, dense, maps = sam.prompt_encoder(**PROMPTS[prompts])
    positions = sam.prompt_encoder.dense_positions()
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    image = ImageSide(sam.mask_decoder, encoded.embedding, to_rows(positions), no_mask)
    is_given = "masks" in prompts or maps is not None
    asked = PromptSide(sparse, dense if is_given else None, encoded.skips, maps)
    plain = encoded.embedding, positions, sparse, dense, encoded.skips, maps
    return image, asked, plain


@pytest.mark.parametrize("masks", [slice(1, None), slice(0, 1)], ids=["three", "one"])
@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("kind", SHAPES)
def test_folded_decoder_equals_the_plain_one(
    kind: str, prompts: str, masks: slice
) -> None:
    sam = random_sam(SHAPES[kind])
    with torch.inference_mode():
        image, asked, plain = sides(sam, prompts)
        logits, scores = sam.mask_decoder(*plain)
        found, estimates = decode(image, asked, masks)
    assert torch.allclose(found, logits[:, masks], atol=1e-4)
    assert torch.equal(found > 0, logits[:, masks] > 0)
    assert torch.allclose(estimates, scores[:, masks], atol=1e-5)


@pytest.mark.parametrize("kind", SHAPES)
def test_masks_that_promise_too_little_are_not_made(kind: str) -> None:
    sam = random_sam(SHAPES[kind])
    with torch.inference_mode():
        image, asked, _ = sides(sam, "points")
        logits, scores = decode(image, asked, slice(1, None))
        for least in scores.flatten().tolist():
            found = list(decode_above(image, asked, slice(1, None), least))
            assert len(found) == len(scores)
            for one, values, every in zip(found, scores, logits, strict=True):
                assert torch.equal(one.scores, values[values > least])
                assert torch.allclose(one.logits, every[values > least], atol=1e-5)


def test_answers_stay_when_their_memory_is_used_again() -> None:
    sam, spare = random_sam(SHAPES["published"]), Spare()
    positions = to_rows(sam.prompt_encoder.dense_positions())
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    with torch.inference_mode():
        images = [
            ImageSide(sam.mask_decoder, features, positions, no_mask, spare)
            for features in torch.randn(2, 1, 256, 5, 5)
        ]
        asked = [PromptSide(*sam.prompt_encoder(**p)[:2]) for p in PROMPTS.values()]
        alone = [decode(image, prompts) for image in images for prompts in asked]
        kept = [(masks.clone(), scores.clone()) for masks, scores in alone]
        # both images in turn, prompt by prompt
        streams = [decode_above(image, asked[2]) for image in images]
        mixed = list(zip(*streams, strict=True))
    for (masks, scores), (before, earlier) in zip(alone, kept, strict=True):
        assert torch.equal(masks, before)
        assert torch.equal(scores, earlier)
    for i, pair in enumerate(mixed):
        for found, image in zip(pair, (2, 2 + len(PROMPTS)), strict=True):
            assert torch.equal(found.logits, kept[image][0][i])
