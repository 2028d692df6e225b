from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.full_disk import full_disk
from tests.training.conftest import SIDE, tensors

from napari_sam_adapter.errors import (
    CheckpointError,
    DeviceError,
    OutputError,
    TrainingError,
)
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.training.recipes.config import PARTS
from napari_sam_adapter.training.runs.adapter_training import (
    train_adapter,
)
from napari_sam_adapter.training.samples.samples import Sample, shared_intensity
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.training.recipes.config import TrainingConfig

    Configure = Callable[..., TrainingConfig]


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
