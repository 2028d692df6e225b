"""Adapters come and go on one loaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.model.test_adapter_parity import published_state
from tests.own_decoder import with_own_decoder

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.inference.masks.stability import stability
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.adapter_header import AdapterNotes
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path

POINT = Prompts([(20, 30)])


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)


@pytest.fixture(scope="module")
def base_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def base(base_file: Path) -> SamPredictor:
    return load_predictor(base_file, device="cpu", dtype="float32")


def write_adapter(base_file: Path, name: str, seed: int, **options) -> Path:
    """An adapter whose prompt generator, decoder and positions were all changed."""
    torch.manual_seed(seed)
    base = load_checkpoint(base_file)
    adapter = SamAdapter(32, 2, **options)
    torch.nn.init.normal_(adapter.shared_mlp.weight)
    sam = with_own_decoder(base.sam)
    for tensor in (
        *sam.mask_decoder.parameters(),
        *sam.prompt_encoder.pe_layer.buffers(),
    ):
        tensor.add_(0.1 * torch.randn_like(tensor))
    path = base_file.with_name(name)
    notes = AdapterNotes(score_is_trusted=seed != 3)
    save_adapter(adapter, sam, path, "small", base.sha256, notes)
    return path


@pytest.fixture(scope="module")
def first(base_file: Path) -> Path:
    return write_adapter(base_file, "first.safetensors", 1)


@pytest.fixture(scope="module")
def second(base_file: Path) -> Path:
    return write_adapter(base_file, "second.safetensors", 2)


def test_images_are_prepared_as_for_the_training(
    base_file: Path, base: SamPredictor, image: np.ndarray
) -> None:
    trained = load_checkpoint(base_file, "micro-sam")
    path = base_file.with_name("prepared.safetensors")
    notes = AdapterNotes(preprocessing=trained.family.name)
    save_adapter(SamAdapter(32, 2), trained.sam, path, "small", trained.sha256, notes)
    adapted = base.with_adapter(path)
    expected = load_predictor(
        base_file, device="cpu", dtype="float32", preprocessing="micro-sam"
    )
    assert adapted.description["preprocessing"] == "micro-sam"
    faint = image // 4
    found = logits(adapted, faint)
    assert np.allclose(found, logits(expected, faint), atol=1e-5)
    assert not np.allclose(found, logits(base, faint), atol=1e-4)


@pytest.mark.parametrize(("step", "is_told"), [(0.0, True), (3.0, False)])
def test_an_adapter_that_has_learned_nothing_says_so(
    base_file: Path, base: SamPredictor, first: Path, step: float, is_told: bool
) -> None:
    path = base_file.with_name("stopped.safetensors")
    checkpoint = load_checkpoint(base_file)
    notes = AdapterNotes(metrics={"step": step})
    save_adapter(None, checkpoint.sam, path, "small", checkpoint.sha256, notes)
    adapted = base.with_adapter(path)
    assert ("has learned nothing" in adapted.description.get("note", "")) is is_told
    assert "note" not in adapted.with_adapter(first).description
    assert "note" not in adapted.with_adapter(None).description


def test_an_adapter_for_other_images_is_refused(
    base_file: Path, base: SamPredictor
) -> None:
    checkpoint = load_checkpoint(base_file)
    path = base_file.with_name("other.safetensors")
    notes = AdapterNotes(preprocessing="efficient-sam")
    save_adapter(None, checkpoint.sam, path, "small", checkpoint.sha256, notes)
    with pytest.raises(CheckpointError, match=r"prepared for 'sam'.*'efficient-sam'"):
        base.with_adapter(path)


def logits(predictor: SamPredictor, image: np.ndarray) -> np.ndarray:
    return predictor.predict(predictor.encode(image), POINT).logits


def test_adapters_swap_and_leave_the_base_as_it_was(
    base: SamPredictor, first: Path, second: Path, image: np.ndarray
) -> None:
    before = logits(base, image)
    a, b = base.with_adapter(first), base.with_adapter(second)
    from_a, from_b = logits(a, image), logits(b, image)
    assert not np.allclose(from_a, from_b, atol=1e-2)
    assert not np.allclose(from_a, before, atol=1e-2)
    assert np.array_equal(logits(a, image), from_a)
    assert np.array_equal(logits(base, image), before)
    assert np.array_equal(logits(b.with_adapter(first), image), from_a)
    assert np.array_equal(logits(b.with_adapter(None), image), before)


def test_swapping_equals_loading_anew(
    base: SamPredictor, base_file: Path, first: Path, image: np.ndarray
) -> None:
    loaded = load_predictor(base_file, first, device="cpu", dtype="float32")
    swapped = base.with_adapter(first)
    assert np.allclose(logits(loaded, image), logits(swapped, image), atol=1e-4)
    assert loaded.description == swapped.description
    assert swapped.description["adapter"] == str(first)
    assert swapped.with_adapter(None).description == base.description


def test_adapter_costs_its_own_memory_alone(base: SamPredictor, first: Path) -> None:
    adapted = base.with_adapter(first)
    known = {tensor.data_ptr() for tensor in base.network.sam.state_dict().values()}
    modules = adapted.network.sam.state_dict() | adapted.network.encoder.state_dict()
    own = {t.data_ptr(): t.nbytes for t in modules.values()}
    added = sum(size for address, size in own.items() if address not in known)
    assert added == pytest.approx(first.stat().st_size, rel=0.05)


def test_adapter_of_another_base_is_refused_by_both_names(
    first: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pth"
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), other)
    predictor = load_predictor(other, device="cpu", dtype="float32")
    with pytest.raises(CheckpointError, match=r"'small'.*other\.pth"):
        predictor.with_adapter(first)


def test_own_source_needs_its_function(
    base: SamPredictor, base_file: Path, image: np.ndarray
) -> None:
    def inverted(part: torch.Tensor) -> torch.Tensor:
        return -part

    own = {"inverted": inverted}
    path = write_adapter(
        base_file, "own.safetensors", 1, sources=["inverted"], functions=own
    )
    with pytest.raises(CheckpointError, match="got inverted"):
        base.with_adapter(path)
    assert base.with_adapter(path, own).encode(image).features.isfinite().all()


def test_stale_scores_are_replaced_by_stability(
    base: SamPredictor, base_file: Path, image: np.ndarray
) -> None:
    stale = base.with_adapter(write_adapter(base_file, "stale.safetensors", 3))
    prediction = stale.predict(stale.encode(image), POINT)
    assert not prediction.score_is_trusted
    assert len(prediction.candidates) == 1
    expected = stability(torch.from_numpy(prediction.logits)).item()
    assert prediction.score == pytest.approx(expected)
    assert base.predict(base.encode(image), POINT).score_is_trusted


def test_stability_is_the_share_that_two_thresholds_agree_on() -> None:
    logits = torch.tensor([[[5.0, 0.5], [-0.5, -5.0]], [[-5.0, -5.0], [-5.0, -5.0]]])
    assert stability(logits).tolist() == [pytest.approx(1 / 3), 0.0]


def test_published_file_stretches_and_uses_its_own_positions(
    tmp_path: Path, image: np.ndarray
) -> None:
    path = tmp_path / "model_epoch_best.pth"
    state = published_state()
    torch.save(state, path)
    predictor = load_predictor(path, device="cpu", dtype="float32")
    embedding = predictor.encode(image)
    assert embedding.frame.resized == (160, 160)
    prediction = predictor.predict(embedding, POINT)
    assert not prediction.score_is_trusted
    key = "pe_layer.positional_encoding_gaussian_matrix"
    torch.save(state | {key: -state[key]}, path)
    other = load_predictor(path, device="cpu", dtype="float32")
    moved = other.predict(other.encode(image), POINT)
    assert not np.allclose(moved.logits, prediction.logits, atol=1e-3)


@pytest.mark.parametrize("learned", ["none", "per_block"])
def test_half_precision_gives_nearly_the_same(
    base_file: Path, image: np.ndarray, learned: str
) -> None:
    path = write_adapter(base_file, "half.safetensors", 1, learned_weights=learned)
    exact = load_predictor(base_file, path, device="cpu", dtype="float32")
    full = exact.encode(image).features
    half = load_predictor(base_file, path, device="cpu", dtype="bfloat16")
    assert (half.encode(image).features - full).abs().mean() < 0.05 * full.std()


def test_planes_of_one_size_share_a_pass(
    base: SamPredictor, first: Path, image: np.ndarray
) -> None:
    adapted = base.with_adapter(first)
    _, together = adapted.encode_batch([image, image[::-1]])
    alone = adapted.encode(image[::-1])
    assert torch.allclose(together.features, alone.features, atol=1e-4)


def test_planes_of_other_sizes_are_not_filtered_as_the_first_one(
    base: SamPredictor, first: Path, image: np.ndarray
) -> None:
    adapted = base.with_adapter(first)
    _, together = adapted.encode_batch([image, image[: len(image) // 2]])
    alone = adapted.encode(image[: len(image) // 2])
    assert torch.equal(together.features, alone.features)
