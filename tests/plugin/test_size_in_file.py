"""The size of pixels that a file tells and its layer does not."""

import numpy as np
import pytest
import tifffile
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, stack

from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.plugin.image_files import pixel_size_in

SIZE = "Use 2.18 x 0.5 x 0.5 \u00b5m"


def save(path, pixels=None):
    resolution, spacing = (2, 2), {"spacing": 2.18, "unit": "um", "axes": "ZYX"}
    pixels = stack() if pixels is None else pixels
    tifffile.imwrite(path, pixels, imagej=True, resolution=resolution, metadata=spacing)


def button_when_shown(scene):
    panel = scene.widget.image_panel
    button = panel.size_in_file
    scene.qtbot.waitUntil(lambda: button.isVisibleTo(panel), timeout=20_000)
    return button


@pytest.fixture(autouse=True)
def readers(npe2pm):
    """Those of napari, which tests start without."""
    with npe2pm.tmp_plugin(package="napari") as plugin:
        yield plugin


def opened(scene, path, pixels=None, **options):
    """Have napari open a file."""
    if pixels is not None:
        save(path, pixels)
    (layer,) = scene.viewer.open(str(path), plugin="napari", **options)
    return layer


def scales(scene, *names):
    return [tuple(np.round(scene.viewer.layers[name].scale, 2)) for name in names]


@pytest.fixture
def scene(make_scene, tmp_path):
    """A stack that napari opened, without its size."""
    scene = make_scene(None)
    opened(scene, tmp_path / "cells.tif", stack())
    return scene


def test_the_size_of_the_file_is_offered_and_taken(scene):
    button = button_when_shown(scene)
    assert button.text() == SIZE
    assert "take it over under Image" in scene.state.message.text
    scene.viewer.add_labels(np.zeros(stack().shape, int), name="same pixels")
    scene.viewer.add_points([(3, 10, 10)], name="same places")
    button.click()
    names = "cells", "same pixels", "same places"
    assert scales(scene, *names) == [(2.18, 0.5, 0.5)] * 3
    for name in names:
        units = scene.viewer.layers[name].units
        assert {str(unit) for unit in units} == {"micrometer"}
    assert not button.isVisibleTo(scene.widget.image_panel)
    assert scene.state.message.text.startswith("cells: 2.18 x 0.5 x 0.5 \u00b5m now")


def test_what_belongs_to_other_images_stays(scene, tmp_path):
    other = opened(scene, tmp_path / "other.tif", stack()[:7])
    scene.controller.choose_image(other)
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    copy = opened(scene, tmp_path / "copy.tif", stack())
    moved = scene.viewer.add_labels(np.zeros(stack().shape, int), translate=(0, 9, 9))
    scene.viewer.add_points([(3, 10, 10)], name="places")
    own = [layer for w in scene.controller.workspaces for layer in w.layers.all]
    assert own
    scene.controller.choose_image(scene.viewer.layers["cells"])
    button_when_shown(scene).click()
    assert scales(scene, "cells") == [(2.18, 0.5, 0.5)]
    for layer in (other, copy, moved, scene.viewer.layers["places"], *own):
        assert set(layer.scale) == {1}


def test_slice_view_and_objects_stay(scene):
    button, camera = button_when_shown(scene), scene.viewer.scene.camera
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    before, plane = scene.labels.copy(), scene.workspace.plane_in_view()
    zoom, centre = camera.zoom, np.array(camera.center)
    button.click()
    scene.settle()
    own = scene.workspace.layers.labels
    assert own.scale == pytest.approx((2.18, 0.5, 0.5))
    np.testing.assert_array_equal(own.data, before)
    assert scene.workspace.plane_in_view() == plane
    assert camera.zoom == pytest.approx(2 * zoom)
    assert camera.center[1:] == pytest.approx(centre[1:] / 2)
    steps = {tuple(layer.scale) for layer in scene.viewer.layers}
    assert steps == {(2.18, 0.5, 0.5)}
    scene.click((RIGHT_DISK[0] / 2, RIGHT_DISK[1] / 2))
    assert scene.labels[(3, *RIGHT_DISK)] == 1


def test_pixels_of_another_shape_have_another_size(scene):
    button = button_when_shown(scene)
    image = scene.viewer.layers["cells"]
    image.data = image.data[:, ::2, ::2]
    scene.settle()
    assert not button.isVisibleTo(scene.widget.image_panel)


@pytest.mark.parametrize("case", ["told", "moved", "no unit"])
def test_nothing_is_offered_where_it_is_told_or_not_known(make_scene, tmp_path, case):
    scene, path = make_scene(None), tmp_path / "a.tif"
    save(path)
    if case == "no unit":
        spacing = {"spacing": 5, "unit": "pixel", "axes": "ZYX"}
        tifffile.imwrite(path, stack(), imagej=True, metadata=spacing)
    options = {"told": {"scale": (3, 1, 1)}, "moved": {"translate": (0, 1, 1)}}
    (layer,) = scene.viewer.open(str(path), plugin="napari", **options.get(case, {}))
    scene.controller.choose_image(layer)
    button = scene.widget.image_panel.size_in_file
    assert not button.isVisibleTo(scene.widget.image_panel)
    scene.controller.choose_image(opened(scene, tmp_path / "b.tif", stack()))
    button_when_shown(scene)  # it looked into the first file before
    scene.controller.choose_image(layer)
    assert not button.isVisibleTo(scene.widget.image_panel)


def test_a_file_of_other_pixels_tells_nothing(tmp_path):
    save(tmp_path / "a.tif")
    size = pixel_size_in(tmp_path / "a.tif", LazyArray(stack(), "a"), 3)
    assert size.scale == pytest.approx((2.18, 0.5, 0.5))
    assert pixel_size_in(tmp_path / "a.tif", LazyArray(stack() + 1, "a"), 3) is None
    assert pixel_size_in(tmp_path / "gone.tif", LazyArray(stack(), "a"), 3) is None
