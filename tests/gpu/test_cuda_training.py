"""Training on a CUDA device: it learns, goes on after a stop, and fits into memory."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_sam_adapter import TrainingConfig, load_predictor, train_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.training.recipes.recipe import Phase, Recipe
from napari_sam_adapter.training.runs.pretrain import pretrain
from napari_sam_adapter.training.samples.synthetic import draw_sample

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gpu.conftest import Memory

    from napari_sam_adapter.training.progress.progress import TrainingProgress
    from napari_sam_adapter.training.samples.samples import Sample

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    # PyTorch has threads of its own where it forks the workers
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]

SHORT = Recipe(
    phases=(
        Phase(128, 12, 4, 2, 1, (1e-3, 1e-3)),
        Phase(512, 4, 2, 2, 1, (1e-3, 1e-4)),
    ),
    synthetic_share=1.0,
    no_prompt_share=0.3,
)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [draw_sample(np.random.default_rng(seed), 128) for seed in range(6)]


def config(output: Path, **changes: Any) -> TrainingConfig:
    options: dict[str, Any] = {
        "output": output,
        "device": "cuda",
        "steps": 4,
        "batch": 2,
        "objects": 2,
        "validate_every": 2,
        "validation_images": 2,
    }
    return TrainingConfig(**options | changes)


def last_of(config: TrainingConfig, samples: list[Sample]) -> TrainingProgress:
    *_, last = train_adapter(config, samples)
    assert last.step == config.steps
    assert math.isfinite(last.loss)
    return last


@pytest.mark.parametrize("workers", [0, 2])
def test_a_base_is_trained_and_goes_on_after_a_stop(
    tmp_path: Path, workers: int
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    options = {"device": "cuda", "workers": workers}
    *_, expected = pretrain(SHORT, tmp_path, whole, **options)
    stopped = pretrain(SHORT, tmp_path, parts, **options)
    next(p for p in stopped if p.step == 12)
    stopped.close()
    resumed = list(pretrain(SHORT, tmp_path, parts, resume=True, **options))
    assert [p.step for p in resumed] == [13, 14, 15, 16]
    # sums over many threads come in any order: only about the same is learned
    assert resumed[-1].loss == pytest.approx(expected.loss, rel=0.2)
    for path in (whole, parts):
        state = load_checkpoint(path).sam.state_dict()
        assert all(torch.isfinite(tensor).all() for tensor in state.values())


@pytest.mark.parametrize(("before", "after"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_the_other_device_goes_on(tmp_path: Path, before: str, after: str) -> None:
    phases = (Phase(64, 2, 2, 2, 1), Phase(128, 2, 2, 2, 1))
    recipe = dataclasses.replace(SHORT, phases=phases)
    path = tmp_path / "base.safetensors"
    stopped = pretrain(recipe, tmp_path, path, device=before)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    resumed = pretrain(recipe, tmp_path, path, resume=True, device=after)
    assert [p.step for p in resumed] == [3, 4]


@pytest.mark.parametrize("trains", ["adapter", "decoder", "lora"])
def test_an_adapter_is_trained_for_any_device(
    tmp_path: Path, samples: list[Sample], trains: str
) -> None:
    asked = config(tmp_path / "mine.safetensors", trains=trains, workers=1)
    last = last_of(asked, samples)
    assert [entry.step for entry in last.history] == [0, 2, 4]
    image = samples[0].image
    for device in ("cpu", "cuda"):
        predictor = load_predictor("tiny", str(asked.output), device, "float32")
        shown = predictor.foreground(predictor.encode(image))
        assert shown.shape == image.shape[:2]
        assert np.isfinite(shown).all()


def test_everything_is_trained(tmp_path: Path, samples: list[Sample]) -> None:
    asked = config(tmp_path / "mine.safetensors", trains="everything", steps=2)
    last_of(asked, samples)
    assert load_checkpoint(asked.output).sam.image_size == 512


def test_validation_says_what_it_says_on_the_cpu(
    tmp_path: Path, samples: list[Sample]
) -> None:
    scores = []
    for device in ("cpu", "cuda"):
        path = tmp_path / f"{device}.safetensors"
        asked = config(path, device=device, steps=1, dtype="float32")
        scores.append(last_of(asked, samples).history[0])
    assert scores[0].prompted == pytest.approx(scores[1].prompted, abs=5e-3)
    assert scores[0].prompt_free == pytest.approx(scores[1].prompt_free, abs=5e-3)


def test_a_stopped_training_goes_on(tmp_path: Path, samples: list[Sample]) -> None:
    asked = config(tmp_path / "mine.safetensors")
    for progress in train_adapter(asked, samples):
        if progress.step == 2 and len(progress.history) == 2:
            break
    *_, last = train_adapter(asked, samples, resume=True)
    assert last.step == 4
    assert [entry.step for entry in last.history] == [0, 2, 4]
    assert not asked.state_path.exists()


def test_batches_are_cut_where_memory_is_short(
    tmp_path: Path, samples: list[Sample], memory: Memory
) -> None:
    alone = config(tmp_path / "one.safetensors", trains="everything", steps=1, batch=1)
    options = {"validation_share": 0.0, "augment": False}
    alone = dataclasses.replace(alone, **options)
    needed = memory.needed(lambda: last_of(alone, samples))
    memory.limit(2 * needed)
    asked = dataclasses.replace(
        alone, output=tmp_path / "eight.safetensors", steps=2, batch=8
    )
    last = last_of(asked, samples)
    assert last.micro_batch < 8
