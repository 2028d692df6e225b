from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QFocusEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.intensity import CT_WINDOWS, LEARNED, PLANE, IntensityMapping
from napari_sam_adapter.plugin.layers.image_window import REST
from napari_sam_adapter.plugin.panels.image_window_panel import RULES
from napari_sam_adapter.plugin.state import Phase
from napari_sam_adapter.volume.session.session import Session

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack().astype(np.int16) * 10, name="scan")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def choose(scene, rule):
    """Pick a rule by keyboard, as in any list."""
    picker = scene.widget.image_window_panel.picker
    go_to(scene, rule)
    scene.qtbot.waitUntil(lambda: not picker.is_passing)


def go_to(scene, rule):
    """Go through the list with arrow keys."""
    picker = scene.widget.image_window_panel.picker
    row = picker.findData(rule)
    key = Qt.Key.Key_Down if row > picker.currentIndex() else Qt.Key.Key_Up
    while picker.currentIndex() != row:
        QTest.keyClick(picker, key)


def contrast_of(scene):
    return tuple(scene.viewer.layers["scan"].contrast_limits)


def window_of(scene):
    return scene.workspace.session.intensity


def test_the_network_sees_percentiles_of_the_volume_at_first(scene):
    scene.click(LEFT_DISK)
    assert window_of(scene).rule == "percentile"
    assert scene.widget.image_window_panel.picker.currentData() == "percentile"


def test_the_contrast_of_the_layer_is_followed_live(scene):
    scene.click(LEFT_DISK)
    choose(scene, "contrast_limits")
    encoded = len(scene.predictor.encoded)
    scene.viewer.layers["scan"].contrast_limits = (0, 4000)
    scene.qtbot.waitUntil(lambda: window_of(scene).high == 4000)
    scene.click(BETWEEN)
    assert len(scene.predictor.encoded) > encoded
    assert scene.predictor.encoded[-1].max() == 128


@pytest.mark.parametrize("rule", CT_WINDOWS)
def test_a_ct_window_is_one_choice_away(scene, rule):
    choose(scene, rule)
    window = CT_WINDOWS[rule]
    assert window_of(scene) == window
    shown = scene.viewer.layers["scan"].contrast_limits
    assert tuple(shown) == (window.low, window.high)
    scene.click(LEFT_DISK)
    expected = CT_WINDOWS[rule].apply(np.array([[2000]]))[0, 0]
    assert scene.predictor.encoded[-1].max() == expected


def test_only_the_rule_where_the_arrow_keys_stop_counts(scene):
    scene.click(LEFT_DISK)
    window, picker = scene.widget.image_window, scene.widget.image_window_panel.picker
    seen = {"windows": [], "contrasts": []}
    window.changed.connect(lambda: seen["windows"].append(window.rule))
    contrast = scene.viewer.layers["scan"].events.contrast_limits
    contrast.connect(lambda event: seen["contrasts"].append(contrast_of(scene)))
    go_to(scene, "soft tissue")
    window.changed.emit()  # what is shown meanwhile leaves the list alone
    assert picker.currentText() == "CT soft tissue"
    scene.qtbot.waitUntil(lambda: not picker.is_passing)
    soft = CT_WINDOWS["soft tissue"]
    assert set(seen["windows"]) <= {"percentile", "soft tissue"}
    assert set(seen["contrasts"]) == {(soft.low, soft.high)}
    assert window_of(scene) == soft


def test_a_rule_that_is_passed_counts_once_the_user_goes_elsewhere(scene):
    picker = scene.widget.image_window_panel.picker
    go_to(scene, "bone")
    QApplication.sendEvent(picker, QFocusEvent(QEvent.Type.FocusOut))
    assert not picker.is_passing
    assert window_of(scene) == CT_WINDOWS["bone"]


