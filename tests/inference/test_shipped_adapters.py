"""The adapters that the package ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter import SamPredictor, load_predictor, segment_semantic
from napari_sam_adapter.evaluation.overlap import dice
from napari_sam_adapter.inference.weights import find_weights
from napari_sam_adapter.model.adapter_header import read_adapter_header
from napari_sam_adapter.model.variants import ADAPTERS
from napari_sam_adapter.model.weight_files import file_hash
from napari_sam_adapter.sample_images import nuclei_volume
from napari_sam_adapter.training.adapter_recipe import read_adapter_recipe
from napari_sam_adapter.weight_store.entries import Kind, State, find_entry
from napari_sam_adapter.weight_store.folder import SHIPPED_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 25_000_000


@pytest.fixture(scope="module")
def tiny() -> SamPredictor:
    return load_predictor("tiny", device="cpu", dtype="float32")


@pytest.fixture(params=list(ADAPTERS))
def shipped(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def file_of(name: str) -> Path:
    return find_weights(name, Kind.ADAPTER)


def test_all_weights_of_the_package_together_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_FOLDER.iterdir()) < LARGEST


def test_an_adapter_is_there_without_a_network(shipped: str) -> None:
    entry = find_entry(shipped, Kind.ADAPTER)
    assert entry is not None
    assert entry.state is State.SHIPPED
    adapted = load_predictor("tiny", adapter=shipped, device="cpu")
    assert adapted.description["adapter"] == shipped
    assert adapted.capabilities.score_is_trusted


def test_an_adapter_tells_base_licence_and_training(shipped: str) -> None:
    header = read_adapter_header(file_of(shipped))
    assert header.base == "tiny"
    assert header.base_sha256 == file_hash(find_weights("tiny", Kind.MODEL))
    assert header.notes.licence == ADAPTERS[shipped].licence
    assert header.notes.metrics["prompt_free"] > 0


def test_the_recipe_says_what_was_run(shipped: str) -> None:
    recipe = read_adapter_recipe(shipped)
    run = read_adapter_header(file_of(shipped)).notes.training
    known = {key: recipe.options[key] for key in run if key in recipe.options}
    assert known == {key: run[key] for key in known}


def test_nuclei_are_found_without_a_prompt(tiny: SamPredictor) -> None:
    image, labels = nuclei_volume()
    plane = image.shape[0] // 2
    adapted = tiny.with_adapter("microscopy")
    found = [segment_semantic(image[plane], p) > 0.5 for p in (tiny, adapted)]
    before, after = (dice(mask, labels[plane] > 0) for mask in found)
    assert after > max(before, 0.9)
