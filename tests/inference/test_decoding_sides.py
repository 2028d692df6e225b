"""What is kept of the images that points were asked about."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.inference.network.embedding import ImageEmbedding
from napari_sam_adapter.model.decoder import image_side
from napari_sam_adapter.model.decoder.image_levels import ImageLevels, levels_of
from napari_sam_adapter.model.prompt_tensors import PromptTensors
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    import pytest


def test_only_the_last_image_keeps_what_all_layers_make_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def noted(*args: object) -> ImageLevels:
        levels = levels_of(*args)
        made.append(weakref.ref(levels.enlarged))
        return levels

    monkeypatch.setattr(image_side, "levels_of", noted)
    decoding, frame = Decoding(build_sam(SamShape(80, 32, 2, (0,), 64))), (80, 80)
    points = torch.rand(9, 1, 2), torch.ones(9, 1, dtype=torch.int64)
    with torch.inference_mode():
        images = [
            ImageEmbedding(torch.randn(1, 256, 5, 5), (), frame_of(frame, 80))
            for _ in range(2)
        ]
        for number in (0, 0, 1, 1, 0):
            decoding.decode(images[number], PromptTensors(points), slice(0, 1))
    assert [kept() is not None for kept in made] == [False, False, True]