@pytest.mark.parametrize("key", [Qt.Key.Key_G, Qt.Key.Key_Return, Qt.Key.Key_Left])
def test_a_rule_that_is_passed_counts_before_a_key_for_others(scene, key):
    picker = scene.widget.image_window_panel.picker
    go_to(scene, "bone")
    QTest.keyClick(picker, key)
    assert not picker.is_passing
    assert window_of(scene) == CT_WINDOWS["bone"]


def test_all_planes_are_predicted_through_the_rule_that_is_shown(scene):
    scene.click(LEFT_DISK)
    encoded = len(scene.predictor.encoded)
    go_to(scene, "bone")
    QTest.keyClick(scene.widget.image_window_panel.picker, Qt.Key.Key_G)
    scene.settle()
    assert scene.value(5, *LEFT_DISK) == 1
    darkest = CT_WINDOWS["bone"].apply(np.array([[0]]))[0, 0]
    assert {plane.min() for plane in scene.predictor.encoded[encoded:]} == {darkest}


def test_a_rule_that_is_passed_is_not_taken_for_another_image(scene):
    other = scene.viewer.add_image(disks().astype(float))
    go_to(scene, "bone")
    scene.controller.choose_image(other)
    assert shown(scene) == "percentile"
    scene.qtbot.wait(2 * REST)
    assert contrast_of(scene) != (CT_WINDOWS["bone"].low, CT_WINDOWS["bone"].high)
    for workspace in scene.controller.workspaces:
        assert workspace.session.intensity.rule == "percentile"


@pytest.mark.parametrize("gone", ["image", "plugin"])
def test_a_rule_that_is_passed_goes_with_its_image(scene, gone):
    picker = scene.widget.image_window_panel.picker
    go_to(scene, "bone")
    if gone == "image":
        scene.viewer.layers.remove("scan")
        assert picker.currentText() == RULES["percentile"]
    else:
        scene.controller.close()
    assert not picker.is_passing
    scene.qtbot.wait(2 * REST)
    assert not scene.state.message.is_error


def test_a_level_that_follows_its_contrast_is_not_changed_by_another_level(make_scene):
    """A pyramid has one layer, and a session for each level that was used."""
    big = np.kron(disks().astype(np.int16) * 10, np.ones((8, 8), np.int16))
    levels = [big, big[::2, ::2], big[::4, ::4]]
    scene = make_scene(levels, multiscale=True, contrast_limits=(0, 2000), name="scan")
    levels_chosen = scene.widget.image_panel.level_chosen
    choose(scene, "contrast_limits")
    first, before = scene.workspace, window_of(scene)
    levels_chosen.emit(1)
    assert scene.workspace is not first
    choose(scene, "lung")
    levels_chosen.emit(0)
    scene.qtbot.wait(2 * REST)
    assert scene.workspace is first
    assert window_of(scene) == before


def test_linked_layers_get_their_contrast_back(scene):
    scan = scene.viewer.layers["scan"]
    scan.contrast_limits = (0, 500)
    other = scene.viewer.add_image(scan.data + 1, contrast_limits=(0, 500))
    scene.viewer.layers.link_layers([scan, other], ("contrast_limits",))
    for image, rule in zip(
        [scan, other] * 2, ["lung", "bone"] + 2 * ["percentile"], strict=True
    ):
        scene.controller.choose_image(image)
        choose(scene, rule)
    assert tuple(scan.contrast_limits) == tuple(other.contrast_limits) == (0, 500)


def test_the_range_of_the_contrast_from_before_a_ct_window_comes_back(scene):
    scan = scene.viewer.layers["scan"]
    scan.contrast_limits_range = before = (0, 1500)
    choose(scene, "lung")
    choose(scene, "bone")
    assert scan.contrast_limits_range[0] < 0
    choose(scene, "plane")
    assert tuple(scan.contrast_limits_range) == before


@pytest.mark.parametrize("after", ["percentile", "plane", "contrast_limits"])
def test_the_contrast_from_before_a_ct_window_comes_back(scene, after):
    scene.viewer.layers["scan"].contrast_limits = before = (20, 1500)
    choose(scene, "lung")
    choose(scene, "bone")
    assert contrast_of(scene) == (CT_WINDOWS["bone"].low, CT_WINDOWS["bone"].high)
    choose(scene, after)
    assert contrast_of(scene) == before
    if after == "contrast_limits":
        assert (window_of(scene).low, window_of(scene).high) == before


