"""Many prompts of one image share what the decoder's layers make of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam_adapter.model.decoder import (
    folded_decoder,
    folded_upscaling,
    spanned_tokens,
)
from napari_sam_adapter.model.decoder.dense_prompts import embed_mask
from napari_sam_adapter.model.decoder.folded_decoder import (
    PromptSide,
    decode,
    decode_above,
)
from napari_sam_adapter.model.decoder.folded_upscaling import to_rows
from napari_sam_adapter.model.decoder.image_side import ImageSide
from napari_sam_adapter.model.decoder.near_masks import TokenBox
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape

GRID = 5
MANY = 9


@pytest.fixture(autouse=True)
def _in_inference_mode():
    with torch.inference_mode():
        yield


def random_sam(spread: float = 0.05) -> Sam:
    torch.manual_seed(0)
    shape = SamShape(16 * GRID, 32, 2, (0,), 64)
    sam = build_sam(shape).eval().requires_grad_(False)
    for parameter in sam.parameters():
        parameter.add_(torch.randn_like(parameter) * spread)
    return sam


def side_of(sam: Sam, embedding: Tensor) -> ImageSide:
    positions = to_rows(sam.prompt_encoder.dense_positions()).to(embedding.dtype)
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    return ImageSide(sam.mask_decoder, embedding, positions, no_mask)


def plainly(sam: Sam, embedding: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
    """Decode as the published code does."""
    no_mask = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    dense = no_mask.expand(len(sparse), -1, GRID, GRID)
    positions = sam.prompt_encoder.dense_positions().to(embedding.dtype)
    found: tuple[Tensor, Tensor] = sam.mask_decoder(embedding, positions, sparse, dense)
    return found


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return prompts and tokens of each use of `SpannedTokens`."""
    used = []

    class Noted(folded_decoder.SpannedTokens):
        def __init__(self, image: ImageSide, count: int, tokens: int) -> None:
            used.append((count, tokens))
            super().__init__(image, count, tokens)

    monkeypatch.setattr(folded_decoder, "SpannedTokens", Noted)
    return used


@pytest.mark.parametrize("part", [7, 1024], ids=["parts", "whole"])
@pytest.mark.parametrize("tokens", [1, 2, 5, 7])
def test_many_prompts_get_the_masks_of_the_published_decoder(
    tokens: int,
    part: int,
    is_onednn: bool,
    spans: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folded_upscaling, "_TOKENS", part)
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    sparse = torch.randn(MANY, tokens, 256)
    expected, scores = plainly(sam, embedding, sparse)
    found, estimates = decode(side_of(sam, embedding), PromptSide(sparse))
    assert sum(count for count, _ in spans) == MANY
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(estimates, scores, atol=1e-6)


def test_too_many_tokens_or_too_few_prompts_are_decoded_one_by_one(
    spans: list[tuple[int, int]],
) -> None:
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    image = side_of(sam, embedding)
    for sparse in (torch.randn(MANY, 8, 256), torch.randn(3, 2, 256)):
        found, _ = decode(image, PromptSide(sparse))
        assert torch.allclose(found, plainly(sam, embedding, sparse)[0], atol=1e-5)
    sparse = torch.randn(MANY, 2, 256)
    near = [None] * (MANY - 1) + [TokenBox(0, 0, 1, 1)]
    decode(image, PromptSide(sparse, near=near))
    assert not spans
    decode(image, PromptSide(sparse, near=[None] * MANY))
    assert spans


@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("what", ["the image", "another head"])
def test_image_tokens_that_are_nearly_cancelled_are_normalised_exactly(
    what: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    blocks = sam.mask_decoder.transformer.layers
    told = blocks[block].cross_attn_image_to_token
    told.v_proj.bias.copy_(300 * torch.randn(128))
    if what == "another head":
        told.out_proj.weight[:, 64:] = -told.out_proj.weight[:, :64]
        told.v_proj.bias[64:] = told.v_proj.bias[:64]
    else:
        common = told.out_proj.weight @ told.v_proj.bias  # is told to every token
        if block:
            blocks[0].norm4.bias -= common
        else:
            embedding -= common.view(1, -1, 1, 1)
    sparse = torch.randn(MANY, 2, 256)
    expected, _ = plainly(sam.double(), embedding.double(), sparse.double())
    image = side_of(sam.float(), embedding)
    found, _ = decode(image, PromptSide(sparse))
    assert torch.allclose(found.double(), expected, atol=1e-3)
    monkeypatch.setattr(spanned_tokens, "_CANCELLED", 0)
    wrong, _ = decode(image, PromptSide(sparse))
    assert (wrong - expected).abs().max() > 5 * (found - expected).abs().max()


def test_many_mask_prompts_are_decoded_one_by_one(
    spans: list[tuple[int, int]],
) -> None:
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    image, sparse = side_of(sam, embedding), torch.randn(MANY, 2, 256)
    drawn = [embed_mask(sam.prompt_encoder, low) for low in torch.randn(MANY, 20, 20)]
    found, _ = decode(image, PromptSide(sparse, drawn))
    assert not spans
    for n in range(MANY):
        alone, _ = decode(image, PromptSide(sparse[n : n + 1], drawn[n : n + 1]))
        assert torch.equal(found[n], alone[0])


def test_each_image_has_its_own_part() -> None:
    sam = random_sam()
    embeddings = torch.randn(2, 1, 256, GRID, GRID)
    sparse = torch.randn(MANY, 2, 256)
    images = [side_of(sam, embedding) for embedding in embeddings]
    once = [decode(image, PromptSide(sparse))[0] for image in images]
    again = [decode(image, PromptSide(sparse))[0] for image in images]
    for i in range(2):
        assert torch.equal(once[i], again[i])
        assert torch.allclose(
            once[i], plainly(sam, embeddings[i], sparse)[0], atol=1e-5
        )
    assert not torch.allclose(*once, atol=1e-2)


def test_only_masks_that_promise_enough_are_made() -> None:
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    image, asked = side_of(sam, embedding), PromptSide(torch.randn(MANY, 2, 256))
    logits, scores = decode(image, asked, slice(1, None))
    least = float(scores.median())
    found = list(decode_above(image, asked, slice(1, None), least))
    assert [one.logits.shape[0] for one in found] == (scores > least).sum(1).tolist()
    for one, values, every in zip(found, scores, logits, strict=True):
        assert torch.equal(one.scores, values[values > least])
        assert torch.allclose(one.logits, every[values > least], atol=1e-5)


def test_an_image_that_is_no_number_gives_no_numbers() -> None:
    sam, embedding = random_sam(), torch.randn(1, 256, GRID, GRID)
    embedding[0, 3, 2, 2] = torch.nan
    logits, scores = decode(side_of(sam, embedding), PromptSide(torch.randn(6, 2, 256)))
    assert logits.shape == (6, 4, 4 * GRID, 4 * GRID)
    assert logits.isnan().all()
    assert scores.isnan().all()
