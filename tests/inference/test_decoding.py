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


def squares(count: int) -> list[Prompts]:
    asked = []
    for number in range(count):
        mask = np.zeros((40, 50), bool)
        mask[4 * number : 4 * number + 8, 5 * number : 5 * number + 6] = True
        asked.append(Prompts(mask=mask))
    return asked


def test_objects_decoded_side_by_side_are_those_decoded_in_turn(
    predictor: SamPredictor,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    embedding, before = predictor.encode(noise), torch.get_num_threads()
    found = []
    try:
        for processors in (1, 2, 1):
            torch.set_num_threads(processors)
            found.append(predictor.predict_many(embedding, squares(6)))
    finally:
        torch.set_num_threads(before)
    for alone, together, again in zip(*found, strict=True):
        np.testing.assert_allclose(together.logits, alone.logits, atol=1e-6)
        assert np.array_equal(alone.logits, again.logits)
        assert alone.score == pytest.approx(together.score, abs=1e-6)


def test_masks_that_share_the_first_layer_are_those_asked_one_by_one(
    predictor: SamPredictor,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    embedding = predictor.encode(noise)
    click = Prompts([(20, 30)])
    clicked = predictor.predict(embedding, click).logits
    asked = [*squares(5), Prompts(mask=np.ones((40, 50), bool))]  # one is everywhere
    for one, shared in zip(
        asked, predictor.predict_many(embedding, asked), strict=True
    ):
        alone = predictor.predict(embedding, one)
        np.testing.assert_allclose(shared.logits, alone.logits, atol=1e-6)
        assert shared.score == pytest.approx(alone.score, abs=1e-6)
    assert np.array_equal(predictor.predict(embedding, click).logits, clicked)