def test_a_contrast_that_the_user_set_since_a_ct_window_stays(scene):
    choose(scene, "lung")
    scene.viewer.layers["scan"].contrast_limits = mine = (-1200, 100)
    choose(scene, "bone")
    choose(scene, "plane")
    assert contrast_of(scene) == mine


def test_a_contrast_that_comes_back_while_a_rule_waits_is_not_of_the_user(scene):
    choose(scene, "contrast_limits")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.PROPAGATING)
    choose(scene, "lung")
    choose(scene, "plane")
    timer = scene.widget.image_window._contrast_timer
    scene.qtbot.waitUntil(lambda: not timer.isActive())
    scene.predictor.gate.set()
    scene.settle()
    assert window_of(scene).rule == "plane"


def test_percentiles_can_be_chosen_again(scene):
    scene.click(LEFT_DISK)
    before = window_of(scene)
    choose(scene, "plane")
    assert window_of(scene).rule == "plane"
    choose(scene, "percentile")
    scene.qtbot.waitUntil(lambda: window_of(scene) == before)


def test_the_picture_shows_what_the_network_sees(scene):
    panel, window = scene.widget.image_window_panel, scene.widget.image_window
    choose(scene, "contrast_limits")
    scene.viewer.layers["scan"].contrast_limits = (0, 4000)
    scene.qtbot.waitUntil(lambda: getattr(window.preview, "high", 0) == 4000)
    assert window.preview.pixels[LEFT_DISK].tolist() == [128, 128, 128]
    assert panel.range.text() == "0 to 4000"
    assert not panel.picture.pixmap().isNull()


def test_the_picture_follows_the_plane_in_view(scene):
    window = scene.widget.image_window
    scene.qtbot.waitUntil(lambda: window.preview is not None)
    scene.viewer.dims.set_current_step(0, 0)
    scene.qtbot.waitUntil(lambda: window.preview.pixels[LEFT_DISK].max() < 100)
    scene.viewer.dims.ndisplay = 3
    scene.qtbot.waitUntil(lambda: window.preview is None)


def test_an_empty_plane_says_why_there_is_no_picture(make_scene):
    image = stack()
    image[0] = 7
    scene = make_scene(image)
    scene.viewer.dims.set_current_step(0, 0)
    text = scene.widget.image_window_panel.range
    scene.qtbot.waitUntil(lambda: "every pixel is 7" in text.text())
    assert not scene.state.message.is_error


def test_a_window_that_leaves_nothing_to_see_says_so(make_scene):
    scene = make_scene(disks().astype(np.float32) + 5000)
    choose(scene, "brain")
    text = scene.widget.image_window_panel.range
    scene.qtbot.waitUntil(lambda: "nothing to see" in text.text())


def test_a_click_on_its_way_is_answered_through_the_new_window(scene):
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    choose(scene, "plane")
    scene.predictor.gate.set()
    scene.settle()
    scene.qtbot.waitUntil(lambda: scene.value(3, *LEFT_DISK) == 1)


def test_a_propagation_ends_before_the_window_changes(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.PROPAGATING)
    choose(scene, "plane")
    assert window_of(scene).rule == "percentile"
    scene.predictor.gate.set()
    scene.settle()
    assert window_of(scene).rule == "plane"
    assert scene.value(5, *LEFT_DISK) == 1


def test_a_ct_window_that_waits_is_not_taken_for_a_contrast_of_the_user(scene):
    choose(scene, "contrast_limits")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.PROPAGATING)
    choose(scene, "lung")
    timer = scene.widget.image_window._contrast_timer
    scene.qtbot.waitUntil(lambda: not timer.isActive())
    scene.predictor.gate.set()
    scene.settle()
    assert window_of(scene) == CT_WINDOWS["lung"]


