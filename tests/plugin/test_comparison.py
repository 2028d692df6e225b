"""Two adapters on the same prompts."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from napari.layers import Shapes
from scipy import ndimage
from tests.fakes import DiskPredictor
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, stack

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint, save_base
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.plugin.network.network_loading import NetworkLoader
from napari_sam_adapter.plugin.state import ModelChoice
from napari_sam_adapter.plugin.training import comparison
from napari_sam_adapter.plugin.training.comparison import ComparisonTask, compare
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
from napari_sam_adapter.volume.embeddings.embedding_cache import EmbeddingCache
from napari_sam_adapter.volume.planes.planes import Plane, Volume

pytestmark = pytest.mark.slow


class CautiousPredictor(DiskPredictor):
    """Leaves the border of every disk away, and is less sure."""

    def predict(self, embedding, prompts, previous=None):
        found = super().predict(embedding, prompts, previous)
        return self._answer(ndimage.binary_erosion(found.mask), prompts)


@pytest.fixture
def scene(make_scene):
    """A volume with the first disk clicked on slice 3; adapters can be had."""
    scene = make_scene(stack(), name="cells")
    scene.derived = []

    def with_adapter(adapter):
        if adapter == "wrong":
            raise CheckpointError("Expected an adapter for this model.")
        scene.derived.append(adapter)
        return CautiousPredictor(score=0.4)

    scene.predictor.with_adapter = with_adapter
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    return scene


def compare_with(scene, other="none"):
    scene.widget.comparison_panel.other_chosen.emit(other)
    scene.widget.comparison_panel.switch.click()
    wait_for_answer(scene)


def wait_for_answer(scene):
    state = scene.widget.comparison_state
    scene.qtbot.waitUntil(lambda: state.answer is not None, timeout=10_000)


def shown(scene):
    return scene.widget.comparison.outlines.layers


def test_both_candidates_are_outlined_with_their_scores(scene):
    before, active = scene.labels.copy(), scene.viewer.layers.selection.active
    compare_with(scene)
    panel = scene.widget.comparison_panel
    assert [label.text() for label in panel.scores] == ["0.90", "0.40"]
    assert 0.5 < float(panel.agreement.text()) < 1
    assert "adapters are the same" in panel.status.text()
    first, second = shown(scene)
    assert (first.name, second.name) == ("in use: none", "other: none")
    assert all(isinstance(layer, Shapes) for layer in (first, second))
    for layer, radius in ((first, 8), (second, 7)):
        (line,) = layer.data
        assert set(line[:, 0]) == {3}
        reach = np.hypot(*(line[:, 1:] - LEFT_DISK).T)
        assert reach.max() == pytest.approx(radius + 0.5, abs=0.6)
    assert np.array_equal(scene.labels, before)
    assert scene.viewer.layers.selection.active == active


def test_the_outlines_lie_over_those_of_candidates_that_came_later(scene):
    compare_with(scene)
    layers, active = scene.viewer.layers, scene.viewer.layers.selection.active
    scene.qtbot.waitUntil(lambda: "SAM candidates" in layers)
    layers.remove("SAM candidates")
    layers.selection.active = active
    scene.viewer.dims.set_current_step(0, 4)
    scene.qtbot.waitUntil(lambda: "SAM candidates" in layers)
    assert layers[-1].name == "SAM candidates"
    scene.click(LEFT_DISK)
    wait_for_answer(scene)
    assert list(layers[-2:]) == shown(scene)
    assert layers.selection.active == active
    scene.click(RIGHT_DISK)
    wait_for_answer(scene)
    assert list(layers[-2:]) == shown(scene)


def test_the_window_does_not_wait_for_what_outlines_need(scene, monkeypatch):
    threads, borders = [], comparison.borders

    def traced(mask):
        threads.append(threading.current_thread())
        return borders(mask)

    monkeypatch.setattr(comparison, "borders", traced)
    compare_with(scene)
    assert len(threads) == 2
    assert threading.main_thread() not in threads
    assert [len(layer.data) for layer in shown(scene)] == [1, 1]


def test_the_comparison_follows_clicks_and_slices(scene):
    compare_with(scene)
    scene.click(RIGHT_DISK)
    wait_for_answer(scene)
    assert [len(layer.data) for layer in shown(scene)] == [2, 2]
    layers = list(shown(scene))
    scene.viewer.dims.set_current_step(0, 5)
    assert [layer.nshapes for layer in shown(scene)] == [0, 0]
    assert scene.widget.comparison_panel.agreement.text() == "-"
    scene.click(LEFT_DISK)
    wait_for_answer(scene)
    assert shown(scene)[0].data[0][0, 0] == 5
    assert shown(scene) == layers
    assert scene.derived == [None]


def test_the_other_adapter_can_be_used_from_then_on(scene):
    compare_with(scene, "mine.safetensors")
    panel = scene.widget.comparison_panel
    asked = scene.predictor.asked
    panel.use.click()
    assert scene.state.model.adapter == "mine.safetensors"
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked, timeout=10_000)
    scene.settle()
    assert scene.loads[-1].adapter == "mine.safetensors"
    assert panel.other.currentText() == "none"


def test_a_wrong_adapter_is_told_once_and_clicks_go_on(scene):
    panel = scene.widget.comparison_panel
    panel.other_chosen.emit("wrong")
    panel.switch.click()
    scene.qtbot.waitUntil(lambda: "for this model" in panel.status.text())
    scene.click(RIGHT_DISK)
    assert scene.value(3, *RIGHT_DISK) == 1


def test_ending_takes_the_outlines_away_and_survives_their_removal(scene):
    compare_with(scene)
    layers = list(shown(scene))
    scene.viewer.layers.remove(layers[0])
    scene.click(RIGHT_DISK)
    wait_for_answer(scene)
    layers += shown(scene)
    scene.widget.comparison_panel.switch.click()
    assert not any(layer in scene.viewer.layers for layer in layers)
    compare_with(scene)
    scene.widget.stop()
    assert not [layer for layer in scene.viewer.layers if "other" in layer.name]


@pytest.fixture
def files(tmp_path):
    """A small random base, and an adapter for it that is sure of nothing."""
    torch.manual_seed(0)
    path, adapter = tmp_path / "base.safetensors", tmp_path / "mine.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), path, {})
    base = load_checkpoint(path)
    torch.nn.init.zeros_(base.sam.mask_decoder.iou_prediction_head.layers[-1].weight)
    save_adapter(None, base.sam, adapter, "base", base.sha256)
    return path, adapter


def test_an_adapter_is_changed_in_place(files):
    base, adapter = files
    load = NetworkLoader()
    plain = load(ModelChoice(str(base), device="cpu"))
    base.unlink()
    adapted = load(ModelChoice(str(base), str(adapter), "cpu"))
    assert adapted.description["adapter"] == str(adapter)
    assert load(ModelChoice(str(base), device="cpu")).description == plain.description
    with pytest.raises(CheckpointError, match="base"):
        load(ModelChoice(str(base), device="cpu", preprocessing="sam"))


def test_a_real_network_shares_its_base_with_the_other(files):
    path, adapter = files
    predictor = load_predictor(path, device="cpu")
    volume, plane = Volume(stack()), Plane((1, 2), (3,))
    first = PlanePredictor(volume, predictor, 1, EmbeddingCache(10**8))
    prompts = Prompts(points=[LEFT_DISK], polarities=[True])
    task = ComparisonTask(plane, prompts, first, None, str(adapter))
    *_, found = compare(task)
    plain, other = found.answers
    assert plain.score != other.score
    assert found.task.second.predictor.description["adapter"] == str(adapter)
