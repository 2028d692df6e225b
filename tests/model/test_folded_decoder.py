"""The folded decoder gives the masks of the plain one."""

from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.model.folded_decoder import ImageSide, decode, to_rows
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import SamShape

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


@pytest.mark.parametrize("masks", [slice(1, None), slice(0, 1)], ids=["three", "one"])
@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("kind", SHAPES)
def test_folded_decoder_equals_the_plain_one(
    kind: str, prompts: str, masks: slice
) -> None:
    sam = random_sam(SHAPES[kind])
    with torch.inference_mode():
        encoded = sam.image_encoder(torch.randn(1, 3, 80, 80))
        sparse, dense, maps = sam.prompt_encoder(**PROMPTS[prompts])
        positions = sam.prompt_encoder.dense_positions()
        logits, scores = sam.mask_decoder(
            encoded.embedding, positions, sparse, dense, encoded.skips, maps
        )
        no_mask = sam.prompt_encoder.no_mask_embed.weight
        side = ImageSide(
            sam.mask_decoder, encoded.embedding, to_rows(positions), no_mask
        )
        is_given = "masks" in prompts or maps is not None
        found, estimates = decode(
            side, sparse, dense if is_given else None, encoded.skips, maps, masks
        )
    assert torch.allclose(found, logits[:, masks], atol=1e-4)
    assert torch.equal(found > 0, logits[:, masks] > 0)
    assert torch.allclose(estimates, scores[:, masks], atol=1e-5)
