"""Masks made near a box are those of the whole image, but for pieces apart from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam_adapter.model.decoder.folded_upscaling import upscale
from napari_sam_adapter.model.decoder.near_masks import (
    OUTSIDE,
    TokenBox,
    masks_near,
    whole_grid,
)
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

GRID = 30, 40
SHAPES = {
    "published": SamShape(192, 32, 2, (0,), 64),
    "small": SamShape(192, 32, 2, (0,), 64, use_rel_pos=False, conv_stem=True),
}


def blob(*boxes: TokenBox) -> Tensor:
    """Return logits of a mask that covers boxes of tokens, with holes between."""
    logits = torch.randn(1, 4 * GRID[0], 4 * GRID[1], generator=torch.manual_seed(0))
    logits = -logits.abs() - 0.1
    for box in boxes:
        logits[:, *box.slices(4)] *= -1
    return logits


def looked_for(logits: Tensor, near: TokenBox | None) -> tuple[Tensor, list[TokenBox]]:
    asked: list[TokenBox] = []

    def make(box: TokenBox) -> Tensor:
        asked.append(box)
        return logits[:, *box.slices(4)]

    return masks_near(make, near, GRID), asked


def test_only_the_box_and_a_margin_are_made() -> None:
    logits = blob(TokenBox(10, 10, 14, 15))
    found, (asked,) = looked_for(logits, TokenBox(10, 10, 14, 15))
    inside = asked.slices(4)
    assert asked == (8, 8, 16, 17)
    assert torch.equal(found[:, *inside], logits[:, *inside])
    assert torch.equal(found > 0, logits > 0)
    assert (found == OUTSIDE).sum() == logits.numel() - logits[:, *inside].numel()


@pytest.mark.parametrize(
    "mask",
    [
        TokenBox(3, 10, 14, 15),
        TokenBox(10, 3, 14, 15),
        TokenBox(10, 10, 21, 15),
        TokenBox(10, 10, 14, 22),
        TokenBox(0, 0, 29, 40),
    ],
    ids=["above", "left", "below", "right", "everywhere"],
)
def test_a_mask_that_reaches_further_is_made_whole(mask: TokenBox) -> None:
    logits = blob(mask)
    found, asked = looked_for(logits, TokenBox(10, 10, 14, 15))
    assert len(asked) > 1
    assert torch.equal(found > 0, logits > 0)


def test_a_piece_apart_is_left_out() -> None:
    near = TokenBox(10, 10, 14, 15)
    found, _ = looked_for(blob(near, TokenBox(25, 30, 29, 34)), near)
    assert torch.equal(found > 0, blob(near) > 0)


def test_a_mask_at_the_border_of_the_image_reaches_no_further() -> None:
    near = TokenBox(0, 0, 4, 40)
    found, asked = looked_for(blob(near), near)
    assert asked == [(0, 0, 6, 40)]
    assert torch.equal(found > 0, blob(near) > 0)


def test_without_a_place_all_is_made() -> None:
    found, asked = looked_for(blob(), None)
    assert asked == [whole_grid(GRID)]
    assert torch.equal(found, blob())


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    "box",
    [TokenBox(4, 5, 7, 9), TokenBox(0, 0, 3, 12), TokenBox(9, 2, 12, 3)],
    ids=["inside", "top", "bottom"],
)
def test_a_part_is_upscaled_to_the_same_numbers(kind: str, box: TokenBox) -> None:
    torch.manual_seed(0)
    sam = build_sam(SHAPES[kind]).eval().requires_grad_(False)
    encoded = sam.image_encoder(torch.randn(1, 3, 192, 192))
    points = torch.tensor([[[90.0, 60.0]]]), torch.ones(1, 1, dtype=torch.int64)
    maps = sam.prompt_encoder(points).maps
    keys, weights = torch.randn(12, 12, 256), torch.randn(3, 32)
    with torch.inference_mode():
        whole, part = (
            upscale(sam.mask_decoder, keys, weights, where, encoded.skips, maps)
            for where in (TokenBox(0, 0, 12, 12), box)
        )
    assert torch.allclose(part, whole[:, *box.slices(4)], atol=1e-4)
