from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.disturbed import disturbed, is_helped
from tests.full_disk import full_disk
from tests.training.conftest import SIDE, interrupt
from torch.nn.modules.module import register_module_full_backward_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from napari_sam_adapter.errors import (
    CheckpointError,
    DeviceError,
    OutputError,
    TrainingError,
)
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import load_checkpoint, save_base
from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.training.network.trainee_loading import load_trainee
from napari_sam_adapter.training.recipes.config import PARTS
from napari_sam_adapter.training.runs.adapter_training import (
    train_adapter,
    training_turns,
)
from napari_sam_adapter.training.samples.samples import Sample, shared_intensity
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch.utils.hooks import RemovableHandle

    from napari_sam_adapter.training.recipes.config import TrainingConfig

    Configure = Callable[..., TrainingConfig]


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return read_weights(path)[0]


def are_equal(first: Path, second: Path) -> bool:
    one, two = tensors(first), tensors(second)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.slow
@pytest.mark.parametrize("trains", ["adapter", "decoder"])
def test_training_beats_the_untrained_base_on_other_images(
    config: Configure, disks: list[Sample], trains: str
) -> None:
    asked = config(trains=trains, steps=40, validate_every=20, learning_rate=2e-3)
    *_, last = train_adapter(asked, disks)
    assert last.ending == "all steps"
    assert last.gain > 0.2
    assert last.best is not None
    assert last.best.prompt_free > 2 * last.history[0].prompt_free
    assert last.examples[0].now.shape == (SIDE // 2, SIDE // 2)


@pytest.mark.parametrize("trains", [part for part in PARTS if part != "everything"])
def test_the_file_is_small_and_can_be_used_at_once(
    config: Configure, disks: list[Sample], base: Path, trains: str
) -> None:
    asked = config(trains=trains, steps=2)
    before = tensors(base)
    *_, last = train_adapter(asked, disks)
    saved = tensors(asked.output)
    assert not any(key.startswith("image_encoder.neck") for key in saved)
    assert all(torch.equal(before[key], value) for key, value in tensors(base).items())
    assert 0 < last.estimate.trained_parameters < 3e6
    predictor = load_predictor(base, adapter=asked.output, device="cpu")
    embedding = predictor.encode(disks[0].image)
    found = predictor.predict(embedding, Prompts(points=[(16, 16)], polarities=[True]))
    assert found.mask.shape == (SIDE, SIDE)


def test_the_file_has_half_precision_and_tells_its_licence(
    config: Configure, disks: list[Sample]
) -> None:
    asked = config(steps=1, licence="CC0-1.0")
    list(train_adapter(asked, disks))
    assert {tensor.dtype for tensor in tensors(asked.output).values()} == {
        torch.float16
    }
    assert read_adapter_header(asked.output).notes.licence == "CC0-1.0"


def test_everything_gives_a_model(config: Configure, disks: list[Sample]) -> None:
    asked = config(trains="everything", steps=2)
    list(train_adapter(asked, disks))
    predictor = load_predictor(asked.output, device="cpu")
    assert predictor.image_size == SIDE
    family = load_predictor(asked.base, device="cpu").description["preprocessing"]
    assert read_weights(asked.output)[1]["preprocessing"] == family


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


def test_the_window_of_the_images_goes_into_the_file_and_is_used_again(
    config: Configure, disks: list[Sample], base: Path
) -> None:
    window = IntensityMapping("contrast_limits", -200.0, 300.0)
    list(train_adapter(config(steps=1), [replace(d, intensity=window) for d in disks]))
    adapted = load_predictor(base, adapter=config().output, device="cpu")
    assert read_adapter_header(config().output).notes.intensity == window
    assert adapted.intensity == window
    assert adapted.with_adapter(None).intensity is None
    values = disks[0].image * 2.0 - 150
    seen = adapted.encode(window.apply(values)).features
    assert torch.equal(adapted.encode(values).features, seen)
    assert not torch.equal(adapted.with_adapter(None).encode(values).features, seen)
    assert Session(values, adapted).volume.intensity == window
    of_8_bits = Session(disks[0].image, adapted)
    assert of_8_bits.volume.intensity.rule == "percentile"


def test_windows_that_images_have_of_their_own_are_told_and_not_used_again() -> None:
    def shared(*mappings: IntensityMapping | None) -> IntensityMapping | None:
        image = np.zeros((4, 4), np.uint8)
        return shared_intensity(
            [Sample(image, (image,), intensity=m) for m in mappings]
        )

    low, high = (IntensityMapping("percentile", x, 100 + x) for x in (0.0, 20.0))
    found = shared(low, high, None)
    assert found == IntensityMapping("percentile", 10.0, 110.0)
    assert not found.suits_others
    assert shared(low, IntensityMapping()) is None
    chosen = [IntensityMapping("contrast_limits", 0.0, x) for x in (5.0, 6.0)]
    assert shared(*chosen) is None


def test_leaving_at_any_moment_keeps_the_best_state(
    config: Configure, disks: list[Sample], base: Path
) -> None:
    for count in (20, 30):
        steps = train_adapter(config(), disks)
        list(itertools.islice(steps, count))
        steps.close()
        load_predictor(base, adapter=config().output, device="cpu")


def test_an_adapter_is_told_what_a_function_of_your_own_makes_of_the_image(
    config: Configure, disks: list[Sample], base: Path, tmp_path: Path
) -> None:
    own = {"inverted": torch.neg}
    asked = config(steps=2, sources=["patch_embedding", "inverted"], validation_share=0)
    with pytest.raises(CheckpointError, match="functions"):
        next(train_adapter(asked, disks))
    list(train_adapter(asked, disks, functions=own))
    assert read_adapter_header(asked.output).sources[1] == "inverted"
    with pytest.raises(CheckpointError, match="functions"):
        load_predictor(base, asked.output, "cpu")
    there, elsewhere = (
        load_predictor(base, asked.output, "cpu", functions=functions)
        .encode(disks[0].image)
        .features
        for functions in (own, {"inverted": torch.zeros_like})
    )
    assert not torch.equal(there, elsewhere)
    more = config(steps=1, start=str(asked.output), output=tmp_path / "m.safetensors")
    *_, last = train_adapter(more, disks, functions=own)
    assert last.step == 1


@pytest.mark.slow
def test_training_goes_on_from_an_adapter(
    config: Configure, disks: list[Sample], tmp_path: Path
) -> None:
    first = config(output=tmp_path / "first.safetensors", learning_rate=2e-3, steps=20)
    *_, before = train_adapter(first, disks)
    *_, after = train_adapter(config(start=str(first.output), steps=1), disks)
    assert before.best is not None
    assert after.history[0].score == pytest.approx(before.best.score, abs=1e-3)


def test_an_adapter_for_another_base_is_refused(
    config: Configure, disks: list[Sample], tmp_path: Path
) -> None:
    first = config(output=tmp_path / "first.safetensors", steps=1)
    list(train_adapter(first, disks))
    with pytest.raises(CheckpointError, match="was trained for"):
        next(train_adapter(config(start=str(first.output), base="tiny"), disks))


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


def test_a_loss_that_is_no_number_ends_training_with_a_sentence(
    config: Configure, disks: list[Sample], base: Path
) -> None:
    asked = config(learning_rate=1e25)
    with pytest.raises(TrainingError, match="finite loss"):
        list(train_adapter(asked, disks))
    load_predictor(base, adapter=asked.output, device="cpu")


def test_a_full_disk_leaves_the_last_good_files(
    config: Configure, disks: list[Sample], base: Path
) -> None:
    steps = train_adapter(config(), disks)
    next(p for p in steps if p.step == 1)
    with full_disk(100_000), pytest.raises(OutputError, match="mine"):
        list(steps)
    load_predictor(base, adapter=config().output, device="cpu")
    assert not list(config().output.parent.glob(".*"))
    *_, last = train_adapter(config(), disks, resume=True)
    assert last.step == 4


def test_training_ends_early_when_nothing_gets_better(
    config: Configure, disks: list[Sample]
) -> None:
    asked = config(learning_rate=0.0, steps=20, validate_every=1, patience=2)
    *_, last = train_adapter(asked, disks)
    assert last.step == 2
    assert last.ending == "no better validation"
    assert last.seconds_left == 0


def test_the_estimate_comes_before_the_first_step(
    config: Configure, disks: list[Sample]
) -> None:
    first = next(train_adapter(config(), disks))
    assert first.step == 0
    assert first.estimate.seconds > 0
    assert first.estimate.memory_bytes > 4 * first.estimate.trained_parameters


def test_bad_requests_are_refused_before_training(
    config: Configure, disks: list[Sample], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="labelled images"):
        next(train_adapter(config(), []))
    with pytest.raises(OutputError, match="nowhere"):
        next(
            train_adapter(config(output=tmp_path / "nowhere" / "x.safetensors"), disks)
        )
    with pytest.raises(DeviceError, match="cuda:99"):
        next(train_adapter(config(device="cuda:99"), disks))
    with pytest.raises(TrainingError, match="Start without resume"):
        next(train_adapter(config(), disks, resume=True))


@pytest.mark.parametrize(
    "change",
    [
        {"trains": "half"},
        {"prompted_share": 1.5},
        {"steps": 0},
        {"learning_rate": float("nan")},
        {"label_kind": "panoptic"},
        {"validation_share": 1},
        {"licence": 3},
        {"base": 3},
        {"start": 3},
        {"sources": 5},
        {"sources": ["srm", 5]},
        {"sources": []},
        {"sources": "srm,"},
    ],
    ids=str,
)
def test_senseless_configurations_are_refused(
    config: Configure, change: dict[str, object]
) -> None:
    with pytest.raises(TrainingError, match=next(iter(change)).split("_")[0]):
        config(**change)


def test_sources_are_names_or_a_text_with_commas(config: Configure) -> None:
    kept = ("srm", "fft_highpass")
    for given in ("srm, fft_highpass", ["srm", "fft_highpass"], kept):
        asked = config(sources=given)
        assert asked.sources == kept
        assert asked.identity == config(sources=kept).identity
    assert config(sources="srm").sources == ("srm",)


def test_the_random_numbers_of_the_caller_go_on(
    config: Configure, disks: list[Sample]
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(train_adapter(config(steps=2), disks))
    assert torch.equal(torch.rand(3), expected)


def test_numbers_of_numpy_are_kept_as_plain_ones(
    config: Configure, disks: list[Sample]
) -> None:
    asked = config(steps=np.int64(1), learning_rate=np.float32(1e-4), weight_decay=1)
    *_, last = train_adapter(asked, disks)
    assert last.step == 1
    assert type(asked.steps) is int


def test_there_is_no_loss_before_the_first_step(
    config: Configure, disks: list[Sample]
) -> None:
    told = list(train_adapter(config(steps=1), disks))
    assert {(p.loss is None, p.iou is None) for p in told if not p.step} == {
        (True,) * 2
    }
    assert told[-1].loss is not None


def test_one_sample_trains_without_validation(
    config: Configure, disks: list[Sample]
) -> None:
    *_, last = train_adapter(config(), disks[:1])
    assert last.best is None
    assert last.gain == 0
    assert config().output.exists()


def test_synthetic_images_can_be_mixed_in(
    config: Configure, disks: list[Sample]
) -> None:
    *_, last = train_adapter(config(synthetic_share=1.0, steps=1), disks)
    assert np.isfinite(last.loss)
