"""No point is seen where there is none: napari draws one of size 0 there."""

from __future__ import annotations

from tests.plugin.conftest import LEFT_DISK, stack


def test_a_slice_without_points_shows_none_in_the_corner(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    points = scene.workspace.layers.points
    smallest = points.canvas_size_limits[0]
    assert smallest > 0
    scene.viewer.dims.set_current_step(0, 4)
    scene.qtbot.waitUntil(lambda: points.canvas_size_limits[0] == 0)
    scene.viewer.dims.set_current_step(0, 3)
    scene.qtbot.waitUntil(lambda: points.canvas_size_limits[0] == smallest)


def test_a_point_of_a_plane_along_another_axis_is_seen_where_it_lies(make_scene):
    scene = make_scene(stack(), name="cells")
    scene.viewer.dims.order = (1, 0, 2)
    scene.viewer.dims.set_current_step(1, LEFT_DISK[0])
    scene.viewer.reset_view()
    scene.press("use_points")
    scene.click((3, LEFT_DISK[1]))
    points = scene.workspace.layers.points
    assert len(points.data) == 1
    scene.viewer.dims.order = (0, 1, 2)
    for z, is_there in ((3, True), (5, False)):
        scene.viewer.dims.set_current_step(0, z)
        scene.qtbot.waitUntil(
            lambda there=is_there: (points.canvas_size_limits[0] > 0) is there
        )