def test_windows_of_two_images_wait_for_the_end_of_a_propagation(scene):
    scan = scene.viewer.layers["scan"]
    other = scene.viewer.add_image(disks().astype(float))
    scene.controller.choose_image(scan)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.PROPAGATING)
    choose(scene, "bone")
    scene.controller.choose_image(other)
    choose(scene, "lung")
    scene.predictor.gate.set()
    scene.settle()
    assert window_of(scene) == CT_WINDOWS["lung"]
    scene.controller.choose_image(scan)
    assert window_of(scene) == CT_WINDOWS["bone"]


def test_8_bit_colours_leave_no_choice(make_scene):
    scene = make_scene(np.stack([disks()] * 3, axis=-1), rgb=True)
    assert not scene.widget.image_window_panel.picker.isEnabled()
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    assert scene.widget.image_window_panel.picker.currentText() == "8-bit colours"


def test_each_image_has_its_own_window(scene):
    choose(scene, "lung")
    other = scene.viewer.add_image(disks().astype(float))
    scene.controller.choose_image(other)
    picker = scene.widget.image_window_panel.picker
    assert picker.currentText() == RULES["percentile"]
    scene.controller.choose_image(scene.viewer.layers["scan"])
    assert picker.currentText() == "CT lung"


@pytest.mark.parametrize("just_before", [False, True])
def test_contrast_that_changes_while_another_image_is_in_use_counts(scene, just_before):
    scan = scene.viewer.layers["scan"]
    choose(scene, "contrast_limits")
    other = scene.viewer.add_image(disks().astype(float))
    if just_before:  # the timer ends
        scan.contrast_limits = (0, 4000)
    scene.controller.choose_image(other)
    scan.contrast_limits = (0, 4000)
    scene.controller.choose_image(scan)
    assert shown(scene) == "contrast_limits"
    assert window_of(scene).high == 4000


def test_a_window_of_a_session_is_not_that_of_the_layer(scene):
    kept = IntensityMapping("contrast_limits", 10, 3000)
    scene.workspace.session.intensity = kept
    other = scene.viewer.add_image(disks().astype(float))
    scene.controller.choose_image(other)
    scene.controller.choose_image(scene.viewer.layers["scan"])
    assert window_of(scene) == kept


