"""The size of pixels that a file tells and its layer does not."""

import numpy as np
import pytest
import tifffile
from tests.plugin.conftest import LEFT_DISK, disks, stack

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


@pytest.fixture
def scene(make_scene, tmp_path):
    """A stack that napari opened, without its size."""
    save(tmp_path / "cells.tif")
    scene = make_scene(None)
    scene.viewer.open(str(tmp_path / "cells.tif"), plugin="napari")
    return scene


def test_the_size_of_the_file_is_offered_and_taken(scene):
    scene.viewer.add_labels(np.zeros(stack().shape, int), name="same pixels")
    scene.viewer.add_points([(3, 10, 10)], name="same places")
    scene.viewer.add_image(disks(), name="other")
    scene.controller.choose_image(scene.viewer.layers["cells"])
    scene.viewer.dims.set_current_step(0, 3)
    button = button_when_shown(scene)
    assert button.text() == SIZE
    button.click()
    for name in "cells", "same pixels", "same places":
        layer = scene.viewer.layers[name]
        assert layer.scale == pytest.approx((2.18, 0.5, 0.5))
        assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert tuple(scene.viewer.layers["other"].scale) == (1, 1)
    assert scene.viewer.dims.current_step[0] == 3
    assert not button.isVisibleTo(scene.widget.image_panel)
    assert scene.state.message.text.startswith("cells: 2.18 x 0.5 x 0.5 \u00b5m now")


def test_objects_made_before_are_where_they_were(scene):
    button = button_when_shown(scene)
    assert "take it over under Image" in scene.state.message.text
    scene.viewer.dims.set_current_step(0, 3)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    before = scene.labels.copy()
    button.click()
    own = scene.workspace.layers.labels
    assert own.scale == pytest.approx((2.18, 0.5, 0.5))
    np.testing.assert_array_equal(own.data, before)
    scene.click((LEFT_DISK[0] / 2 + 30, LEFT_DISK[1] / 2))
    assert len(scene.workspace.session.object_ids) == 1


def test_nothing_is_offered_where_the_layer_tells_it_or_has_other_pixels(
    make_scene, tmp_path
):
    save(tmp_path / "cells.tif")
    save(tmp_path / "edited.tif")
    save(tmp_path / "offered.tif")
    scene = make_scene(None)
    for name, options in (
        ("cells", {"scale": (3, 1, 1)}),
        ("edited", {}),
        ("offered", {}),
    ):
        (layer,) = scene.viewer.open(
            str(tmp_path / f"{name}.tif"), plugin="napari", **options
        )
        if name == "edited":
            save(tmp_path / "edited.tif", stack() + 1)
        scene.controller.choose_image(layer)
        if name == "offered":
            button_when_shown(scene)
    scene.controller.choose_image(scene.viewer.layers["edited"])
    button = scene.widget.image_panel.size_in_file
    assert not button.isVisibleTo(scene.widget.image_panel)
    scene.controller.choose_image(scene.viewer.layers["cells"])
    assert not button.isVisibleTo(scene.widget.image_panel)
