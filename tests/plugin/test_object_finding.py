"""All objects of the slice in view, by one button."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel
from tests.fakes import MarkingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import (
    LEFT_DISK,
    RIGHT_DISK,
    MarkingPredictor,
    disks,
    stack,
)

from napari_sam_adapter.plugin.state import ModelChoice, Phase
from napari_sam_adapter.volume.saving.replaying import replay


@pytest.fixture
def open_scene(make_scene):
    def build(image, **options):
        return make_scene(image, predictor=MarkingPredictor(), name="cells", **options)

    return build


@pytest.fixture
def scene(open_scene):
    return open_scene(disks())


def find(scene):
    scene.press("find_objects")
    scene.settle()


def test_the_button_finds_all_objects(scene):
    find(scene)
    left, right = scene.value(*LEFT_DISK), scene.value(*RIGHT_DISK)
    assert {left, right} == {1, 2}
    assert np.array_equal(scene.labels > 0, disks() > 100)
    assert scene.viewer.layers["cells masks"].data is scene.labels
    assert scene.widget.object_panel.table.model().rowCount() == 2
    assert scene.state.message.text == "2 objects found."
    assert scene.state.progress.total == 0


def test_the_key_does_it_and_one_undo_takes_it_back(scene):
    scene.press("use_points")
    mouse.press_key(scene.viewer, "F", "Shift")
    scene.settle()
    assert scene.labels.max() == 2
    scene.press("undo")
    assert not scene.labels.any()
    assert scene.workspace.session.object_ids == []
    scene.press("redo")
    assert scene.labels.max() == 2


def test_very_many_come_in_by_passes_and_are_one_step(open_scene):
    centres = [
        (8 * row + 4, 8 * column + 4) for row in range(12) for column in range(10)
    ]
    scene = open_scene(disks((96, 80), centres, 2))
    find(scene)
    told = f"{len(centres)} objects found."
    scene.qtbot.waitUntil(lambda: scene.state.message.text == told)
    assert len(np.unique(scene.labels)) == len(centres) + 1
    scene.press("undo")
    assert scene.workspace.session.object_ids == []
    scene.qtbot.waitUntil(lambda: not scene.labels.any())


def test_the_next_click_begins_another_object(scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    find(scene)
    assert scene.value(*RIGHT_DISK) == 2
    assert scene.workspace.object_id == 3


@pytest.mark.parametrize("command", ["propagate", "accept", "release_paint"])
def test_what_needs_an_object_says_that_none_is_chosen_yet(open_scene, command):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 3)
    find(scene)
    scene.press(command)
    scene.settle()
    message = scene.state.message.text
    what_to_do = (
        "Object 3 has no mask yet. Click on an object, or choose one in the table"
    )
    assert message.startswith(what_to_do)
    assert ("all open objects" in message) == (command == "propagate")


def test_a_found_object_is_corrected_like_any_other(scene):
    find(scene)
    number = scene.value(*LEFT_DISK)
    scene.press("use_points")
    scene.controller.choose_object(number)
    scene.click((LEFT_DISK[0] + 4, LEFT_DISK[1]), button=2)
    assert scene.value(LEFT_DISK[0] + 4, LEFT_DISK[1]) == 0
    assert scene.value(*LEFT_DISK) == number


def test_only_the_slice_in_view_is_searched(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 3)
    find(scene)
    assert [int(plane.max()) for plane in scene.labels] == [0, 0, 0, 2, 0, 0, 0, 0]


def test_a_slice_whose_objects_are_all_found_says_so(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 3)
    find(scene)
    before = scene.labels.copy()
    find(scene)
    assert scene.state.message.text.startswith("No more objects found")
    assert (scene.labels == before).all()


def test_an_empty_slice_says_so(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 0)
    find(scene)
    message = scene.state.message.text
    assert message.startswith("Nothing found")
    assert "microscopy or medical or one of your own" in message
    assert not scene.state.can_undo


def test_only_adapters_of_the_model_are_recommended(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 0)
    scene.state.model = ModelChoice("vit_b")
    find(scene)
    assert scene.state.message.text.endswith("under Network: one of your own.")


def test_stop_leaves_everything_as_it_was(scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    before = scene.labels.copy()
    scene.predictor.gate.clear()
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.FINDING)
    scene.press("stop")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert scene.state.phase is Phase.READY
    assert scene.state.message.text == "Stopped. Nothing was changed."
    assert np.array_equal(scene.labels, before)


def test_stop_ends_what_began_last(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.PROPAGATING)
    scene.press("find_objects")
    scene.press("stop")
    assert scene.state.message.text == "Stopped. Nothing was changed."
    assert scene.state.phase is Phase.PROPAGATING
    scene.predictor.gate.set()
    scene.settle()
    assert [int(plane.max()) for plane in scene.labels] == [0, 1, 1, 1, 1, 1, 1, 0]


def test_a_click_during_the_search_keeps_its_pixels(scene):
    scene.press("use_points")
    scene.click(RIGHT_DISK)
    scene.press("undo")
    scene.predictor.gate.clear()
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: scene.state.phase is Phase.FINDING)
    mouse.click(scene.viewer, LEFT_DISK)
    clicked = scene.workspace.object_id
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(*LEFT_DISK) == clicked
    assert scene.value(*RIGHT_DISK) not in (0, clicked)
    assert len(scene.workspace.session.object_ids) == 2


def test_in_3d_it_says_what_to_do(open_scene):
    scene = open_scene(stack())
    scene.viewer.dims.ndisplay = 3
    scene.press("find_objects")
    assert scene.state.message.is_error
    assert not scene.labels.any()


def test_the_autosaved_journal_repeats_it(scene, autosaves):
    find(scene)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, disks(), MarkingDiskPredictor())
    assert np.array_equal(again.labels, scene.labels)


def test_an_image_that_goes_takes_the_search_with_it(scene):
    scene.predictor.gate.clear()
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: scene.state.progress.total > 0)
    session = scene.workspace.session
    scene.viewer.layers.remove("cells")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: not scene.is_working())
    assert session.object_ids == []
    assert scene.state.progress.total == 0


def test_a_layer_that_goes_leaves_the_search_alone(scene):
    scene.predictor.gate.clear()
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: scene.state.progress.total > 0)
    scene.workspace.layers.ensure(scene.labels)
    scene.viewer.layers.remove(scene.workspace.layers.shapes)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: "2 objects found" in scene.state.message.text)
    assert len(scene.workspace.session.object_ids) == 2


def test_an_image_that_goes_meanwhile_ends_the_passes(open_scene, autosaves):
    centres = [
        (8 * row + 4, 8 * column + 4) for row in range(12) for column in range(10)
    ]
    image = disks((96, 80), centres, 2)
    scene = open_scene(image)
    session = scene.workspace.session
    scene.press("find_objects")
    scene.qtbot.waitUntil(lambda: bool(session.object_ids))
    scene.viewer.layers.remove("cells")
    scene.settle()
    (journal,) = autosaves.rglob("*.jsonl")
    again = replay(journal, image, MarkingDiskPredictor())
    assert len(np.unique(again.labels)) == len(centres) + 1


LARGE = [(20, 20), (20, 60), (60, 20), (60, 60)]
SMALL = [(15, 90), (30, 90), (45, 90), (60, 90), (75, 90)]


@pytest.fixture
def mixed(open_scene):
    """Large disks and small ones."""
    image = np.maximum(disks((90, 110), LARGE, 12), disks((90, 110), SMALL, 3))
    scene = open_scene(image)
    scene.press("use_points")
    return scene


def values(scene, centres):
    return [scene.value(*centre) for centre in centres]


def test_find_similar_leaves_out_what_is_of_another_size(mixed):
    mixed.click(LARGE[0])
    mixed.press("find_similar")
    mixed.settle()
    assert set(values(mixed, LARGE)) == {1, 2, 3, 4}
    assert not any(values(mixed, SMALL))
    told = "3 objects found. 5 unlike the examples left out."
    assert mixed.state.message.text == told
    assert mixed.workspace.object_id == 5
    mixed.press("undo")
    assert mixed.workspace.session.object_ids == [1]
    mixed.press("redo")
    assert mixed.labels.max() == 4


def test_its_key_takes_all_objects_of_the_slice_as_examples(mixed):
    mixed.click(SMALL[0])
    mixed.press("next_object")
    mixed.click(SMALL[1])
    mouse.press_key(mixed.viewer, "X", "Shift")
    mixed.settle()
    assert all(values(mixed, SMALL))
    assert not any(values(mixed, LARGE))


def test_several_selected_objects_are_the_examples(mixed):
    for centre in (*SMALL[:2], LARGE[0]):
        mixed.click(centre)
        mixed.press("next_object")
    table = mixed.widget.object_panel.table
    mixed.select_row(0)
    flags = QItemSelectionModel.SelectionFlag
    table.selectionModel().select(table.model().index(1, 0), flags.Select | flags.Rows)
    mixed.press("find_similar")
    mixed.settle()
    assert all(values(mixed, SMALL))
    assert values(mixed, LARGE)[1:] == [0, 0, 0]


def test_without_an_example_it_says_what_to_do(mixed):
    mixed.press("find_similar")
    mixed.settle()
    message = mixed.state.message
    assert message.is_error
    assert "Click on a typical one first" in message.text
    assert not mixed.labels.any()


def test_an_example_of_another_slice_is_none(open_scene):
    scene = open_scene(stack())
    scene.press("use_points")
    scene.viewer.dims.set_current_step(0, 3)
    scene.click((3, *LEFT_DISK))
    scene.viewer.dims.set_current_step(0, 4)
    scene.press("find_similar")
    scene.settle()
    assert "Expected an example on this slice" in scene.state.message.text


def test_a_search_for_similar_ones_is_stopped(mixed):
    mixed.click(LARGE[0])
    before = mixed.labels.copy()
    mixed.predictor.gate.clear()
    mixed.press("find_similar")
    mixed.qtbot.waitUntil(lambda: mixed.predictor.asked > 1)
    mixed.press("stop")
    mixed.predictor.gate.set()
    mixed.settle()
    assert np.array_equal(mixed.labels, before)
    assert mixed.workspace.session.object_ids == [1]


def test_one_kind_and_few_objects_are_all_found(scene):
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.press("find_similar")
    scene.settle()
    assert scene.value(*RIGHT_DISK) == 2
    assert scene.state.message.text == "1 object found."
