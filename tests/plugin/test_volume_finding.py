"""All objects of all slices, by one button."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import (
    BETWEEN,
    LEFT_DISK,
    RIGHT_DISK,
    MarkingPredictor,
    disks,
    stack,
)

from napari_sam_adapter.plugin.state import ModelChoice, Phase
from napari_sam_adapter.volume.finding.volume_search import find_in_volume
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

LENGTH = 8


def changing_stack(length=LENGTH):
    """Return a stack with one disk on slices 1 to 4, another one on 3 to 6."""
    parts = [
        [
            place
            for place, inside in ((LEFT_DISK, 1 <= z <= 4), (RIGHT_DISK, 3 <= z <= 6))
            if inside
        ]
        for z in range(length)
    ]
    return np.stack([disks(centres=centres) for centres in parts])


@pytest.fixture
def open_scene(make_scene):
    def build(image, **options):
        options = {"name": "cells"} | options
        return make_scene(image, predictor=MarkingPredictor(), **options)

    return build


@pytest.fixture
def scene(open_scene):
    return open_scene(changing_stack())


def find(scene):
    scene.press("find_in_volume")
    scene.settle()


def begin(scene, asked=1):
    """Begin, and go on until the network is asked about the first object."""
    scene.predictor.gate.clear()
    scene.predictor.asked = 0
    scene.press("find_in_volume")
    scene.qtbot.waitUntil(lambda: scene.predictor.asked >= asked)


def go_on_to_the_end(scene):
    scene.predictor.gate.set()
    scene.settle()


def slices_of(scene, number):
    return np.flatnonzero((scene.labels == number).any(axis=(1, 2))).tolist()


def test_one_press_finds_and_follows_everything(scene):
    find(scene)
    assert np.array_equal(scene.labels > 0, changing_stack() > 100)
    assert slices_of(scene, 1) == [1, 2, 3, 4]
    assert slices_of(scene, 2) == [3, 4, 5, 6]
    message = scene.state.message.text
    assert message.startswith("2 objects found on 8 slices.")
    assert scene.viewer.layers["cells masks"].data is scene.labels
    assert scene.widget.object_panel.table.model().rowCount() == 2
    assert scene.state.progress.total == 0
    assert scene.workspace.object_id == 3


def test_the_library_finds_the_same(scene):
    find(scene)
    session = Session(changing_stack(), MarkingDiskPredictor())
    list(find_in_volume(session, [Plane((1, 2), (z,)) for z in range(LENGTH)]))
    assert np.array_equal(session.labels, scene.labels)


def test_one_undo_takes_all_of_it(scene):
    find(scene)
    labels = scene.labels.copy()
    scene.press("undo")
    assert not scene.labels.any()
    assert scene.workspace.session.object_ids == []
    assert "search that found 2 objects" in scene.state.message.text
    scene.press("redo")
    assert np.array_equal(scene.labels, labels)


def test_the_slice_in_view_is_looked_at_first(scene):
    find(scene)
    (anchor,) = scene.workspace.session.anchors(1)
    assert anchor == scene.workspace.plane_in_view()


def test_only_the_range_is_looked_at_and_written(scene):
    scene.widget.volume_panel.range.setValue((4, 5))
    find(scene)
    assert scene.labels.any(axis=(1, 2)).tolist() == [
        4 <= z <= 5 for z in range(LENGTH)
    ]
    assert "2 objects found on 2 slices." in scene.state.message.text


def test_stop_keeps_what_is_found(scene):
    scene.press("use_points")
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    scene.predictor.gate.clear()
    assert scene.state.phase is Phase.PROPAGATING
    assert scene.state.progress.total == LENGTH
    scene.press("stop")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.state.phase is Phase.READY
    assert scene.state.message.text.startswith("Stopped after ")
    assert scene.state.message.text.endswith("stays; Undo takes it back.")
    assert scene.labels.any()
    scene.press("undo")
    assert not scene.labels.any()
    assert not scene.state.can_undo


def test_stop_finishes_what_was_seen(scene):
    begin(scene)
    scene.press("stop")
    assert scene.state.message.text.startswith("Finishing what was seen so far")
    go_on_to_the_end(scene)
    assert np.array_equal(scene.labels > 0, changing_stack() > 100)
    text = scene.state.message.text
    assert text.startswith("Stopped after 1 of 8 slices.")
    assert text.endswith("stays; Undo takes it back.")


def test_an_error_while_it_finishes_is_told(scene):
    begin(scene)
    scene.press("stop")
    scene.workspace.session.predictor = MarkingPredictor()  # as a click does
    go_on_to_the_end(scene)
    assert scene.state.message.is_error
    assert not scene.state.is_busy


@pytest.mark.slow
def test_stop_pressed_again_leaves_it_out(scene):
    begin(scene)
    scene.press("stop")
    scene.press("stop")
    go_on_to_the_end(scene)
    assert scene.state.message.text.endswith("Nothing was changed.")
    assert not scene.labels.any()
    assert not scene.state.can_undo


@pytest.mark.slow
def test_undo_meanwhile_ends_it_and_takes_all(scene):
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: len(scene.workspace.session.object_ids) > 0)
    scene.press("undo")
    scene.settle()
    assert not scene.labels.any()
    assert scene.workspace.session.object_ids == []


def test_a_click_meanwhile_is_answered_and_keeps_its_pixels(scene):
    scene.viewer.dims.set_current_step(0, 5)
    scene.press("use_points")
    begin(scene)
    clicked = scene.workspace.object_id
    mouse.click(scene.viewer, RIGHT_DISK)
    go_on_to_the_end(scene)
    session = scene.workspace.session
    assert scene.value(5, *RIGHT_DISK) == clicked
    assert scene.value(2, *LEFT_DISK) not in (0, clicked)
    assert scene.workspace.object_id == clicked
    assert len(session.prompts(clicked, Plane((1, 2), (5,))).points) == 1


@pytest.mark.slow
def test_an_object_that_is_corrected_meanwhile_stays_the_one_under_work(scene):
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    begin(scene)
    mouse.click(scene.viewer, LEFT_DISK)
    chosen = scene.workspace.object_id
    go_on_to_the_end(scene)
    assert scene.workspace.object_id == chosen
    assert len(scene.workspace.session.object_ids) >= 2


@pytest.mark.slow
def test_it_ends_where_another_network_answers_a_click(scene):
    scene.viewer.dims.set_current_step(0, 5)
    scene.press("use_points")
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    scene.predictor = other = MarkingPredictor()
    scene.controller.segmenter._load = lambda choice: other
    scene.controller.choose_model(ModelChoice("other"))
    scene.controller.load_model()
    scene.qtbot.waitUntil(lambda: scene.state.loaded == ModelChoice("other"))
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.settle()
    assert scene.workspace.session.predictor is other
    assert scene.state.phase is Phase.READY


@pytest.mark.slow
def test_it_does_not_ask_a_network_on_that_is_no_longer_in_use(open_scene):
    length = 40
    scene = open_scene(np.stack([disks(centres=[LEFT_DISK])] * length))
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    scene.workspace.session.predictor = MarkingPredictor()  # as a click does
    go_on_to_the_end(scene)
    assert scene.predictor.asked <= asked + 8  # what was asked for at once; all are 40
    assert scene.state.message.is_error
    assert "Search again" in scene.state.message.text
    assert not scene.state.is_busy


@pytest.mark.slow
def test_undo_is_promised_only_where_it_takes_back_all(open_scene):
    scene = open_scene(np.stack([disks(centres=[LEFT_DISK])] * 40))
    scene.press("use_points")
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    scene.predictor.gate.clear()
    session = scene.workspace.session
    session.add_point(session.new_object(), Plane((1, 2), (0,)), BETWEEN)
    scene.press("stop")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.state.message.text.endswith("What was found stays.")


@pytest.mark.slow
def test_a_stroke_meanwhile_is_not_mixed_with_masks(scene):
    scene.viewer.dims.set_current_step(0, 2)
    scene.press("use_points")
    scene.workspace.layers.ensure(scene.labels)
    labels = scene.workspace.layers.labels
    begin(scene)
    scene.viewer.layers.selection.active = labels
    labels.selected_label, labels.mode, labels.brush_size = 1, "paint", 3

    def go_on():
        scene.predictor.gate.set()
        scene.qtbot.waitUntil(lambda: scene.controller.segmenter._pause.is_waiting)

    mouse.drag(scene.viewer, BETWEEN, (BETWEEN[0], BETWEEN[1] + 4), go_on)
    scene.settle()
    assert scene.value(2, *BETWEEN) == 1
    assert scene.value(2, *LEFT_DISK) not in (0, 1)


def test_an_image_that_goes_takes_the_search_with_it(scene, autosaves):
    begin(scene)
    session = scene.workspace.session
    scene.viewer.layers.remove("cells")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert session.object_ids == []
    assert scene.state.progress.total == 0
    assert not scene.state.is_busy


@pytest.mark.slow
def test_another_image_lets_it_go_on(scene):
    session = scene.workspace.session
    begin(scene)
    scene.viewer.add_image(changing_stack(), name="others")
    scene.controller.choose_image(scene.viewer.layers["others"])
    go_on_to_the_end(scene)
    assert np.array_equal(session.labels > 0, changing_stack() > 100)
    assert not scene.labels.any()


@pytest.mark.slow
def test_a_closed_widget_ends_it(scene, autosaves):
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    session = scene.workspace.session
    scene.controller.close()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, changing_stack(), MarkingDiskPredictor())
    assert np.array_equal(again.labels, session.labels)


def test_the_journal_repeats_it_in_one_step(scene, autosaves):
    find(scene)
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, changing_stack(), MarkingDiskPredictor())
    assert np.array_equal(again.labels, scene.labels)
    again.undo()
    assert not again.labels.any()


@pytest.mark.slow
def test_blank_slices_are_passed_over_and_told(open_scene):
    image = changing_stack()
    image[[0, 7]] = 0
    scene = open_scene(image)
    find(scene)
    assert scene.workspace.session.object_ids == [1, 2]
    assert "2 objects found on 8 slices. Not looked at: 0 and 1 more." in (
        scene.state.message.text
    )


def test_slices_without_objects_say_what_to_do(open_scene):
    scene = open_scene(stack(first=5))
    scene.widget.volume_panel.range.setValue((0, 3))
    find(scene)
    assert scene.state.message.text.startswith("Nothing found on these slices. Click")
    assert not scene.state.can_undo


def test_pressed_again_it_says_that_there_are_no_more(scene):
    find(scene)
    labels = scene.labels.copy()
    find(scene)
    assert scene.state.message.text.startswith("No more objects found on these slices")
    assert np.array_equal(scene.labels, labels)


@pytest.mark.slow
def test_only_the_time_in_view_is_searched(open_scene):
    film = np.stack([changing_stack()] * 3)
    scene = open_scene(film)
    scene.viewer.dims.set_current_step(0, 1)
    find(scene)
    assert np.array_equal(scene.labels[1] > 0, film[1] > 100)
    assert not scene.labels[[0, 2]].any()


@pytest.mark.slow
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_slices_are_those_of_the_view(open_scene, order):
    scene = open_scene(changing_stack())
    scene.viewer.dims.order = order
    find(scene)
    assert (scene.labels[changing_stack() > 100] > 0).mean() > 0.8
    (anchor,) = scene.workspace.session.anchors(1)
    assert anchor.other_axes == (order[0],)


@pytest.mark.slow
def test_a_pyramid_is_searched_at_the_level_in_use(open_scene):
    image = changing_stack()
    scene = open_scene([image, image[:, ::2, ::2]], multiscale=True)
    find(scene)
    assert np.array_equal(scene.labels > 0, image > 100)


def test_it_is_not_offered_for_a_picture(open_scene):
    button = "find_in_volume"
    scene = open_scene(disks())
    assert not scene.widget.annotation_panel.buttons[button].isVisibleTo(scene.widget)
    scene.viewer.add_image(changing_stack(), name="volume")
    scene.controller.choose_image(scene.viewer.layers["volume"])
    assert scene.widget.annotation_panel.buttons[button].isVisibleTo(scene.widget)


def test_in_3d_it_says_what_to_do(scene):
    scene.viewer.dims.ndisplay = 3
    scene.press("find_in_volume")
    assert scene.state.message.is_error
    assert not scene.state.is_busy


@pytest.mark.slow
def test_propagate_takes_its_place(scene):
    begin(scene)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.workspace.session.object_ids))
    scene.controller.choose_object(1)
    scene.controller.do("propagate")
    ends = "Followed object 1", "Object 1 is up to date"
    scene.qtbot.waitUntil(lambda: scene.state.message.text.startswith(ends))


def test_the_panel_fits_300_pixels(scene):
    assert scene.widget.minimumSizeHint().width() <= 300
