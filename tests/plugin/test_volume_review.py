"""The strip of slices, doubtful slices, locks, and other ways to follow objects."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

from napari_sam_adapter.plugin.panels.volume_panel import METHODS
from napari_sam_adapter.volume.planes.planes import Plane

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


@pytest.fixture
def panel(scene):
    return scene.widget.volume_panel


def follow(scene):
    mouse.press_key(scene.viewer, "G")
    scene.settle()


def shown(scene):
    return int(scene.viewer.dims.current_step[0])


def told(scene):
    return scene.state.message.text


def where(scene, point):
    return [z for z in range(8) if scene.value(z, *point)]


def test_the_strip_shows_where_the_object_is(scene, panel):
    scene.click(LEFT_DISK)
    follow(scene)
    slices = panel.strip.slices
    assert panel.strip.length == 8
    assert slices[3].is_anchor
    assert sorted(slices) == [1, 2, 3, 4, 5, 6]
    assert all(slices[z].confidence > 0.5 for z in (1, 2, 4, 5, 6))


def test_a_click_on_the_strip_goes_to_the_slice(scene, panel, qtbot):
    strip = panel.strip
    spot = strip.rect().center()
    spot.setX(int(strip.width() * 6.5 / 8))
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=spot)
    assert shown(scene) == 6


def test_the_key_jumps_from_one_doubtful_slice_to_the_next(scene):
    scene.predictor.score = 0.0
    scene.click(LEFT_DISK)
    follow(scene)
    doubts = scene.workspace.session.doubts(1)
    assert len(doubts) > 1
    for doubt in doubts:
        mouse.press_key(scene.viewer, "J", "Shift")
        assert shown(scene) == doubt.plane.position[0]
    assert not scene.state.message.is_error
    mouse.press_key(scene.viewer, "J", "Shift")
    assert scene.state.message.is_error


def test_a_doubtful_slice_is_fixed_and_only_its_neighbours_follow(make_scene):
    image = stack(12, 1, 10)
    small = disks(centres=(LEFT_DISK, RIGHT_DISK), radius=6)
    image[6:9] = small  # much smaller there: doubtful
    scene = make_scene(image, name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.predictor.score = 0.55
    scene.click(LEFT_DISK)
    follow(scene)
    doubts = scene.workspace.session.doubts(1)
    assert doubts
    mouse.press_key(scene.viewer, "J", "Shift")
    assert shown(scene) == doubts[0].plane.position[0]
    assert "1 of" in scene.state.message.text
    before = len(scene.predictor.predicted)
    scene.click(LEFT_DISK)
    follow(scene)
    redone = len(scene.predictor.predicted) - before
    assert redone < 2 * 11


def test_a_locked_slice_is_left_alone(scene, panel):
    scene.click(LEFT_DISK)
    follow(scene)
    scene.viewer.dims.set_current_step(0, 5)
    mouse.press_key(scene.viewer, "W", "Shift")
    assert panel.strip.slices[5].is_locked
    mouse.press_key(scene.viewer, "W", "Shift")
    assert not panel.strip.slices[5].is_locked
    scene.press("undo")
    assert panel.strip.slices[5].is_locked


def test_an_object_ends_where_the_user_says_so(scene):
    scene.click(LEFT_DISK)
    scene.viewer.dims.set_current_step(0, 5)
    mouse.press_key(scene.viewer, "E", "Shift")
    follow(scene)
    assert where(scene, LEFT_DISK) == [1, 2, 3, 4]
    assert "until where you said it ends or the object ended." in told(scene)


def test_the_image_ends_only_where_there_are_no_more_slices(make_scene):
    scene = make_scene(stack(first=0, last=7), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.widget.volume_panel.range.setValue((2, 5))
    follow(scene)
    assert told(scene).endswith(", until the range ended.")
    scene.widget.volume_panel.range.setValue((0, 7))
    follow(scene)
    assert told(scene).endswith(", until the image ended.")


def test_no_score_is_shown_where_there_is_no_mask(make_scene):
    image = stack()
    image[5:7] = disks(centres=(LEFT_DISK,), radius=18)  # the mask jumps
    scene = make_scene(image, name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    follow(scene)
    for z in range(8):
        scene.viewer.dims.set_current_step(0, z)
        assert (scene.state.score is None) == (scene.value(z, *LEFT_DISK) == 0)


def test_an_object_without_a_mask_has_no_doubtful_slices(scene):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "N")
    mouse.press_key(scene.viewer, "J", "Shift")
    assert told(scene).startswith("Object 2 has no mask yet.")
    assert "choose one in the table" in told(scene)


def test_nothing_is_written_outside_of_the_range(scene, panel):
    scene.click(LEFT_DISK)
    panel.range.setValue((2, 4))
    follow(scene)
    assert where(scene, LEFT_DISK) == [2, 3, 4]


def test_without_a_network_slices_between_drawn_ones_are_filled(scene, panel):
    scene.click(LEFT_DISK)
    scene.viewer.dims.set_current_step(0, 6)
    scene.click(LEFT_DISK)
    asked = len(scene.predictor.predicted)
    panel.method.setCurrentText("without network")
    panel.method.activated.emit(panel.method.currentIndex())
    assert METHODS[panel.method.currentText()] == scene.state.follow.method
    follow(scene)
    assert where(scene, LEFT_DISK) == [3, 4, 5, 6]
    assert len(scene.predictor.predicted) == asked


def test_all_open_objects_are_followed_together(scene, panel):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "N")
    scene.click(RIGHT_DISK)
    panel.everything.click()
    follow(scene)
    assert where(scene, LEFT_DISK) == where(scene, RIGHT_DISK) == [1, 2, 3, 4, 5, 6]
    assert set(np.unique(scene.labels)) == {0, 1, 2}


def test_time_is_followed_if_it_is_chosen(make_scene):
    scene = make_scene(np.stack([stack(4, 0, 3)] * 3), name="movie")
    panel = scene.widget.volume_panel
    scene.viewer.dims.set_current_step(0, 1)
    scene.viewer.dims.set_current_step(1, 2)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert panel.axis.count() == 2
    panel.axis.setCurrentIndex(0)
    panel.axis.activated.emit(0)
    assert panel.strip.length == 3
    follow(scene)
    found = np.argwhere(scene.labels[:, :, LEFT_DISK[0], LEFT_DISK[1]])
    assert found.tolist() == [[0, 2], [1, 2], [2, 2]]
    assert scene.workspace.session.slices(1, Plane((2, 3), (1, 2)), 0).keys() == {
        0,
        1,
        2,
    }


def test_a_single_plane_has_no_slices(make_scene):
    scene = make_scene(disks(), name="cell")
    assert not scene.widget.volume_panel.isEnabled()


def test_axes_are_called_as_at_the_sliders(make_scene):
    scene = make_scene(stack(), name="cells", axis_labels=("z", "y", "x"))
    assert scene.widget.volume_panel.axis.currentText() == "z"


def test_an_axis_without_a_name_is_counted(scene, panel):
    assert panel.axis.currentText() == "axis 0"


def test_an_unreadable_slice_of_the_strip_is_told(make_scene):
    def read(block_info=None):
        ((z, _), *_) = block_info[None]["array-location"]
        if z == 5:
            raise OSError("disk gone")
        return stack()[z : z + 1]

    chunks = (1,) * 8, (64,), (80,)
    scene = make_scene(da.map_blocks(read, chunks=chunks, dtype=np.uint8), name="lazy")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.widget.volume_panel.index_chosen.emit(5)
    assert scene.state.message.is_error
