"""The adapters that the package ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.evaluation.overlap import dice, iou
from napari_sam_adapter.inference.predictor.weights import find_weights
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.weight_files import file_hash
from napari_sam_adapter.model.variants import ADAPTERS
from napari_sam_adapter.sample_images import nuclei_volume
from napari_sam_adapter.training.recipes.adapter_recipe import read_adapter_recipe
from napari_sam_adapter.weight_store.entries import Kind, State, find_entry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tiny() -> SamPredictor:
    return load_predictor("tiny", device="cpu", dtype="float32")


@pytest.fixture(params=list(ADAPTERS))
def shipped(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def file_of(name: str) -> Path:
    return find_weights(name, Kind.ADAPTER)


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


def test_a_click_on_a_nucleus_of_a_drawn_volume_is_answered_better(
    tiny: SamPredictor,
) -> None:
    image, labels = nuclei_volume(seed=1)
    clicked = np.zeros(2)
    for z in (14, 20, 26):
        truth = labels[z]
        masks = [truth == number for number in np.unique(truth)[1:]]
        large = [mask for mask in masks if np.count_nonzero(mask) > 60]
        clicks = [Prompts(points=[ndimage.center_of_mass(mask)]) for mask in large]
        for i, predictor in enumerate((tiny, tiny.with_adapter("microscopy"))):
            embedding = predictor.encode(image[z])
            assert dice(predictor.foreground(embedding) > 0.5, truth > 0) > 0.8
            answers = predictor.predict_many(embedding, clicks)
            found = zip(answers, large, strict=True)
            clicked[i] += np.mean([iou(answer.mask, mask) for answer, mask in found])
    assert clicked[1] > clicked[0] + 3 * 0.01
