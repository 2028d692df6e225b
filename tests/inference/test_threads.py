"""One predictor, asked by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.inference.whole_planes.semantic import segment_semantic
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.prompts import Prompts

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.inference.predictor.predictor import SamPredictor

THREADS, ASKED = 4, 24


@pytest.fixture(params=["tiny", "sam"])
def predictor(request, tmp_path: Path) -> SamPredictor:
    if request.param == "tiny":
        return load_predictor("tiny", device="cpu")
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(512, 32, 2, (2, 0), 64)).state_dict(), tmp_path / "a")
    return load_predictor(tmp_path / "a", device="cpu", dtype="float32")


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (96, 128), dtype=np.uint8) for _ in range(3)]


def prompts_of(number: int) -> list[Prompts]:
    top, left = 4 + number, 6 + 2 * (number % 8)
    mask = np.zeros((96, 128), bool)
    mask[top : top + 30, left : left + 40] = True
    kinds = [
        [Prompts([[top + 9, left + 9]])],
        [Prompts(box=(top, left, top + 30, left + 40))],
        [Prompts(box=(top, left, top + 30, left + 40), mask=mask)],
        [Prompts([[top + i, left + 3 * i]]) for i in range(8)],
    ]
    return kinds[number % len(kinds)]


def test_threads_get_the_answers_that_one_gets(predictor: SamPredictor) -> None:
    embeddings = [predictor.encode(picture) for picture in pictures()]

    def ask(number: int) -> list[np.ndarray]:
        embedding = embeddings[number % len(embeddings)]
        found = predictor.predict_many(embedding, prompts_of(number))
        return [answer.logits for answer in found]

    alone = list(map(ask, range(ASKED)))
    with ThreadPoolExecutor(THREADS) as threads:
        together = list(threads.map(ask, range(ASKED)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(np.stack(one), np.stack(other), atol=1e-4)


def test_maps_without_prompts_are_those_of_one_thread(predictor: SamPredictor) -> None:
    def ask(picture: np.ndarray) -> np.ndarray:
        return segment_semantic(picture, predictor)

    asked = pictures() * 2
    alone = list(map(ask, asked))
    with ThreadPoolExecutor(THREADS) as threads:
        np.testing.assert_allclose(alone, list(threads.map(ask, asked)), atol=1e-5)
