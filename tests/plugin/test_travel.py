from __future__ import annotations

import pytest
from tests.plugin.conftest import LEFT_DISK, stack

from napari_sam_adapter.plugin.viewing.travel import Travel
from napari_sam_adapter.volume.planes.planes import Plane

SHAPE = (8, 64, 80)


def at(z):
    return Plane((1, 2), (z,))


@pytest.mark.parametrize(
    ("way", "ahead"),
    [((3,), [4, 5, 2, 1]), ((3, 4), [5, 6, 3, 2]), ((4, 3), [2, 1, 4, 5]),
     ((6, 7), [6, 5]), ((1, 0), [1, 2])],
)  # fmt: skip
def test_the_planes_in_the_direction_of_travel_come_first(way, ahead):
    travel = Travel()
    for z in way:
        found = travel.ahead(at(z), SHAPE)
    assert [plane.position[0] for plane in found] == ahead


def test_another_view_has_no_direction():
    travel = Travel()
    travel.ahead(at(5), SHAPE)
    found = travel.ahead(Plane((0, 1), (3,)), SHAPE)
    assert [plane.position[0] for plane in found] == [4, 5, 2, 1]


def test_a_single_plane_has_no_neighbours():
    assert Travel().ahead(Plane((0, 1)), (64, 80)) == []


def test_neighbours_are_embedded_while_the_user_looks(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    scene.controller.on_view_still()
    scene.qtbot.waitUntil(lambda: not scene.controller.segmenter.queue.jobs)
    assert len(scene.predictor.encoded) == 5
