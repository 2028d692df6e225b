"""What the decoder keeps of an image never reaches another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


def test_many_images_in_turn_are_not_mixed_up(predictor: SamPredictor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 40, 50), dtype=np.uint8)
    embeddings = [predictor.encode(image) for image in noise]
    prompts = Prompts([(20, 30)])
    first = [predictor.predict(e, prompts).logits for e in embeddings]
    again = [predictor.predict(e, prompts).logits for e in reversed(embeddings)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again[::-1], strict=True))
    assert not np.array_equal(first[0], first[1])


def test_description_names_the_chosen_format(predictor: SamPredictor) -> None:
    assert predictor.description["dtype"] == "float32"


def test_objects_decoded_side_by_side_are_those_decoded_in_turn(
    predictor: SamPredictor,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    embedding, before = predictor.encode(noise), torch.get_num_threads()
    asked = []
    for number in range(5):
        mask = np.zeros((40, 50), bool)
        mask[5 * number : 5 * number + 12, 7 * number : 7 * number + 9] = True
        asked.append(Prompts(mask=mask))
    found = []
    try:
        for processors in (1, 2, 1):
            torch.set_num_threads(processors)
            found.append(predictor.predict_many(embedding, asked))
    finally:
        torch.set_num_threads(before)
    for alone, together, again in zip(*found, strict=True):
        assert np.array_equal(alone.logits, together.logits)
        assert np.array_equal(alone.logits, again.logits)
        assert alone.score == together.score
