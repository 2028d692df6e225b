from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from tests.fakes import PackingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, settings, stack

from napari_sam_adapter.plugin.background import Priority
from napari_sam_adapter.plugin.network.encoding_ahead import planes_around
from napari_sam_adapter.plugin.state import Phase
from napari_sam_adapter.volume.asking import embedding_room
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.saving.replaying import replay

pytestmark = pytest.mark.slow

LENGTH = 8


class SlowEncoder(PackingDiskPredictor):
    """Waits before each plane, as a slow network does, while the gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.shuts_behind_each = False

    def encode(self, image):
        assert self.gate.wait(10)
        if self.shuts_behind_each:
            self.gate.clear()
        return super().encode(image)


def unlike(image):
    """Return a stack of which no two slices are alike."""
    image[:, 0, 0] = 20 + 10 * np.arange(len(image))
    return image


@pytest.fixture
def open_scene(make_scene):
    def build(image=None, **options):
        image = unlike(stack(LENGTH)) if image is None else image
        scene = make_scene(image, predictor=SlowEncoder(), name="cells", **options)
        if image.ndim > 2:
            scene.viewer.dims.set_current_step(0, 3)
        return scene

    return build


@pytest.fixture
def scene(open_scene):
    return open_scene()


def encode_all(scene):
    scene.widget.volume_panel.buttons["encode_all"].click()


def encoded(scene):
    """Return the slices that were encoded, in order."""
    volume = scene.workspace.volume
    corners = [volume.read_uint8(Plane((1, 2), (z,)))[0, 0] for z in range(LENGTH)]
    return [corners.index(image[0, 0]) for image in scene.predictor.encoded]


def test_all_slices_are_encoded_from_the_one_in_view_outwards(scene, embeddings):
    encode_all(scene)
    scene.settle()
    assert encoded(scene) == [3, 2, 4, 1, 5, 0, 6, 7]
    assert len(list(embeddings.iterdir())) == LENGTH
    assert scene.state.message.text == "8 slices encoded, 0 were there."
    assert scene.state.progress.total == 0


def test_the_second_opening_of_a_volume_encodes_nothing(scene, open_scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    first = scene.labels.copy()
    encode_all(scene)
    scene.settle()
    scene.viewer.close()
    again = open_scene()
    again.press("use_points")
    again.click(LEFT_DISK)
    again.press("propagate")
    again.settle()
    assert again.predictor.encoded == []
    assert np.array_equal(again.labels[3], first[3])
    assert again.value(6, *LEFT_DISK) == 1


def test_progress_and_time_left_are_shown_and_stop_keeps_what_is_done(
    scene, monkeypatch
):
    monkeypatch.setattr(
        "napari_sam_adapter.plugin.network.encoding_ahead.SHOW_INTERVAL", 0
    )
    seen = []
    scene.state.events.progress.connect(
        lambda _: seen.append(scene.widget.activity_panel.bar.text())
    )

    def stop_in_the_middle(progress):
        if progress.done == 4:
            scene.predictor.gate.clear()
            mouse.press_key(scene.viewer, "H")

    scene.state.events.progress.connect(stop_in_the_middle)
    encode_all(scene)
    scene.qtbot.waitUntil(lambda: "kept" in scene.state.message.text)
    assert scene.state.phase is Phase.READY
    assert scene.state.message.text == (
        "Stopped after 4 of 8 slices. What is encoded is kept; press again to go on."
    )
    assert any(text.startswith("3 of 8 slices, ") for text in seen), seen
    scene.state.events.progress.disconnect(stop_in_the_middle)
    scene.predictor.gate.set()
    encode_all(scene)
    scene.settle()
    assert sorted(encoded(scene)) == list(range(LENGTH))
    assert " were there." in scene.state.message.text


def test_a_click_is_served_before_the_end(scene):
    scene.press("use_points")
    scene.predictor.gate.clear()
    encode_all(scene)
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.ENCODING)
    asked_at = []
    predict = scene.predictor.predict

    def noted(*arguments):
        asked_at.append(len(scene.predictor.encoded))
        return predict(*arguments)

    scene.predictor.predict = noted
    mouse.click(scene.viewer, LEFT_DISK)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 1
    assert asked_at[0] < LENGTH
    assert len(scene.predictor.encoded) == LENGTH


def test_an_estimate_comes_before_the_rest(scene, embeddings):
    told = []
    scene.state.events.message.connect(lambda message: told.append(message.text))
    encode_all(scene)
    scene.settle()
    assert any(
        text.startswith("Encoding 8 slices, about ") and str(embeddings) in text
        for text in told
    )


def set_room(gigabytes):
    settings().embeddings.room = gigabytes


def test_a_stack_without_room_is_refused_before_it_pushes_itself_out(
    scene, monkeypatch
):
    monkeypatch.setattr(
        "napari_sam_adapter.plugin.layers.kept_embeddings.GIGABYTE", 2000
    )
    set_room(1)
    encode_all(scene)
    scene.settle()
    assert scene.state.message.is_error
    assert "8 slices, about" in scene.state.message.text
    assert len(scene.predictor.encoded) == 1


def test_a_disk_without_space_is_told_before_it_is_full(scene, monkeypatch):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(embedding_room.shutil, "disk_usage", lambda _: usage)
    encode_all(scene)
    scene.settle()
    assert "on that disk" in scene.state.message.text
    assert len(scene.predictor.encoded) == 1


def test_no_room_means_no_folder(scene, embeddings):
    set_room(0)
    encode_all(scene)
    scene.settle()
    assert "Preferences" in scene.state.message.text
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    set_room(1)
    encode_all(scene)
    scene.settle()
    assert len(list(embeddings.iterdir())) == LENGTH


@pytest.fixture
def broken_disk(embeddings):
    embeddings.write_text("a file where the folder should be")
    return embeddings


def test_the_work_goes_on_without_the_disk(broken_disk, scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(3, *LEFT_DISK) == 1
    assert scene.state.message.is_error
    assert "The work goes on" in scene.state.message.text
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    assert not scene.state.message.is_error  # it is said once
    encode_all(scene)
    scene.settle()
    assert "press the button again" in scene.state.message.text
    broken_disk.unlink()
    encode_all(scene)
    scene.settle()
    assert "encoded" in scene.state.message.text
    assert len(list(broken_disk.iterdir())) == LENGTH


def test_another_window_of_intensities_ends_it(scene):
    scene.predictor.shuts_behind_each = True
    scene.predictor.gate.clear()
    encode_all(scene)
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.ENCODING)
    scene.widget.image_window.choose("plane")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: "in another way" in scene.state.message.text)
    scene.settle()
    assert len(scene.predictor.encoded) == 1


def test_a_propagation_that_waits_behind_it_keeps_its_window(scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    encode_all(scene)
    scene.qtbot.waitUntil(
        lambda: scene.controller.segmenter.queue.has(Priority.ENCODING)
    )
    scene.widget.image_window.choose("plane")
    scene.predictor.gate.set()
    scene.settle()
    scene.qtbot.waitUntil(lambda: "in another way" in scene.state.message.text)
    found = (scene.labels == 1).any(axis=(1, 2))
    assert found.tolist() == [False, *[True] * 6, False]


def test_slices_that_cannot_be_encoded_are_counted(open_scene):
    image = unlike(stack(LENGTH))
    image[5] = 7
    scene = open_scene(image)
    encode_all(scene)
    scene.settle()
    assert "7 slices encoded" in scene.state.message.text
    assert "1 cannot be encoded: Expected" in scene.state.message.text


def test_a_session_of_the_window_is_replayed_bit_for_bit(scene, autosaves):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.qtbot.waitUntil(lambda: bool(list(autosaves.glob("*.jsonl"))))
    (path,) = autosaves.glob("*.jsonl")
    again = replay(path, scene.workspace.image.data, PackingDiskPredictor())
    assert np.array_equal(again.labels, scene.labels)
    assert again.store is not None  # rounded, as in the window


def test_a_single_image_has_one_slice(open_scene):
    scene = open_scene(disks())
    scene.controller.do("encode_all")
    scene.settle()
    assert scene.state.message.text == "1 slice encoded, 0 were there."


def test_planes_of_time_series_come_from_the_nearest_point_in_time_on():
    plane = Plane((2, 3), (1, 0))
    positions = [p.position for p in planes_around(plane, (3, 2, 5, 5))]
    assert positions == [(1, 0), (1, 1), (0, 0), (0, 1), (2, 0), (2, 1)]


def test_large_slices_are_refused_after_the_first_window(open_scene, monkeypatch):
    monkeypatch.setattr(
        "napari_sam_adapter.plugin.layers.kept_embeddings.GIGABYTE", 10**6
    )
    set_room(1)
    scene = open_scene(unlike(np.tile(stack(LENGTH), (1, 10, 10))))
    scene.predictor.image_size = 64
    encode_all(scene)
    scene.settle()
    assert "Expected room for 8 slices, about " in scene.state.message.text
    assert len(scene.predictor.encoded) == 1


def test_it_goes_on_when_a_layer_is_removed(scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    encode_all(scene)
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.ENCODING)
    scene.viewer.layers.remove(scene.workspace.layers.shapes)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.state.progress.total == 0
    assert "Stopped" not in scene.state.message.text
