from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, GatedPredictor, disks, stack

from napari_sam_adapter.plugin.network.propagation_run import PropagationRun
from napari_sam_adapter.plugin.state import Phase
from napari_sam_adapter.volume.document.journal_entries import StartPropagation
from napari_sam_adapter.volume.journal.journal_file import read_journal
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.saving.replaying import replay


@pytest.fixture
def scene(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    return scene


def test_propagation_follows_the_object_to_its_ends(scene):
    scene.click(LEFT_DISK)
    mouse.press_key(scene.viewer, "G")
    scene.settle()
    here = [z for z in range(8) if scene.value(z, *LEFT_DISK)]
    assert here == [1, 2, 3, 4, 5, 6]
    assert scene.state.progress.total == 0


def test_running_propagation_is_painted_where_it_cuts_the_view(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.viewer.dims.order = (1, 0, 2)
    scene.viewer.dims.set_current_step(1, LEFT_DISK[0])
    repaints = []
    scene.workspace.layers.labels.events.set_data.connect(repaints.append)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(6, *LEFT_DISK) == 1
    assert 1 <= len(repaints) < 6


def test_progress_is_shown_now_and_then_not_for_every_plane(scene):
    scene.click(LEFT_DISK)
    scene.controller._segmenter._propagating._repaint_timer.setInterval(3_600_000)
    seen = []
    scene.state.events.progress.connect(lambda progress: seen.append(progress.done))
    scene.press("propagate")
    run = scene.controller._segmenter._propagating._run
    scene.settle()
    assert scene.value(6, *LEFT_DISK) == 1
    assert run.progress.done > 1
    assert seen == [0, 0]


def test_propagation_is_one_step_of_undo(scene):
    scene.click(LEFT_DISK)
    scene.press("propagate")
    scene.settle()
    scene.press("undo")
    assert [z for z in range(8) if scene.labels[z].any()] == [3]


def test_propagation_without_news_says_so(scene):
    scene.click(LEFT_DISK)
    for _ in range(2):
        scene.press("propagate")
        scene.settle()
    assert "up to date" in scene.state.message.text


def test_a_correction_recomputes_up_to_the_next_slice_worked_on(scene):
    for z in (2, 4):
        scene.viewer.dims.set_current_step(0, z)
        scene.click(LEFT_DISK)
    scene.press("propagate")
    scene.settle()
    asked = scene.predictor.asked
    scene.viewer.dims.set_current_step(0, 4)
    scene.click((LEFT_DISK[0] + 4, LEFT_DISK[1]), button=2)
    scene.press("propagate")
    scene.settle()
    assert scene.predictor.asked > asked
    assert scene.value(1, *LEFT_DISK) == 1


def test_propagation_waits_for_the_click_before_it(scene):
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.press("propagate")
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: bool(scene.value(1, *LEFT_DISK)))
    scene.settle()


def test_stop_keeps_what_is_done_and_ends_the_run(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    asked = scene.predictor.asked
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > asked)
    assert scene.state.phase is Phase.PROPAGATING
    assert scene.widget.activity_panel.bar.maximum() > 0
    mouse.press_key(scene.viewer, "H")
    assert scene.state.phase is Phase.READY
    scene.predictor.gate.set()
    scene.click(RIGHT_DISK)
    assert scene.predictor.asked <= asked + 2
    assert scene.value(3, *LEFT_DISK) == 1


def test_the_late_end_of_a_propagation_does_not_end_the_next_one(scene):
    scene.click(LEFT_DISK)
    under_way = scene.workspace.session.under_way
    scene.predictor.gate.clear()
    scene.press("propagate")
    under_way.begin(iter("12"))  # such as deleting thousands of objects
    scene.predictor.gate.set()
    scene.settle()
    scene.predictor.gate.clear()
    scene.press("propagate")
    segmenter = scene.controller.segmenter
    scene.qtbot.waitUntil(lambda: not segmenter._pause.is_waiting)
    scene.predictor.gate.set()
    scene.settle()
    assert [z for z in range(8) if scene.value(z, *LEFT_DISK)] == [1, 2, 3, 4, 5, 6]
    assert scene.state.message.text.startswith("Followed object 1 on 5 slices")


class HeldAfterThree(GatedPredictor):
    """Waits before its fourth answer."""

    def predict(self, embedding, prompts, previous=None):
        if self.asked == 3:
            self.gate.clear()
        return super().predict(embedding, prompts, previous)


def test_a_stopped_propagation_says_how_far_it_came(make_scene):
    scene = make_scene(stack(), predictor=HeldAfterThree(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.press("propagate")
    scene.qtbot.waitUntil(lambda: scene.value(5, *LEFT_DISK) == 1)
    scene.controller.do("merge_objects")  # of one alone: refused
    scene.press("stop")
    assert scene.state.message.text == (
        "Stopped after 2 of 7 slices. What was followed stays; Undo takes it back."
    )
    scene.predictor.gate.set()
    scene.press("undo")
    assert [z for z in range(8) if scene.value(z, *LEFT_DISK)] == [3]


def test_click_during_a_propagation_is_served_before_its_end(scene):
    scene.click(LEFT_DISK)
    scene.press("next_object")
    scene.widget.annotation_panel.object_number.setValue(1)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.press("next_object")
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.predictor.gate.set()
    scene.qtbot.waitUntil(lambda: scene.value(3, *RIGHT_DISK) > 0)
    scene.settle()
    assert scene.value(6, *LEFT_DISK) == 1


def test_click_outlives_the_stop_of_a_propagation(scene):
    scene.click(LEFT_DISK)
    scene.predictor.gate.clear()
    scene.press("propagate")
    scene.press("next_object")
    mouse.click(scene.viewer, RIGHT_DISK)
    scene.press("stop")
    assert scene.state.phase is Phase.SEGMENTING
    scene.predictor.gate.set()
    scene.settle()
    assert scene.value(3, *RIGHT_DISK) == 2


def test_propagation_passes_a_click_whose_mask_did_not_come(scene):
    scene.click(LEFT_DISK)
    plane = Plane((1, 2), (5,))
    scene.workspace.session.add_point(1, plane, LEFT_DISK)
    scene.press("propagate")
    scene.settle()
    assert [z for z in range(8) if scene.value(z, *LEFT_DISK)] == [1, 2, 3, 4, 6]


def test_a_mask_without_a_reason_does_not_end_a_sentence(scene):
    scene.click(LEFT_DISK)
    request = scene.workspace.session.propagation(1)
    run = PropagationRun(scene.workspace, request)
    result = next(result for result in follow(request) if result)
    run.take(replace(result, reason="", is_usable=False))
    assert run.summary == "Followed object 1 on 0 slices."


def test_several_objects_are_told_with_all_their_masks_and_ends(scene):
    scene.click(LEFT_DISK)
    scene.press("next_object")
    scene.click(RIGHT_DISK)
    request = scene.workspace.session.propagation((1, 2))
    run = PropagationRun(scene.workspace, request)
    result = next(result for result in follow(request) if result)
    for reason in ("jump", "low score", "other image"):
        run.take(replace(result, reason=reason, is_usable=False))
    ends = "the mask jumped, the network was unsure or the image changed"
    assert run.summary == f"Followed objects 1, 2: 0 masks, until {ends}."


def test_propagation_without_a_mask_says_what_is_missing(scene):
    scene.press("propagate")
    scene.settle()
    assert scene.state.message.is_error


def test_transposed_view_paints_where_the_mouse_was(make_scene):
    scene = make_scene(disks())
    scene.viewer.dims.transpose()
    scene.press("use_points")
    scene.click(RIGHT_DISK[::-1])
    assert np.array_equal(scene.labels == 1, disks(centres=[RIGHT_DISK]) == 200)


def test_rolled_view_segments_a_plane_along_other_axes(make_scene):
    scene = make_scene(np.moveaxis(stack(), 0, 1))
    scene.viewer.dims.order = (1, 0, 2)
    scene.viewer.dims.set_current_step(1, 4)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.workspace.plane_in_view() == Plane((0, 2), (4,))
    assert np.array_equal(scene.labels[:, 4] == 1, disks(centres=[LEFT_DISK]) == 200)


def test_scaled_and_moved_image_is_segmented_in_its_own_pixels(make_scene):
    options = {"scale": (2, 0.5, 0.5), "translate": (10, 3, 4), "units": ("um",) * 3}
    scene = make_scene(stack(), name="cells", **options)
    scene.viewer.dims.set_point(0, 16)
    scene.press("use_points")
    scene.click((3 + LEFT_DISK[0] * 0.5, 4 + LEFT_DISK[1] * 0.5))
    assert np.array_equal(scene.labels[3] == 1, disks(centres=[LEFT_DISK]) == 200)
    image, labels = scene.viewer.layers["cells"], scene.workspace.layers.labels
    assert labels.extent.world == pytest.approx(image.extent.world)
    assert labels.units == image.units
    assert scene.workspace.session.spacing == (2, 0.5, 0.5)


def test_scale_of_mixed_units_says_nothing_about_shape(make_scene):
    units = "pixel", "um", "um"
    scene = make_scene(stack(), scale=(1, 0.5, 0.5), units=units)
    assert scene.workspace.session.spacing == (1, 1, 1)


def test_colour_image_is_segmented(make_scene):
    scene = make_scene(np.stack([disks()] * 3, axis=-1), rgb=True)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.labels.shape == (64, 80)
    assert scene.value(*LEFT_DISK) == 1


def test_3d_view_is_refused_with_a_sentence(scene):
    scene.viewer.dims.ndisplay = 3
    scene.workspace.layers.points.add([3, *LEFT_DISK])
    assert "2-D view" in scene.state.message.text
    scene.qtbot.waitUntil(lambda: len(scene.workspace.layers.points.data) == 0)


def test_a_scale_that_is_given_later_counts_for_the_next_propagation(scene, autosaves):
    scene.click(LEFT_DISK)
    for scale in (1, 4):
        scene.workspace.image.scale = (scale, 1, 1)
        scene.press("propagate")
        scene.settle()
    assert scene.workspace.session.spacing == (4, 1, 1)
    (path,) = autosaves.rglob("*.jsonl")
    _, entries = read_journal(path)
    started = [e.spacing for e in entries if isinstance(e, StartPropagation)]
    assert started == [(1, 1, 1), (4, 1, 1)]
    again = replay(path, scene.workspace.image.data, DiskPredictor())
    assert np.array_equal(again.labels, scene.labels)
    assert again.spacing == (4, 1, 1)


def test_a_propagation_is_told_by_the_slices_that_undo_will_name(scene):
    scene.click(LEFT_DISK)
    whole = scene.state.follow
    scene.state.follow = replace(whole, last=4)
    scene.press("propagate")
    scene.settle()
    assert scene.state.message.text.startswith("Followed object 1 on 3 slices, until")
    scene.state.follow = whole
    scene.press("propagate")
    scene.settle()
    told = scene.state.message.text
    assert told.startswith("Followed object 1 on 3 slices, 2 of them changed, until")
    scene.press("undo")
    assert scene.state.message.text == (
        "Taken back: propagation of object 1 (2 slices changed)."
    )


@pytest.fixture
def rolled(make_scene):
    """One object with a prompt in another view than the one that is seen."""
    scene = make_scene(np.moveaxis(stack(), 0, 1))
    scene.viewer.dims.order = (1, 0, 2)
    scene.viewer.dims.set_current_step(1, 4)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.viewer.dims.order = (0, 1, 2)
    scene.viewer.dims.set_current_step(0, LEFT_DISK[0])
    assert (scene.labels[LEFT_DISK[0]] == 1).any()
    return scene


def test_what_has_prompts_in_another_view_is_followed_through_its_slices(rolled):
    rolled.press("propagate")
    rolled.settle()
    assert "on 5 slices" in rolled.state.message.text
    followed = [y for y in range(8) if rolled.value(LEFT_DISK[0], y, LEFT_DISK[1])]
    assert followed == [1, 2, 3, 4, 5, 6]
    rolled.press("propagate")
    rolled.settle()
    assert "up to date" in rolled.state.message.text


@pytest.mark.parametrize("choice", [{"axis": 0}, {"last": 30}])
def test_a_range_in_view_is_not_taken_for_slices_of_another_view(rolled, choice):
    before = rolled.labels.copy()
    rolled.state.follow = replace(rolled.state.follow, **choice)
    rolled.press("propagate")
    rolled.settle()
    assert rolled.state.message.text == (
        "Expected prompts of object 1 in this view, for which a range or an axis is "
        "chosen, got some in another view only. Roll the dimensions back, or click "
        "on the object here."
    )
    assert np.array_equal(rolled.labels, before)


@pytest.mark.parametrize("command", ["propagate", "find_in_volume"])
def test_a_picture_has_no_slices_to_follow_through(make_scene, command):
    scene = make_scene(disks(), name="cells")
    scene.controller.do(command)
    assert "got cells, a 2-D image" in scene.state.message.text
    assert not scene.loads
