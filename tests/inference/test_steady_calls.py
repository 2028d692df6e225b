"""Predictors whose steps another program disturbs are helped from the third on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.disturbed import disturbed, is_helped
from tests.model.family_files import efficient_sam
from torch import nn

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.inference.asking import nearby, shared_pass
from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.families.tiny_vit import Stage
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP only")

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
SHAPE = SamShape(64, 32, 2, (2, 0, 2, 0), 64)


@pytest.fixture
def predictor(tmp_path: Path) -> SamPredictor:
    path = tmp_path / "small.pth"
    torch.save(build_sam(SHAPE).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with disturbed(monkeypatch):
        yield


def watched(*modules: nn.Module) -> list[bool]:
    """Return what fills when modules run: whether they were helped."""
    seen: list[bool] = []
    for module in modules:
        module.register_forward_hook(lambda *_: seen.append(is_helped()))
    return seen


def test_blocks_are_steps(predictor: SamPredictor) -> None:
    encoder = predictor.network.sam.image_encoder
    seen = watched(*(block.norm2 for block in encoder.blocks))
    predictor.encode(NOISE)
    assert seen == [False, False, True, True]
    assert not is_helped()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_so_are_blocks_with_an_adapter(dtype: torch.dtype) -> None:
    encoder = build_sam(SHAPE).image_encoder
    adapted = AdaptedImageEncoder(encoder, SamAdapter(32, 4)).to(dtype)
    seen = watched(*(block.norm2 for block in encoder.blocks))
    with torch.inference_mode():
        adapted(torch.rand(1, 3, 64, 64, dtype=dtype))
    assert seen == [False, False, True, True]


def test_so_are_those_of_a_tiny_vit() -> None:
    blocks: list[nn.Module] = [nn.Identity() for _ in range(4)]
    seen = watched(*blocks)
    Stage(blocks, None)(torch.zeros(1))
    assert seen == [False, False, True, True]


def test_so_are_six_points_of_a_click(predictor: SamPredictor) -> None:
    embedding = predictor.encode(NOISE)
    with pytest.MonkeyPatch.context() as patched, disturbed(patched):
        seen = watched(predictor.network.sam.mask_decoder.iou_prediction_head)
        predictor.predict_many(embedding, 24 * [Prompts([(20, 30)])])
    assert seen == [False, False, True, True]


def test_the_rest_of_a_call_is_helped_like_its_steps(predictor: SamPredictor) -> None:
    embedding, sam = predictor.encode(NOISE), predictor.network.sam
    seen = watched(sam.image_encoder.patch_embed, sam.prompt_encoder.pe_layer)
    predictor.encode(NOISE)
    predictor.encode_rounded(NOISE, NOISE.shape)
    predictor.propose(embedding, np.array([[20.0, 30.0]]), 0.0)
    assert seen == [True, True, True]
    assert not is_helped()


def test_so_are_finer_maps() -> None:
    predictor = load_predictor("tiny", device="cpu", dtype="float32")
    packed = predictor.pack(predictor.encode(NOISE))
    seen = watched(predictor.network.sam.image_encoder.finer)
    predictor.unpack(packed, NOISE, NOISE.shape)
    assert seen == [True]


def followed(count: int) -> list[Prompts]:
    mask = np.zeros(NOISE.shape, bool)
    mask[15:25, 20:30] = True
    return count * [Prompts([(20, 25)], box=(15, 20, 24, 29), mask=mask)]


def told_with(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[bool]:
    """Return what fills as masks become answers: whether that was helped."""
    seen, answers = [], module.predictions_of

    def spied(*args: object) -> object:
        seen.append(is_helped())
        return answers(*args)

    monkeypatch.setattr(module, "predictions_of", spied)
    return seen


def test_so_are_passes_of_followed_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = load_predictor("tiny", device="cpu", dtype="float32")
    embedding = predictor.encode(NOISE)
    told = told_with(monkeypatch, nearby)
    with disturbed(monkeypatch):
        seen = watched(predictor.network.sam.mask_decoder.iou_prediction_head)
        for _ in range(3):
            predictor.predict_nearby(embedding, followed(2))
    assert seen == [False, False, True]
    assert told == [False, True, True]  # the second pass began it
    assert not is_helped()


def test_so_is_how_a_mask_becomes_an_answer(
    predictor: SamPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = predictor.encode(NOISE)
    told = told_with(monkeypatch, shared_pass)
    predictor.predict(embedding, Prompts([(20, 30)]))
    assert told == [True]


def test_so_are_decoders_of_other_families(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "efficient_sam_vitt.pt"
    torch.save(efficient_sam(), path)
    predictor = load_predictor(path, device="cpu", dtype="float32")
    embedding = predictor.encode(NOISE)
    with disturbed(monkeypatch):
        seen = watched(predictor.network.sam.mask_decoder.iou_prediction_head)
        for _ in range(3):
            predictor.predict(embedding, Prompts([(20, 30)]))
    assert seen == [False, False, True]
