"""A stopped training goes on, or is refused with a reason."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.training.conftest import interrupt, tensors
from torch.nn.modules.module import register_module_full_backward_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from napari_sam_adapter.errors import (
    TrainingError,
)
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import load_checkpoint, save_base
from napari_sam_adapter.training.runs.adapter_training import (
    train_adapter,
    training_turns,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch.utils.hooks import RemovableHandle

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

    Configure = Callable[..., TrainingConfig]


def are_equal(first: Path, second: Path) -> bool:
    one, two = tensors(first), tensors(second)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trains", "held_out"),
    [("adapter", 0.2), ("adapter", 0.0), ("decoder", 0.0)],
    ids=["best state", "last state", "decoder"],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(
    config: Configure,
    disks: list[Sample],
    tmp_path: Path,
    trains: str,
    held_out: float,
) -> None:
    options = {"trains": trains, "steps": 5, "validation_share": held_out}
    whole = config(**options, output=tmp_path / "whole.safetensors")
    parts = config(**options, output=tmp_path / "parts.safetensors")
    *_, expected = train_adapter(whole, disks)
    stopped = train_adapter(parts, disks)
    next(p for p in stopped if p.step == 3)
    stopped.close()
    first, *_, last = train_adapter(parts, disks, resume=True)
    assert first.step == 3
    assert last.history == expected.history
    assert are_equal(whole.output, parts.output)
    assert not parts.state_path.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.filterwarnings("ignore:.*[bB]ackward hook:UserWarning")
@pytest.mark.parametrize(
    "catch",
    [
        register_module_full_backward_hook,
        register_optimizer_step_pre_hook,
        register_optimizer_step_post_hook,
    ],
    ids=["gradient", "before moving", "after moving"],
)
def test_an_interrupt_counts_whole_steps_alone(
    config: Configure,
    disks: list[Sample],
    tmp_path: Path,
    catch: Callable[..., RemovableHandle],
) -> None:
    whole = config(output=tmp_path / "whole.safetensors", validate_every=4)
    parts = config(output=tmp_path / "parts.safetensors", validate_every=4)
    *_, expected = train_adapter(whole, disks)
    steps = train_adapter(parts, disks)
    next(p for p in steps if p.step == 2)
    with catch(interrupt), pytest.raises(KeyboardInterrupt):
        list(steps)
    first, *_, last = train_adapter(parts, disks, resume=True)
    assert first.step == 3
    assert last.history == expected.history
    assert are_equal(whole.output, parts.output)


@pytest.mark.slow
def test_a_validation_that_was_interrupted_is_done_when_it_goes_on(
    config: Configure, disks: list[Sample], tmp_path: Path
) -> None:
    options = {"validation_share": 0.5, "validate_every": 2}
    whole = config(**options, output=tmp_path / "whole.safetensors")
    *_, expected = train_adapter(whole, disks)
    for step in (2, 4):
        parts = config(**options, output=tmp_path / f"{step}.safetensors")
        stopped = train_adapter(parts, disks)
        next(p for p in stopped if p.step == step)
        stopped.close()
        first, *_, last = train_adapter(parts, disks, resume=True)
        assert first.step == step
        assert last.history == expected.history
        assert are_equal(whole.output, parts.output)


def test_a_training_that_waits_no_longer_does_not_when_it_goes_on(
    config: Configure, disks: list[Sample]
) -> None:
    asked = config(learning_rate=0.0, steps=20, validate_every=1, patience=2)
    stopped = train_adapter(asked, disks)
    next(p for p in stopped if p.history and p.history[-1].step == 2)
    stopped.close()
    *_, last = train_adapter(asked, disks, resume=True)
    assert last.step == 2
    assert last.ending == "no better validation"


def test_what_is_left_before_there_is_an_adapter_leaves_nothing_to_go_on_from(
    config: Configure, disks: list[Sample]
) -> None:
    earlier = train_adapter(config(), disks)
    next(p for p in earlier if p.step == 1)
    earlier.close()
    assert config().state_path.exists()
    steps = train_adapter(config(steps=3), disks)
    list(itertools.islice(steps, 2))
    steps.close()
    with pytest.raises(TrainingError, match="Start without resume"):
        next(train_adapter(config(steps=3), disks, resume=True))


def test_a_training_that_is_told_to_stop_judges_what_it_reached(
    config: Configure, disks: list[Sample]
) -> None:
    asked = config(steps=40, validate_every=40, learning_rate=2e-3)
    done = [0]
    steps = train_adapter(asked, disks, stop=lambda: done[-1] >= 15)
    for last in steps:
        done.append(last.step)
    assert last.ending == "stopped"
    assert [entry.step for entry in last.history] == [0, last.step]
    assert last.gain > 0
    assert read_adapter_header(asked.output).notes.metrics["step"] == last.step
    assert not asked.state_path.exists()


def test_other_work_may_be_done_while_a_training_is_prepared(
    config: Configure, disks: list[Sample]
) -> None:
    turns = training_turns(config(), disks, resumable=False)
    assert list(itertools.islice(turns, 3)) == [None] * 3
    turns.close()
    assert not config().output.exists()


def test_a_training_that_nobody_resumes_leaves_no_state(
    config: Configure, disks: list[Sample]
) -> None:
    steps = train_adapter(config(), disks, resumable=False)
    for progress in steps:
        assert not config().state_path.exists()
        if progress.step == 3:
            break
    steps.close()
    assert not config().state_path.exists()
    assert config().output.exists()


def test_resuming_with_other_options_is_refused(
    config: Configure, disks: list[Sample]
) -> None:
    stopped = train_adapter(config(), disks)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    with pytest.raises(TrainingError, match="batch = 2"):
        next(train_adapter(config(batch=4), disks, resume=True))


def test_resuming_with_other_samples_is_refused(
    config: Configure, disks: list[Sample]
) -> None:
    stopped = train_adapter(config(), disks)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    window = IntensityMapping("contrast_limits", -200.0, 300.0)
    changed = disks[-1].layers[0].copy()
    changed[0, 0] += 1
    for other in (
        [replace(d, intensity=window) for d in disks],
        [*disks[:-1], replace(disks[-1], image=disks[-1].image // 2)],
        [*disks[:-1], replace(disks[-1], layers=(changed,))],
        disks[:-1],
        disks[::-1],
    ):
        with pytest.raises(TrainingError, match="got others"):
            next(train_adapter(config(), other, resume=True))
    moved = [replace(d, name=f"elsewhere/{d.name}") for d in disks]
    first = next(train_adapter(config(), moved, resume=True))
    assert first.step == 2


@pytest.mark.parametrize("replaced", ["base", "start"])
def test_resuming_with_other_weights_is_refused(
    config: Configure,
    disks: list[Sample],
    base: Path,
    tmp_path: Path,
    replaced: str,
) -> None:
    path = tmp_path / "weights.safetensors"

    def replace_weights(count: int) -> None:
        if replaced == "base":
            sam = load_checkpoint(base).sam
            sam.image_encoder.pos_embed.data += count
            save_base(sam.state_dict(), path, {})
        else:
            alone = config(output=path, steps=count, validation_share=0)
            list(train_adapter(alone, disks))

    replace_weights(1)
    asked = config(**{replaced: str(path)}, validation_share=0)
    stopped = train_adapter(asked, disks)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    assert next(train_adapter(asked, disks, resume=True)).step == 2
    replace_weights(2)
    with pytest.raises(TrainingError, match=r"weights in .*weights.safetensors as"):
        next(train_adapter(asked, disks, resume=True))


def test_a_state_that_does_not_tell_its_weights_is_resumed(
    config: Configure, disks: list[Sample]
) -> None:
    stopped = train_adapter(config(), disks)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    state = torch.load(config().state_path, weights_only=True)
    del state["base_sha256"]
    torch.save(state, config().state_path)
    assert next(train_adapter(config(), disks, resume=True)).step == 2


def test_a_start_that_the_training_replaces_does_not_hinder_resuming(
    config: Configure, disks: list[Sample]
) -> None:
    list(train_adapter(config(steps=1), disks))
    asked = config(start=str(config().output), learning_rate=2e-3)
    stopped = train_adapter(asked, disks)
    next(p for p in stopped if p.step == 2)
    stopped.close()
    assert next(train_adapter(asked, disks, resume=True)).step == 2
