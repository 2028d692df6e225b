from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, corner_of, disks, stack

from napari_sam_adapter.plugin.background import Priority
from napari_sam_adapter.plugin.state import Tool

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    """The plane is encoded, the preview is on."""
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.press("next_object")
    mouse.press_key(scene.viewer, "H", "Shift")
    # Its layer comes a moment after the tool, and hides what is shown by then.
    looks = scene.widget.candidates.overlay
    scene.qtbot.waitUntil(lambda: looks.layer is not None)
    return scene


def overlay(scene):
    return scene.widget.preview.overlay.layer


def is_shown(scene):
    return scene.widget.preview.overlay.is_shown


def hover(scene, point, **options):
    mouse.move(scene.viewer, point, **options)
    scene.qtbot.waitUntil(lambda: is_shown(scene))


def wish(scene, point):
    """Move the mouse and wait until a preview of this point is asked for."""

    def is_asked():
        wanted = scene.widget.preview._wanted
        return wanted and np.allclose(
            wanted.request.prompts.points[-1], point, atol=0.6
        )

    mouse.move(scene.viewer, point)
    scene.qtbot.waitUntil(is_asked)


def test_the_mask_under_the_mouse_is_shown_and_leaves_no_trace(scene):
    session = scene.workspace.session
    labels, steps = scene.labels.copy(), len(session._document.history.done)
    hover(scene, LEFT_DISK)
    assert (
        np.count_nonzero(overlay(scene).data)
        == (disks((64, 80), [LEFT_DISK]) == 200).sum()
    )
    assert corner_of(overlay(scene)) == pytest.approx((3, 12, 12))
    assert np.array_equal(scene.labels, labels)
    assert len(session._document.history.done) == steps
    assert session.object_ids == [1]
    assert len(scene.workspace.layers.points.data) == 0


def test_a_click_gives_what_was_shown(scene):
    hover(scene, LEFT_DISK)
    shown = np.count_nonzero(overlay(scene).data)
    scene.click(LEFT_DISK)
    assert not is_shown(scene)
    assert np.count_nonzero(scene.labels[3] == 2) == shown


def test_a_correction_is_shown_too(scene):
    scene.click(LEFT_DISK)
    before = np.count_nonzero(scene.labels[3] == 2)
    hover(scene, (20, 25), modifiers=("Shift",))
    assert 0 < np.count_nonzero(overlay(scene).data) < before


def test_only_the_newest_position_is_computed(scene):
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.move(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == asked + 1)
    hovered = [(20, column) for column in range(14, 27)]
    for point in hovered:
        wish(scene, point)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.predictor.asked == asked + 2
    points = scene.predictor.predicted[-1][0].points
    assert points[-1] == pytest.approx(hovered[-1], abs=0.6)
    assert is_shown(scene)


def test_previews_come_while_the_mouse_moves(scene):
    hover(scene, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    layer, shown = overlay(scene), []

    def note(event):
        if layer.data.any():
            shown.append(tuple(corner_of(layer)))

    layer.events.set_data.connect(note)
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    wish(scene, RIGHT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    wish(scene, (21, 21))
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: (3, 36, 52) in shown)
    scene.qtbot.waitUntil(lambda: shown[-1:] == [(3, 12, 12)])


def test_it_stays_when_there_is_news_of_something_else(scene):
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.move(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    scene.controller.update()
    scene.viewer.add_points(name="of the user")
    scene.press("use_points")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: is_shown(scene))
    scene.controller.update()
    assert is_shown(scene)


def test_it_stays_when_another_layer_is_added(scene):
    hover(scene, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    looks = scene.widget.candidates.overlay
    scene.viewer.layers.remove(looks.layer)
    hover(scene, LEFT_DISK)
    tools = []
    scene.state.events.tool.connect(tools.append)
    looks.prepare(scene.workspace.level)
    assert tools == [Tool.NONE, Tool.POINTS]
    QApplication.processEvents()
    assert is_shown(scene)


def test_a_click_goes_before_a_waiting_preview(scene):
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    mouse.move(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == asked + 1)
    wish(scene, (21, 21))
    mouse.click(scene.viewer, LEFT_DISK)
    assert not scene.controller.segmenter.queue.has(Priority.PREVIEW)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *LEFT_DISK) == 2
    assert not is_shown(scene)


@pytest.mark.parametrize("way", ["other tool", "switched off", "no image"])
def test_it_is_gone_when_it_is_not_wanted(scene, way):
    hover(scene, LEFT_DISK)
    if way == "other tool":
        scene.press("use_boxes")
    elif way == "switched off":
        mouse.press_key(scene.viewer, "H", "Shift")
    else:
        scene.viewer.layers.remove(scene.workspace.image)
    scene.qtbot.waitUntil(lambda: not is_shown(scene))
    mouse.move(scene.viewer, RIGHT_DISK)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert not is_shown(scene)


def test_beside_the_image_nothing_is_shown(scene):
    hover(scene, LEFT_DISK)
    mouse.move(scene.viewer, (-10, 10))
    scene.qtbot.waitUntil(lambda: not is_shown(scene))
    assert not scene.state.message.is_error


def test_a_new_plane_is_encoded_for_it(scene):
    encoded = len(scene.predictor.encoded)
    scene.viewer.dims.set_current_step(0, 4)
    mouse.move(scene.viewer, (21, 20))
    scene.qtbot.waitUntil(lambda: len(scene.predictor.encoded) > encoded)
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    hover(scene, LEFT_DISK)
    assert corner_of(overlay(scene))[0] == 4


def test_switching_on_loads_the_network(make_scene):
    scene = make_scene(disks())
    scene.press("use_points")
    scene.widget.prompt_panel.buttons["switch_preview"].click()
    scene.settle()
    assert len(scene.loads) == 1
    assert scene.state.preview
