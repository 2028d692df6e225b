"""Images as users have them: any type, any shape, any place in the world."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, disks, stack

pytestmark = pytest.mark.slow

LEFT_MASK = disks(centres=[LEFT_DISK]) == 200


def with_hole(value):
    image = disks().astype(np.float32)
    image[50:54, 5:9] = value
    return image


def colours(channels, dtype=np.uint8):
    image = np.stack([disks()] * channels, axis=-1)
    image[..., 3:] = 255
    return image if dtype == np.uint8 else (image / 255).astype(dtype)


TYPES = {
    "bool": disks() == 200,
    "int32 below zero": disks().astype(np.int32) * 1000 - 150_000,
    "big-endian uint16": disks().astype(">u2"),
    "tiny values": disks() * 1e-12,
    "nan": with_hole(np.nan),
    "inf": with_hole(np.inf),
    "read-only": np.broadcast_to(disks(), (64, 80)),
    "colours and alpha": colours(4),
    "float colours": colours(3, np.float32),
}
REFUSED = {
    "one row": (disks()[:1], "at least 2 x 2 pixels, got 1 x 80"),
    "one column": (disks()[:, :1], "at least 2 x 2 pixels, got 64 x 1"),
    "one value": (np.full((64, 80), 7.0), "every pixel is 7.0"),
    "only nan": (np.full((64, 80), np.nan), "got only NaN"),
}
TURNED = np.array([[0.8, -0.6, 5], [0.6, 0.8, -3], [0, 0, 1]])
OUT_OF_THE_SLICE = np.array(
    [[0.9, -0.1, 0, 0], [0.1, 0.9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
)
PLACES = {
    "sheared": {"shear": [0.3]},
    "turned": {"rotate": 30, "translate": (5, 7)},
    "affine": {"affine": TURNED, "scale": (2, 0.5)},
    "mirrored": {"scale": (-1, 1)},
    "metres": {"scale": (2e-7, 1e-7), "translate": (1e-3, 2e-3)},
}


def begin(scene):
    scene.press("use_points")
    return scene


def error_of(scene):
    message = scene.state.message
    return message.text if message.is_error else ""


@pytest.mark.parametrize("name", TYPES)
def test_a_click_gives_the_mask_on_every_type(make_scene, name):
    scene = begin(make_scene(TYPES[name]))
    scene.click(LEFT_DISK)
    assert not error_of(scene)
    assert np.array_equal(scene.labels == 1, LEFT_MASK)


@pytest.mark.parametrize("name", REFUSED)
def test_a_click_on_what_shows_nothing_gives_a_sentence(make_scene, name):
    image, sentence = REFUSED[name]
    scene = begin(make_scene(image))
    scene.click((0, 0))
    assert sentence in error_of(scene)
    assert not scene.labels.any()


@pytest.mark.parametrize("name", PLACES)
def test_a_click_lands_where_the_image_lies(make_scene, name):
    scene = begin(make_scene(disks(), **PLACES[name]))
    scene.click(scene.workspace.image.data_to_world(LEFT_DISK))
    assert not error_of(scene)
    assert np.array_equal(scene.labels == 1, LEFT_MASK)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_volume_turned_out_of_the_slice_is_refused(make_scene):
    scene = begin(make_scene(stack(), affine=OUT_OF_THE_SLICE))
    scene.click((30, 30))
    assert "rotated out of the slice" in error_of(scene)


def test_each_channel_of_a_movie_can_be_clicked(make_scene):
    """Axes t, c, z, y, x; the object is bright in the second channel only."""
    image = np.zeros((2, 3, 8, 64, 80), np.uint16)
    image[:, 1] = stack()
    scene = begin(make_scene(image))
    scene.viewer.dims.current_step = (1, 1, 3, 0, 0)
    scene.click(LEFT_DISK)
    assert np.array_equal(scene.labels[1, 1, 3] == 1, LEFT_MASK)
    assert np.count_nonzero(scene.labels) == LEFT_MASK.sum()
    scene.viewer.dims.set_current_step(1, 0)
    scene.click(RIGHT_DISK)
    assert "every pixel is 0" in error_of(scene)


def test_six_axes_are_refused_with_a_sentence(make_scene):
    image = np.broadcast_to(disks(), (2, 2, 2, 2, 64, 80))
    scene = begin(make_scene(image))
    assert "2 to 5 axes besides colour, got 6" in error_of(scene)


def test_a_file_that_goes_away_is_told_and_nothing_is_lost(make_scene, tmp_path):
    gone = []

    def read(block):
        if gone:
            raise OSError("No such file: 'scan.h5'")
        return block

    lazy = dask.array.from_array(stack(), chunks=(1, 64, 80)).map_blocks(
        read, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8)
    )
    scene = make_scene(lazy)
    scene.viewer.dims.set_current_step(0, 3)
    begin(scene).click(LEFT_DISK)
    gone.append(True)
    scene.press("propagate")
    scene.settle()
    assert "Not looked at: 4 and 6 more" in scene.state.message.text
    exports = scene.widget.exports
    exports.save(tmp_path / "out.csv")
    scene.qtbot.waitUntil(lambda: not exports.is_busy)
    assert "No such file: 'scan.h5'" in error_of(scene)
    exports.save(tmp_path / "out.tif")
    scene.qtbot.waitUntil(lambda: not exports.is_busy)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]
    assert np.array_equal(scene.labels[3] == 1, LEFT_MASK)


def test_thousands_of_slices_are_opened_and_clicked_one_at_a_time(make_scene):
    lazy = dask.array.broadcast_to(dask.array.from_array(disks()), (50_000, 64, 80))
    scene = begin(make_scene(lazy))
    scene.viewer.dims.set_current_step(0, 40_000)
    scene.click(LEFT_DISK)
    assert np.array_equal(scene.labels[40_000] == 1, LEFT_MASK)


def test_two_viewers_do_not_know_each_other(make_scene):
    first, second = begin(make_scene(stack())), begin(make_scene(disks()))
    first.viewer.dims.set_current_step(0, 3)
    first.click(LEFT_DISK)
    second.click(RIGHT_DISK)
    first.press("undo")
    assert not first.labels.any()
    assert second.value(*RIGHT_DISK) == 1
    second.controller.close()
    first.click(RIGHT_DISK)
    assert first.value(3, *RIGHT_DISK) == 1


@pytest.fixture
def waiting(make_scene):
    """A click whose mask is on its way."""
    scene = begin(make_scene(stack(), name="cells"))
    scene.viewer.dims.set_current_step(0, 3)
    scene.predictor.gate.clear()
    mouse.click(scene.viewer, LEFT_DISK)
    scene.qtbot.waitUntil(lambda: scene.predictor.asked > 0)
    return scene


VIEWS = {
    "3-D": lambda dims: setattr(dims, "ndisplay", 3),
    "rolled": lambda dims: setattr(dims, "order", (2, 0, 1)),
    "transposed": lambda dims: dims.transpose(),
    "another slice": lambda dims: dims.set_current_step(0, 5),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_mask_lands_on_its_slice_whatever_the_view_is_now(waiting, name):
    VIEWS[name](waiting.viewer.dims)
    waiting.predictor.gate.set()
    waiting.settle()
    assert np.array_equal(waiting.labels[3] == 1, LEFT_MASK)
    assert np.count_nonzero(waiting.labels) == LEFT_MASK.sum()


def test_the_3d_view_refuses_what_needs_a_slice_and_goes_back(waiting):
    waiting.viewer.dims.ndisplay = 3
    waiting.predictor.gate.set()
    waiting.settle()
    waiting.press("propagate")
    assert "Expected the 2-D view" in error_of(waiting)
    mouse.click(waiting.viewer, RIGHT_DISK)
    waiting.settle()
    assert "Expected the 2-D view" in error_of(waiting)
    waiting.viewer.dims.ndisplay = 2
    waiting.click(RIGHT_DISK)
    assert waiting.value(3, *RIGHT_DISK) == 1


@pytest.mark.parametrize("shape", [(4, 10, 12), (10, 12)], ids=str)
def test_a_masks_layer_of_another_shape_gets_its_masks_back(waiting, shape):
    layer = waiting.workspace.layers.labels
    layer.data = np.zeros(shape, int)
    waiting.predictor.gate.set()
    waiting.settle()
    assert layer.data is waiting.labels
    assert waiting.value(3, *LEFT_DISK) == 1


def test_a_flat_image_under_a_volume_says_when_it_is_not_in_view(make_scene):
    scene = make_scene(disks(), name="flat")
    scene.viewer.add_image(stack(), name="volume")
    begin(scene).click(LEFT_DISK)
    assert np.array_equal(scene.labels == 1, LEFT_MASK)
    scene.viewer.dims.order = (1, 0, 2)
    scene.click((3, 20))
    assert "Change the order of the dimensions" in error_of(scene)
