"""The memory that a training takes changes nothing but its time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch
from tests.disturbed import disturbed, is_helped
from tests.training.conftest import SIDE, tensors
from torch.nn.modules.module import register_module_full_backward_hook

from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder
from napari_sam_adapter.training.network.trainee_loading import load_trainee
from napari_sam_adapter.training.runs.adapter_training import (
    train_adapter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

    Configure = Callable[..., TrainingConfig]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP only")
@pytest.mark.filterwarnings("ignore:.*[bB]ackward hook:UserWarning")
@pytest.mark.parametrize("trains", ["adapter", "decoder"])
def test_gradients_are_helped_where_another_program_disturbs(
    config: Configure,
    disks: list[Sample],
    trains: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helped: list[bool] = []
    hook = register_module_full_backward_hook(lambda *_: helped.append(is_helped()))
    with hook, disturbed(monkeypatch):
        list(train_adapter(config(trains=trains, steps=4), disks))
    assert helped[-1]


@pytest.fixture
def small_memory() -> Iterator[list[int]]:
    """A device that holds two images at once; gives the batches it was asked for."""
    asked = []

    def look(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, ImageEncoder):
            asked.append(len(inputs[0]))
            if len(inputs[0]) > 2:
                raise torch.OutOfMemoryError("no room")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(look)
    yield asked
    handle.remove()


def test_out_of_memory_leads_to_a_smaller_micro_batch(
    config: Configure, disks: list[Sample], small_memory: list[int]
) -> None:
    asked = config(trains="everything", batch=6, steps=2, augment=False)
    *_, last = train_adapter(asked, disks)
    assert last.step == 2
    assert last.micro_batch == 2
    assert {6, 3, 2} <= set(small_memory)


def test_micro_batches_add_up_to_the_batch(
    config: Configure, disks: list[Sample], tmp_path: Path
) -> None:
    results = []
    for size in (1, 4):
        asked = config(
            micro_batch=size, batch=4, steps=1, prompted_share=0.0, validation_share=0
        )
        list(train_adapter(asked, disks))
        results.append(tensors(asked.output))
    one, four = results
    # the first step of AdamW looks at signs alone: where a gradient is nearly zero,
    # rounding decides
    moved = torch.cat([(one[key] - four[key]).abs().flatten() for key in one])
    assert (moved > 1e-5).float().mean() < 0.01


def test_checkpointing_changes_memory_and_not_the_result(
    config: Configure, disks: list[Sample]
) -> None:
    plain, saving = (
        list(train_adapter(config(checkpointing=saves, steps=2), disks))[-1]
        for saves in (False, True)
    )
    assert saving.estimate.memory_bytes < plain.estimate.memory_bytes
    assert saving.history[-1].score == pytest.approx(plain.history[-1].score, abs=1e-3)


def test_images_that_end_at_different_places_are_encoded_as_alone(
    config: Configure,
) -> None:
    trainee, _ = load_trainee(config())
    assert trainee.adapter is not None
    torch.nn.init.normal_(trainee.adapter.shared_mlp.weight, std=0.1)
    image, valid = torch.randn(2, 3, SIDE, SIDE), torch.tensor([[64, 40], [48, 64]])
    with torch.no_grad():
        together = trainee.encode(image, valid).embedding
        alone = [
            trainee.encode(image[i : i + 1], valid[i : i + 1]).embedding for i in (0, 1)
        ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
    assert not torch.allclose(together[:1], trainee.encode(image[:1], valid[1:])[0])
