from __future__ import annotations

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, stack

from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.intensity import LEARNED, IntensityMapping
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.plugin.panels.training_curve import COLOURS, LOSS_COLOUR
from napari_sam_adapter.plugin.state import ModelChoice, Phase
from napari_sam_adapter.plugin.training.training_task import (
    TrainingTask,
    _numbered,
    train_on_layers,
)
from napari_sam_adapter.volume.planes.planes import Plane, Volume

pytestmark = pytest.mark.slow

QUICK = {"steps": 3, "batch": 2, "validate_every": 2, "dtype": "float32"}
LONG = {**QUICK, "steps": 500, "learning_rate": 2e-3}


@pytest.fixture
def scene(make_scene, tmp_path, monkeypatch):
    """A volume with masks on three slices, and a small random network."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    torch.manual_seed(0)
    path = tmp_path / "base.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), path, {})
    scene = make_scene(stack(), name="cells")
    scene.state.model = ModelChoice(str(path), device="cpu")
    scene.press("use_points")
    for z in (2, 3, 4):
        scene.viewer.dims.set_current_step(0, z)
        scene.click(LEFT_DISK)
    return scene


def finish(scene):
    def is_over():
        return not scene.widget.training_state.is_running

    scene.qtbot.waitUntil(is_over, timeout=60_000)


def test_training_goes_on_while_clicks_are_answered_and_is_swapped_in(scene):
    panel, state = scene.widget.training_panel, scene.widget.training_state
    scene.widget.training.start({**QUICK, "steps": 10, "learning_rate": 3e-3})
    assert state.is_running
    assert not panel.start.isEnabled()
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    assert scene.value(4, *RIGHT_DISK) == 2
    assert state.is_running
    finish(scene)
    assert not state.message.is_error, state.message.text
    assert state.progress.step == 10
    assert len(panel.curve.history) == 6
    assert not panel.now.pixmap().isNull()
    loads, asked = len(scene.loads), scene.predictor.asked
    panel.use.click()
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    scene.settle()
    assert scene.loads[loads:] == [scene.state.model]
    assert scene.state.loaded.adapter == str(state.result)
    assert scene.value(4, *RIGHT_DISK) == 2


def test_an_adapter_learns_from_an_image_seen_as_the_one_before_learned(tmp_path):
    torch.manual_seed(0)
    base, output = tmp_path / "base.safetensors", tmp_path / "mine.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), base, {})
    volume = Volume(stack(), intensity=IntensityMapping(LEARNED, 0, 180))
    labels = {Plane((1, 2), (z,)): (stack()[z] > 100).astype(int) for z in (2, 3, 4)}
    spacing = (1.0, 1.0, 1.0)
    task = TrainingTask(volume, labels, output, str(base), "cpu", spacing, QUICK)
    list(train_on_layers(task))
    header = read_adapter_header(output)
    assert header.notes.intensity == IntensityMapping("contrast_limits", 0, 180)


def test_only_finished_slices_are_learned_if_some_are_marked(make_scene):
    tasks, told = [], []
    scene = make_scene(stack(), name="cells")
    scene.widget.training_state.events.message.connect(lambda m: told.append(m.text))
    scene.widget.training._train = lambda task: iter(tasks.append(task) or ())
    for z in (2, 3):
        scene.viewer.dims.set_current_step(0, z)
        scene.press("use_points")
        scene.click(LEFT_DISK)
    scene.widget.training_panel.start.click()
    finish(scene)
    scene.widget.training_panel.finished.click()
    scene.widget.training_panel.start.click()
    finish(scene)
    assert [sorted(p.position for p in task.labels) for task in tasks] == [
        [(2,), (3,)],
        [(3,)],
    ]
    assert "Training on 2 slices with labels, none marked as finished ..." in told
    assert "Training on 1 slice marked as finished ..." in told
    labels = tasks[1].labels[Plane((1, 2), (3,))]
    assert np.array_equal(labels, scene.labels[3])
    assert labels is not scene.labels


def test_marks_are_shown_and_can_be_taken_back(make_scene):
    scene = make_scene(stack(), name="cells")
    panel = scene.widget.training_panel
    for z in (5, 2):
        scene.viewer.dims.set_current_step(0, z)
        assert not panel.finished.isChecked()
        panel.finished.click()
        assert panel.finished.isChecked()
    assert panel.status.text() == "Marked as finished: slice 2, slice 5."
    panel.finished.click()
    assert not panel.finished.isChecked()
    scene.viewer.dims.set_current_step(0, 5)
    assert panel.finished.isChecked()


def test_marks_stay_with_their_image_while_another_one_is_in_use(make_scene):
    scene = make_scene(stack(), name="cells")
    image, panel = scene.state.image, scene.widget.training_panel
    other = scene.viewer.add_image(stack()[::-1].copy(), name="other")
    scene.viewer.dims.set_current_step(0, 3)
    panel.finished.click()
    scene.controller.choose_image(other)
    assert not panel.finished.isChecked()
    assert scene.widget.training_state.finished == ()
    scene.controller.choose_image(image)
    assert panel.finished.isChecked()
    assert scene.widget.training_state.finished == (Plane((1, 2), (3,)),)


def colours(curve):
    """Names of the colours that a widget is drawn with."""
    picture = curve.grab().toImage()
    places = np.ndindex(picture.width(), picture.height())
    return {picture.pixelColor(*place).name() for place in places}


def test_the_loss_is_told_and_drawn_as_soon_as_there_is_one(scene):
    panel, state = scene.widget.training_panel, scene.widget.training_state
    seen = {}
    state.events.progress.connect(
        lambda p: seen.update(
            {(p.step, len(p.history)): (panel.bar.format(), colours(panel.curve))}
            if p
            else {}
        )
    )
    scene.widget.training.start({**QUICK, "validate_every": 3})
    finish(scene)
    first, *_ = seen.values()
    assert "loss" not in first[0]
    assert COLOURS["score"] in seen[0, 1][1]
    assert LOSS_COLOUR not in seen[0, 1][1]
    text, drawn = seen[2, 1]
    assert "loss" in text
    assert {COLOURS["score"], LOSS_COLOUR} <= drawn


def test_stopping_keeps_the_best_so_far_and_leaves_annotation_alone(scene):
    scene.widget.training.start({**LONG, "validate_every": 1})
    state, panel = scene.widget.training_state, scene.widget.training_panel

    def is_better():
        return state.progress is not None and state.progress.gain > 0

    scene.qtbot.waitUntil(is_better, timeout=60_000)
    assert " left" in panel.bar.format()
    panel.stop.click()
    assert not panel.stop.isEnabled()
    finish(scene)
    assert state.progress.step < 500
    assert " left" not in panel.bar.format()
    done = f"Stopped after {state.progress.step} of 500 steps. "
    assert state.message.text.startswith(done)
    assert "point and box" in state.message.text
    assert "no prompt" in state.message.text
    assert "Press Use it" in state.message.text
    assert panel.use.isEnabled()
    assert [path.name for path in state.result.parent.iterdir()] == [state.result.name]
    load_predictor(scene.state.model.model, adapter=state.result, device="cpu")
    scene.click(BETWEEN)
    assert scene.state.phase is Phase.READY


def test_the_state_at_which_training_is_stopped_is_judged(scene):
    scene.widget.training.start({**LONG, "validate_every": 400})
    state, told = scene.widget.training_state, []
    state.events.message.connect(lambda message: told.append(message.text))

    def has_learned():
        return state.progress is not None and state.progress.step > 2

    scene.qtbot.waitUntil(has_learned, timeout=60_000)
    scene.widget.training_panel.stop.click()
    assert "judged" in told[-1]
    finish(scene)
    steps = [entry.step for entry in state.progress.history]
    assert steps == [0, state.progress.step]


def test_an_adapter_that_is_no_better_is_not_offered(scene):
    scene.widget.training.start({**QUICK, "learning_rate": 0.0})
    state, task = scene.widget.training_state, scene.widget.training._task
    finish(scene)
    assert state.message.text.startswith("Nothing was better than before")
    assert "no adapter was kept" in state.message.text
    assert not scene.widget.training_panel.use.isEnabled()
    assert not list(task.output.parent.iterdir())


def test_closing_the_widget_keeps_the_best_so_far_and_nothing_else(scene):
    scene.widget.training.start({**QUICK, "steps": 500, "validate_every": 1})
    state, task = scene.widget.training_state, scene.widget.training._task

    def is_validated():
        return state.progress is not None and len(state.progress.history) > 1

    scene.qtbot.waitUntil(is_validated, timeout=60_000)
    scene.viewer.window.remove_dock_widget(scene.widget)
    scene.qtbot.waitUntil(lambda: not scene.is_working(), timeout=60_000)
    assert [path.name for path in task.output.parent.iterdir()] == [task.output.name]
    load_predictor(scene.state.model.model, adapter=task.output, device="cpu")


def test_costs_and_what_is_left_out_are_told_before_the_first_step(scene):
    scene.labels[5] = 1
    told = []
    scene.widget.training_state.events.message.connect(lambda m: told.append(m.text))
    scene.widget.training.start(QUICK)
    finish(scene)
    (costs,) = [text for text in told if "numbers to train" in text]
    assert "MB and" in costs
    assert "slice 5" in costs
    assert scene.widget.training_state.progress.step == 3


def test_validation_slices_can_be_looked_at_one_by_one(scene):
    scene.labels[3, 40:60, 50:70] = 1
    scene.widget.training.start({**QUICK, "validation_share": 0.6})
    finish(scene)
    panel, progress = scene.widget.training_panel, scene.widget.training_state.progress
    names = [panel.example.itemText(i) for i in range(panel.example.count())]
    assert names == [example.name for example in progress.examples]
    assert len(names) == 2
    first = panel.now.pixmap().toImage()
    panel.example.setCurrentIndex(1)
    panel.example.activated.emit(1)
    assert panel.now.pixmap().toImage() != first


def test_training_without_masks_is_refused_with_a_sentence(make_scene):
    scene = make_scene(stack())
    scene.widget.training_panel.start.click()
    assert "labelled objects" in scene.widget.training_panel.status.text()
    assert notification_manager.records[-1].message.startswith("Expected labelled")
    assert not scene.widget.training_state.is_running


def test_a_folder_of_adapters_that_cannot_be_made_is_told(scene, tmp_path):
    (tmp_path / "napari-sam-adapter").write_text("no folder")
    scene.widget.training.start(QUICK)
    assert scene.widget.training_state.message.is_error
    assert "adapters" in scene.widget.training_panel.status.text()
    assert not scene.widget.training_state.is_running


def test_slices_take_no_more_room_for_their_small_numbers():
    labels = np.array([[0, 70_000], [5, 0]], np.int32)
    planes = {Plane((1, 2), (z,)): labels * z for z in range(3)}
    numbered = _numbered(planes)
    assert [part.tolist() for part in numbered.values()] == [
        [[0, 0], [0, 0]], [[0, 3], [1, 0]], [[0, 4], [2, 0]],
    ]  # fmt: skip
    assert {part.dtype for part in numbered.values()} == {labels.dtype}


def test_training_waits_for_consent_to_a_download(scene, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(tmp_path / "cache"))
    scene.state.model = ModelChoice("vit_b", device="cpu")
    scene.widget.training.start(QUICK)
    assert "weights of vit_b on this computer" in scene.state.message.text
    assert not scene.widget.training_state.is_running


def test_another_labels_layer_can_be_learned_from(make_scene):
    tasks = []
    scene = make_scene(stack(), name="cells")
    scene.widget.training._train = lambda task: iter(tasks.append(task) or ())
    painted = np.zeros((8, 64, 80), np.uint16)
    painted[5, 10:20, 10:20] = 3
    scene.viewer.add_labels(painted, name="painted elsewhere")
    scene.viewer.add_labels(painted[:4], name="of another image")
    panel = scene.widget.training_panel
    panel.layers_wanted.emit()
    names = [panel.masks.itemText(i) for i in range(panel.masks.count())]
    assert names[1:] == ["painted elsewhere"]
    panel.masks.activated.emit(1)
    panel.start.click()
    finish(scene)
    assert [plane.position for plane in tasks[0].labels] == [(5,)]
    scene.viewer.layers.remove("painted elsewhere")
    panel.start.click()
    assert "is gone" in panel.status.text()


def test_following_is_learned_from_slice_to_slice(scene):
    panel = scene.widget.training_panel
    panel.form["follow_share"].setValue(1.0)
    assert panel.options()["follow_share"] == 1.0
    scene.labels[4][scene.labels[4] == 1] = 9  # gone there, where another one begins
    own = {"prompted_share": 1.0, "validation_share": 0.4, "validate_every": 1}
    scene.widget.training.start({**QUICK, "follow_share": 1.0, **own})
    finish(scene)
    state = scene.widget.training_state
    assert not state.message.is_error, state.message.text
    assert any(entry.followed for entry in state.progress.history)


def test_following_is_refused_where_no_slices_are_neighbours(scene):
    scene.labels[3] = 0
    scene.widget.training.start({**QUICK, "follow_share": 0.5})
    finish(scene)
    assert "neighbouring slices" in scene.widget.training_panel.status.text()


def test_an_adapter_can_be_used_in_the_3d_view(make_scene, tmp_path):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.viewer.dims.ndisplay = 3
    adapter = tmp_path / "mine-1.safetensors"
    adapter.touch()
    scene.widget.training_panel.use_pressed.emit(adapter)
    scene.settle()
    assert scene.state.model.adapter == str(adapter)
    assert not scene.state.message.is_error
