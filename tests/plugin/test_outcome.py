"""The status line says what came of a click, also if it is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import BETWEEN, LEFT_DISK, RIGHT_DISK, disks

from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.planes.plane import Plane

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(make_scene):
    scene = make_scene(disks(), name="cells")
    scene.press("use_points")
    return scene


def test_a_click_on_an_object_is_segmented(scene):
    scene.click(LEFT_DISK)
    assert scene.state.message.text == "Object 1 is segmented."


def test_a_click_on_nothing_says_that_nothing_was_found(scene):
    scene.click(BETWEEN)
    assert not scene.labels.any()
    assert scene.state.message.text == (
        "Object 1: nothing was found here. Click elsewhere, or undo."
    )


def test_a_click_on_a_neighbour_says_who_has_the_pixels(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    scene.click((LEFT_DISK[0] + 2, LEFT_DISK[1]))
    assert scene.workspace.object_id == 2
    assert scene.state.message.text == (
        "Object 2 got no pixel: the rule keep lets object 1 keep its own. "
        "Click elsewhere, or choose another rule for neighbours under Objects."
    )


def test_a_click_on_a_neighbour_that_wins_nothing_says_who_has_the_pixels(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    scene.click(RIGHT_DISK)
    scene.click(LEFT_DISK)
    assert scene.workspace.object_id == 2
    assert scene.state.message.text == (
        "Object 2 won no pixel: the rule keep lets object 1 keep its own."
    )


def test_a_click_on_background_says_that_the_object_is_smaller(scene):
    scene.click(LEFT_DISK)
    scene.click((LEFT_DISK[0] + 3, LEFT_DISK[1]), button=2)
    assert scene.state.message.text == "Object 1 is smaller now."


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("keep", "the rule keep lets object 1 keep its own"),
        ("cut", "the rule cut lets object 1 keep its own"),
        ("overwrite", "object 1 is locked or painted by hand here"),
    ],
)
def test_a_mask_that_neighbours_cut_to_a_sliver_is_told(scene, rule, why):
    disk = np.argwhere(disks(centres=[LEFT_DISK]) > 100)
    upper = disk[disk[:, 0] <= LEFT_DISK[0] + 2]
    session = scene.workspace.session
    session.apply(Paint(Plane((0, 1), ()), upper, np.ones(len(upper), int)))
    session.accept(1)
    scene.widget.object_editing.set_rule(rule)
    scene.press("next_object")
    scene.click((LEFT_DISK[0] + 5, LEFT_DISK[1]))
    share = round(100 * (1 - len(upper) / len(disk)))
    assert scene.state.message.text == (
        f"Object 2 is segmented. Object 2 got {share} % of its mask: {why}."
    )


def test_each_neighbour_keeps_its_pixels_by_its_own_right(scene):
    disk = np.argwhere(disks(centres=[LEFT_DISK]) > 100)
    parts = disk[disk[:, 0] < LEFT_DISK[0]], disk[disk[:, 0] > LEFT_DISK[0] + 2]
    session = scene.workspace.session
    for number, part in enumerate(parts, start=1):
        session.apply(Paint(Plane((0, 1), ()), part, np.full(len(part), number)))
    session.accept(1)
    scene.widget.object_editing.set_rule("cut")
    scene.press("next_object")
    scene.click((LEFT_DISK[0] + 1, LEFT_DISK[1]))
    assert scene.state.message.text.endswith(
        "the rule cut lets object 1 keep its own, and object 2 is locked or painted by "
        "hand here."
    )


def test_a_click_that_changes_nothing_says_so(scene):
    scene.click(LEFT_DISK)
    scene.click((LEFT_DISK[0] + 2, LEFT_DISK[1]))
    assert scene.state.message.text == (
        "Object 1 is as before: the answer is the same."
    )


def test_of_several_clicks_each_is_told(scene):
    scene.click(LEFT_DISK)
    scene.press("accept")
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, (LEFT_DISK[0], LEFT_DISK[1] + 1))
    scene.qtbot.waitUntil(lambda: scene.predictor.asked == 2)
    for place in (RIGHT_DISK, BETWEEN):
        scene.press("next_object")
        mouse.click(scene.viewer, place)
    scene.predictor.gate.set()
    scene.settle()
    assert scene.state.message.text == (
        "Object 3 is segmented. Object 4: nothing was found here. Click elsewhere, or "
        "undo."
    )
