"""Where objects are looked for: near what marks them, or everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts
from napari_sam_adapter.inference.frame.nearness import tokens_near
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.inference.network.embedding import ImageEmbedding
from napari_sam_adapter.model.decoder.mask_decoder import MaskDecoder
from napari_sam_adapter.model.decoder.near_masks import OUTSIDE, TokenBox
from napari_sam_adapter.model.prompt_tensors import PromptTensors
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

FRAME = frame_of((512, 256), 1024)  # twice as large in the network
BOX = (100.0, 50.0, 170.0, 70.0)


def square(first: int, last: int) -> np.ndarray:
    mask = np.zeros((512, 256), bool)
    mask[first:last, first:last] = True
    return mask


@pytest.mark.parametrize(
    "prompts",
    [Prompts(box=BOX), Prompts(mask=square(90, 120)), Prompts([(3, 4)]), Prompts()],
    ids=["box", "mask", "point", "nothing"],
)
def test_one_prompt_does_not_say_where_an_object_ends(prompts: Prompts) -> None:
    assert tokens_near(prompts, FRAME) is None


def test_box_and_mask_do_with_what_lies_in_either() -> None:
    both = Prompts(box=BOX, mask=square(90, 120))
    assert tokens_near(both, FRAME) == (11, 6, 22, 15)


def test_points_on_the_object_belong_to_it_and_others_do_not() -> None:
    points = [(500, 200), (4, 4)]
    marked = Prompts(points, [True, False], BOX, mask=square(90, 120))
    assert tokens_near(marked, FRAME) == (11, 6, 63, 26)


def test_tokens_stay_in_the_grid() -> None:
    beyond = Prompts(box=(-40, -40, 900, 900), mask=square(90, 120))
    assert tokens_near(beyond, FRAME) == (0, 0, 64, 64)


class OtherDecoder(MaskDecoder):
    """Not known to be foldable."""


@pytest.mark.parametrize("conv_stem", [False, True], ids=["published", "small"])
def test_both_ways_through_the_decoder_leave_out_the_same(conv_stem: bool) -> None:
    torch.manual_seed(0)
    shape = SamShape(256, 32, 2, (0,), 64, use_rel_pos=False, conv_stem=conv_stem)
    sam = build_sam(shape).eval().requires_grad_(False)
    encoded = sam.image_encoder(torch.randn(1, 3, 256, 256))
    embedding = ImageEmbedding(
        encoded.embedding, encoded.skips, frame_of((256, 256), 256)
    )
    sam.mask_decoder.output_upscaling[3].bias.fill_(1)  # so that masks are empty
    for network in sam.mask_decoder.output_hypernetworks_mlps:
        network.layers[-1].weight.zero_()
        network.layers[-1].bias.fill_(-1)
    low = torch.full((2, 1, 64, 64), -8.0)
    low[0, 0, 8:20, 10:18], low[1, 0, 30:44, 30:45] = 8, 8
    boxes = torch.tensor([[40.0, 32.0, 72.0, 80.0], [120.0, 120.0, 180.0, 176.0]])
    near = [TokenBox(2, 2, 5, 5), None]
    asked = PromptTensors(boxes=boxes, masks=low)
    answers = []
    with torch.inference_mode():
        for kind in (MaskDecoder, OtherDecoder):
            sam.mask_decoder.__class__ = kind
            decoding = Decoding(sam)
            answers.append(decoding.decode(embedding, asked, slice(0, 1), near))
    (folded, scores), (plain, expected) = answers
    assert torch.allclose(folded, plain, atol=1e-4)
    assert torch.allclose(scores, expected, atol=1e-5)
    assert ((folded[0] == OUTSIDE).any(), (folded[1] == OUTSIDE).any()) == (True, False)
