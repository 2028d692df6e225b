"""The folded decoder gives the masks of the plain one."""

from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.decoder import folded_upscaling, image_side
from napari_sam_adapter.model.decoder.dense_prompts import embed_mask, whole
from napari_sam_adapter.model.decoder.folded_decoder import (
    PromptSide,
    decode,
    decode_above,
)
from napari_sam_adapter.model.decoder.folded_upscaling import to_rows
from napari_sam_adapter.model.decoder.image_side import ImageSide
from napari_sam_adapter.model.decoder.near_masks import OUTSIDE, TokenBox
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
    pixels = torch.randn(1, 3, 80, 80, generator=torch.manual_seed(0))
    encoded = sam.image_encoder(pixels)
    sparse, dense, maps = sam.prompt_encoder(**PROMPTS[prompts])
    positions = sam.prompt_encoder.dense_positions()
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    image = ImageSide(sam.mask_decoder, encoded.embedding, to_rows(positions), no_mask)
    added = None
    if maps is not None:
        added = [whole(d) for d in dense]
    elif "masks" in prompts:
        drawn = PROMPTS[prompts]["masks"]
        added = [embed_mask(sam.prompt_encoder, low) for low in drawn[:, 0]]
    asked = PromptSide(sparse, added, encoded.skips, maps)
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


def test_points_that_share_steps_get_the_masks_they_get_alone(
    is_onednn: bool,
) -> None:
    sam = random_sam(SHAPES["published"])
    points = torch.rand(9, 2, 2) * 80, torch.arange(18).view(9, 2) % 2
    with torch.inference_mode():
        image, _, _ = sides(sam, "points")
        sparse = sam.prompt_encoder(points).sparse
        logits, scores = decode(image, PromptSide(sparse), slice(1, None))
        for i in range(9):
            alone = decode(image, PromptSide(sparse[i : i + 1]), slice(1, None))
            assert torch.allclose(logits[i], alone[0][0], atol=1e-5)
            assert torch.allclose(scores[i], alone[1][0], atol=1e-6)


def test_each_point_is_looked_for_where_it_says() -> None:
    sam = random_sam(SHAPES["published"])
    for network in sam.mask_decoder.output_hypernetworks_mlps:  # no mask anywhere
        network.layers[-1].weight.zero_()
        network.layers[-1].bias.fill_(-1)
    sam.mask_decoder.output_upscaling[3].bias.fill_(9)
    near = [TokenBox(0, i // 2, 1, i // 2 + 1) for i in range(6)]
    with torch.inference_mode():
        image, _, _ = sides(sam, "points")
        sparse = torch.randn(6, 2, 256)
        found, _ = decode(image, PromptSide(sparse, near=near))
        for i in range(6):
            one = PromptSide(sparse[i : i + 1], near=near[i : i + 1])
            assert torch.equal(found[i] == OUTSIDE, decode(image, one)[0][0] == OUTSIDE)
    assert len({tuple(m.flatten().tolist()) for m in found[:, 0] == OUTSIDE}) > 1


def test_a_script_s_autocast_does_not_matter(
    is_onednn: bool,
) -> None:
    sam = random_sam(SHAPES["published"])
    with torch.inference_mode():
        image, asked, _ = sides(sam, "points")
        asked = asked._replace(dense=None)
        expected, _ = decode(image, asked)
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = decode(image, asked)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("kind", SHAPES)
def test_image_tokens_may_be_answered_in_parts_of_any_size(
    kind: str, prompts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = random_sam(SHAPES[kind])
    for module in (image_side, folded_upscaling):
        monkeypatch.setattr(module, "_TOKENS", 7)  # 25 in all
    with torch.inference_mode():
        image, asked, plain = sides(sam, prompts)
        found, _ = decode(image, asked)
        assert torch.allclose(found, sam.mask_decoder(*plain)[0], atol=1e-4)


@pytest.mark.parametrize(
    "where",
    [(slice(5, 9), slice(2, 17)), (slice(20), slice(20)), (slice(0), slice(0))],
    ids=["box", "everywhere", "nowhere"],
)
def test_a_mask_prompt_is_embedded_where_it_differs(where: tuple[slice, slice]) -> None:
    sam = random_sam(SHAPES["published"])
    low = torch.full((20, 20), -8.0)
    low[where] = torch.randn(20, 20)[where]
    with torch.inference_mode():
        found = embed_mask(sam.prompt_encoder, low)
        (expected,) = sam.prompt_encoder(masks=low[None, None]).dense
        made = found.rest.repeat(5, 5, 1)
        made[found.box] = found.part
    assert torch.allclose(made, expected.permute(1, 2, 0), atol=1e-5)


def test_mask_prompts_leave_the_image_as_it_was() -> None:
    sam = random_sam(SHAPES["published"])
    low = torch.full((3, 20, 20), -8.0)
    low[0, 4:9, 4:9], low[1, 2:3] = 8, 5
    with torch.inference_mode():
        image, points, _ = sides(sam, "points")
        sparse = points.sparse[:1]
        asked = [PromptSide(sparse)] + [
            PromptSide(sparse, [embed_mask(sam.prompt_encoder, mask)]) for mask in low
        ]
        alone = [decode(sides(sam, "points")[0], prompts)[0] for prompts in asked]
        image = sides(sam, "points")[0]
        for number in (1, 2, 0, 1, 3, 2, 0):
            assert torch.equal(decode(image, asked[number])[0], alone[number])


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
        embedded = [sam.prompt_encoder(**p)[:2] for p in PROMPTS.values()]
        asked = [PromptSide(s, [whole(d) for d in dense]) for s, dense in embedded]
        asked += [PromptSide(torch.randn(9, 2, 256))]
        alone = [decode(image, prompts) for image in images for prompts in asked]
        kept = [(masks.clone(), scores.clone()) for masks, scores in alone]
        # both images in turn, prompt by prompt
        mixed = {
            number: zip(*[decode_above(x, asked[number]) for x in images], strict=True)
            for number in (2, 4)
        }
        mixed = {number: list(pairs) for number, pairs in mixed.items()}
    for (masks, scores), (before, earlier) in zip(alone, kept, strict=True):
        assert torch.equal(masks, before)
        assert torch.equal(scores, earlier)
    for number, pairs in mixed.items():
        for i, pair in enumerate(pairs):
            for found, of_image in zip(pair, (0, len(asked)), strict=True):
                assert torch.equal(found.logits, kept[of_image + number][0][i])