class SlowPixels:
    """Lie on a disk that waits while the gate is shut."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.ndim = (
            data, data.shape, data.dtype, data.ndim,
        )  # fmt: skip
        self.gate, self.is_asked = threading.Event(), threading.Event()
        self.gate.set()

    def __getitem__(self, key):
        if threading.current_thread() is not threading.main_thread():
            self.is_asked.set()
            assert self.gate.wait(20)
        return self.data[key]

    def __array__(self, dtype=None, copy=None):
        return self[...]


@pytest.fixture
def slow(make_scene):
    """A scene whose percentiles are being looked for."""
    pixels = SlowPixels(stack().astype(np.int16) * 10)
    scene = make_scene(pixels, name="scan", contrast_limits=(0, 2000))
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    choose(scene, "plane")
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    pixels.gate.clear()
    pixels.is_asked.clear()
    choose(scene, "percentile")
    scene.qtbot.waitUntil(pixels.is_asked.is_set)
    yield scene, pixels.gate
    pixels.gate.set()


@pytest.mark.parametrize("gone", ["image", "session"])
def test_a_window_that_comes_too_late_is_dropped(slow, gone):
    scene, gate = slow
    workspace, session = scene.workspace, scene.workspace.session
    before = session.intensity
    if gone == "image":
        scene.viewer.layers.remove("scan")
    else:
        scene.controller.segmenter.forget(workspace)
        volume = session.volume.with_intensity(CT_WINDOWS["bone"])
        workspace.take_session(Session(volume))
    message, window = scene.state.message, workspace.session.intensity
    gate.set()
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    assert session.intensity == before
    assert workspace.session.intensity == window
    assert scene.state.message == message


def test_a_window_that_comes_late_is_that_of_its_image(slow):
    scene, gate = slow
    scan = scene.workspace
    other = scene.viewer.add_image(disks().astype(float))
    scene.controller.choose_image(other)
    choose(scene, "lung")
    before = scene.state.message
    gate.set()
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    assert scan.session.intensity.rule == "percentile"
    assert window_of(scene) == CT_WINDOWS["lung"]
    assert scene.state.message == before


def load(scene, window):
    """Load the network with an adapter that was trained through a window."""
    scene.predictor.intensity = window
    scene.state.loaded = None
    scene.controller.load_model()
    scene.settle()


def shown(scene):
    return scene.widget.image_window_panel.picker.currentData()


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        (CT_WINDOWS["soft tissue"], "soft tissue"),
        (IntensityMapping(PLANE), PLANE),
        (IntensityMapping("contrast_limits", -500, 4000), LEARNED),
    ],
)
def test_an_image_is_seen_as_the_adapter_learned(scene, window, rule):
    load(scene, window)
    assert window_of(scene) == replace(window, rule=rule)
    assert shown(scene) == rule
    scene.click(LEFT_DISK)
    expected = window.apply(scene.viewer.layers["scan"].data[3])
    encoded = scene.predictor.encoded
    assert any(np.array_equal(plane, expected) for plane in encoded)
    scene.viewer.layers["scan"].contrast_limits = (0, 9000)
    scene.qtbot.wait(2 * REST)
    assert window_of(scene) == replace(window, rule=rule)


def test_the_first_click_is_answered_as_the_adapter_learned(scene):
    scene.predictor.intensity = IntensityMapping("contrast_limits", 0, 4000)
    scene.click(LEFT_DISK)
    assert {plane.max() for plane in scene.predictor.encoded} == {128}
    assert scene.value(3, *LEFT_DISK) == 1


def test_without_the_adapter_the_image_is_seen_by_percentiles_again(scene):
    load(scene, CT_WINDOWS["lung"])
    load(scene, CT_WINDOWS["bone"])
    assert shown(scene) == "bone"
    load(scene, None)
    scene.qtbot.waitUntil(lambda: window_of(scene).rule == "percentile")
    assert shown(scene) == "percentile"


def test_a_window_of_the_user_stays_whatever_an_adapter_learned(scene):
    choose(scene, "brain")
    load(scene, CT_WINDOWS["bone"])
    assert shown(scene) == "brain"
    choose(scene, "percentile")
    scene.qtbot.waitUntil(lambda: window_of(scene).rule == "percentile")
    scene.click(LEFT_DISK)
    assert shown(scene) == "percentile"
    picker = scene.widget.image_window_panel.picker
    picker.setCurrentIndex(picker.findData(LEARNED) - 1)
    QTest.keyClick(picker, Qt.Key.Key_Down)
    scene.qtbot.waitUntil(lambda: not picker.is_passing)
    assert shown(scene) == "bone"


def test_as_learned_can_be_chosen_where_an_adapter_tells_it(scene):
    picker = scene.widget.image_window_panel.picker
    item = picker.model().item(picker.findData(LEARNED))
    assert not item.isEnabled()
    load(scene, IntensityMapping("contrast_limits", 0, 4000))
    assert item.isEnabled()
    choose(scene, "bone")
    choose(scene, LEARNED)
    assert (window_of(scene).low, window_of(scene).high) == (0, 4000)


def test_another_image_is_seen_as_the_adapter_learned_too(scene):
    load(scene, CT_WINDOWS["bone"])
    second = scene.viewer.add_image(stack().astype(np.int16), name="second")
    scene.controller.choose_image(second)
    assert shown(scene) == "bone"


def test_8_bits_are_seen_as_they_are_whatever_an_adapter_learned(make_scene):
    scene = make_scene(stack().astype(np.uint8))
    load(scene, CT_WINDOWS["bone"])
    assert window_of(scene).rule == "percentile"
