"""Multiscale layers in the window."""

from __future__ import annotations

import threading

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from tests.fakes import ReducingDiskPredictor
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, GatedPredictor, disks

from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.volume.asking.window_search import first_side
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.planes.windows import all_windows
from napari_sam_adapter.volume.saving.replaying import replay

pytestmark = pytest.mark.slow

FACTOR = 8
"""How much larger than `disks` the image is."""
SLICES = 3
LEFT = tuple(FACTOR * value for value in LEFT_DISK)
RIGHT = tuple(FACTOR * value for value in RIGHT_DISK)
SHAPE = 64 * FACTOR, 80 * FACTOR
RADIUS = 8 * FACTOR


class Reducing(GatedPredictor, ReducingDiskPredictor):
    """Sees large planes through windows, and can be shown fewer pixels."""

    image_size = 64


def picture(factor):
    """Return the large disks with only every so many pixels, as their mean would be."""
    centre = [
        tuple((value - (factor - 1) / 2) / factor for value in point)
        for point in (LEFT, RIGHT)
    ]
    shape = tuple(length // factor for length in SHAPE)
    return disks(shape, centre, RADIUS / factor)


def levels(*factors, slices=SLICES):
    return [np.stack([picture(factor)] * slices) for factor in factors]


@pytest.fixture
def open_scene(make_scene):
    def build(data, **options):
        predictor = Reducing()
        predictor.image_size = 64
        scene = make_scene(
            data, predictor=predictor, multiscale=True, name="cells", **options
        )
        scene.press("use_points")
        return scene

    return build


@pytest.fixture
def scene(open_scene):
    return open_scene(levels(1, 2, 4, 8), scale=(5, 0.5, 0.5))


def in_world(point):
    return tuple(0.5 * value for value in point)


def disk_at(point, factor=1):
    """Return a disk of the image in pixels of a level."""
    centre = [(value - (factor - 1) / 2) / factor for value in point]
    rows, columns = np.ogrid[: SHAPE[0] // factor, : SHAPE[1] // factor]
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return inside <= (RADIUS / factor) ** 2


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def choose_level(scene, number):
    panel = scene.widget.image_panel
    panel.level.setCurrentIndex(number)
    panel.level.activated.emit(number)


def test_a_click_gives_a_mask_at_full_resolution(scene):
    scene.click(in_world(LEFT))
    z = scene.workspace.plane_in_view().position[0]
    assert scene.labels.shape == (SLICES, *SHAPE)
    assert overlap(scene.labels[z] == 1, disk_at(LEFT)) > 0.95
    assert not scene.labels[z][disk_at(RIGHT)].any()
    assert max(max(image.shape) for image in scene.predictor.encoded) < max(SHAPE)
    layer = scene.workspace.layers.labels
    assert np.allclose(layer.scale, (5, 0.5, 0.5))


def test_at_another_level_the_mask_lies_over_the_same_object(scene):
    choose_level(scene, 2)
    scene.click(in_world(LEFT))
    z = scene.workspace.plane_in_view().position[0]
    assert scene.labels.shape == (SLICES, SHAPE[0] // 4, SHAPE[1] // 4)
    assert overlap(scene.labels[z] == 1, disk_at(LEFT, 4)) > 0.95
    layer = scene.workspace.layers.labels
    assert layer.name == "cells 1/4 masks"
    assert np.allclose(layer.scale, (5, 2, 2))
    middle = np.argwhere(scene.labels[z] == 1).mean(axis=0)
    assert np.allclose(layer.data_to_world((z, *middle))[1:], in_world(LEFT), atol=0.5)
    corner = layer.data_to_world((0, -0.5, -0.5))
    assert np.allclose(corner, (0, -0.25, -0.25))  # where the image begins


def test_prompts_of_a_level_are_in_its_pixels(scene):
    choose_level(scene, 1)
    scene.click(in_world(LEFT))
    expected = (np.array(LEFT) - 0.5) / 2
    assert np.allclose(scene.prompts.points[0], expected, atol=1)
    shown = scene.workspace.layers.points
    assert np.allclose(shown.data_to_world(shown.data[0])[1:], in_world(LEFT), atol=0.6)
    scene.press("propagate")
    scene.settle()
    assert all(overlap(s == 1, disk_at(LEFT, 2)) > 0.95 for s in scene.labels)


def test_outlines_at_a_level_lie_on_an_image_that_came_later(scene):
    overlay, layers = scene.widget.candidates.overlay, scene.viewer.layers
    scene.qtbot.waitUntil(lambda: overlay.layer is not None)
    scale = layers["cells"].scale
    scene.viewer.add_image(levels(1, 2), multiscale=True, scale=scale, name="later")
    scene.controller.choose_image(layers["later"])
    choose_level(scene, 1)
    scene.press("use_points")
    scene.qtbot.waitUntil(lambda: layers.index(overlay.layer) > layers.index("later"))


def test_each_level_keeps_its_objects(scene):
    scene.click(in_world(LEFT))
    full = scene.workspace
    choose_level(scene, 1)
    assert scene.workspace is not full
    assert not full.layers.points.visible
    scene.click(in_world(RIGHT))
    choose_level(scene, 0)
    assert scene.workspace is full
    assert scene.widget.image_panel.level.currentIndex() == 0
    assert overlap((full.session.labels[0] == 1) | disk_at(LEFT), disk_at(LEFT)) == 1
    scene.click(in_world((LEFT[0] + 16, LEFT[1])))
    assert full.session.labels.max() == 1


def test_the_level_follows_its_image(scene):
    choose_level(scene, 1)
    image = scene.viewer.layers["cells"]
    image.scale = (5, 3, 3)
    image.translate = (0, 100, 10)
    image.rotate = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]
    layer = scene.workspace.layers.labels
    assert np.allclose(layer.scale, (5, 6, 6))
    for own, whole in ((-0.5, -0.5), (99.5, 199.5)):
        here = layer.data_to_world((0, own, own))
        assert np.allclose(here, image.data_to_world((0, whole, whole)))


def test_levels_are_listed_only_where_there_are_some(scene):
    panel = scene.widget.image_panel
    titles = [panel.level.itemText(i) for i in range(panel.level.count())]
    assert titles[:2] == ["full: 3 x 512 x 640", "1/2: 3 x 256 x 320"]
    assert not panel.level.isHidden()
    scene.viewer.add_image(disks(), name="flat")
    scene.controller.choose_image(scene.viewer.layers["flat"])
    assert panel.level.isHidden()


def test_levels_that_do_not_fit_are_told_and_the_work_goes_on(make_scene):
    full, half = levels(1, 2)
    broken = half[:, :, ::4]
    scene = make_scene([full, half, broken], predictor=Reducing(), multiscale=True)
    scene.press("use_points")
    assert scene.widget.image_panel.level.count() == 2
    scene.click(LEFT)
    assert scene.labels.shape == full.shape
    assert scene.labels.any()


def test_a_click_on_a_lazy_pyramid_reads_few_chunks_of_full_resolution(open_scene):
    reads = []

    def block(factor):
        def read(block_info=None):
            (slices, rows, columns) = block_info[None]["array-location"]
            if threading.current_thread() is not threading.main_thread():
                reads.append((factor, slices[0]))  # not for napari's picture
            return picture(factor)[None, slice(*rows), slice(*columns)]

        shape = tuple(length // factor for length in SHAPE)
        chunks = ((1,) * SLICES, *((n // 4,) * 4 for n in shape))
        return da.map_blocks(read, chunks=chunks, dtype=np.uint8, meta=np.zeros((0,)))

    with dask.config.set(scheduler="synchronous"):  # in the thread that asks
        scene = open_scene([block(factor) for factor in (1, 4, 8)])
        scene.qtbot.waitUntil(lambda: reads and not scene.is_working())
        reads.clear()
        scene.click(LEFT)
    z = scene.workspace.plane_in_view().position[0]
    assert overlap(scene.labels[z] == 1, disk_at(LEFT)) > 0.9
    # Of 16 on each slice; the neighbours may be ahead already.
    assert 0 < reads.count((1, z)) <= 8
    assert any(factor > 1 for factor, _ in reads)


def test_slices_between_those_of_a_level_belong_to_the_nearest(open_scene):
    full, half = levels(1, 2, slices=4)
    scene = open_scene([full, half[::2]])
    choose_level(scene, 1)
    for z, expected in ((0, 0), (1, 0), (2, 1), (3, 1)):
        scene.viewer.dims.set_current_step(0, z)
        assert scene.workspace.plane_in_view() == Plane((1, 2), (expected,))


def test_a_removed_image_takes_all_its_levels_along(scene):
    scene.click(in_world(LEFT))
    choose_level(scene, 1)
    image = scene.viewer.layers["cells"]
    scene.viewer.layers.remove(image)
    assert scene.workspace is None
    assert list(scene.controller.workspaces) == []


def zoom(scene, factor):
    """Zoom, and draw as a window on a screen does: napari chooses the level then."""
    scene.viewer.scene.camera.zoom *= factor
    mouse.canvas_of(scene.viewer).on_draw(None)


def test_a_click_is_first_looked_at_in_the_level_in_view(scene, autosaves):
    image = scene.viewer.layers["cells"]
    zoom(scene, 1 / 16)
    assert image.data_level == 3
    scene.click(in_world(LEFT))
    z = scene.workspace.plane_in_view().position[0]
    assert overlap(scene.labels[z] == 1, disk_at(LEFT)) > 0.95
    assert scene.prompts.reduction == 8
    assert scene.predictor.encoded[0].shape == (64, 64)  # of 256 pixels
    zoom(scene, 16)
    assert image.data_level < 3
    scene.click(in_world((LEFT[0], LEFT[1] + 24)))
    assert scene.prompts.reduction == 8  # that of the first click
    scene.qtbot.waitUntil(lambda: bool(list(autosaves.glob("*.jsonl"))))
    (path,) = autosaves.glob("*.jsonl")
    full, *coarser = image.data
    predictor = ReducingDiskPredictor(image_size=64)
    again = replay(path, Volume(full, "zyx", levels=coarser), predictor)
    assert np.array_equal(again.labels, scene.labels)


@pytest.mark.parametrize("zoomed", [1 / 16, 16], ids=["far", "near"])
def test_all_slices_are_encoded_as_a_click_in_this_view_will_look_at_them(
    scene, zoomed
):
    zoom(scene, zoomed)
    scene.controller.do("encode_all")
    scene.settle()
    assert not scene.state.message.is_error
    there = len(scene.predictor.encoded)
    side = first_side(64, scene.workspace.level.reduction((1, 2)))
    assert there <= SLICES * len(all_windows(SHAPE, side))
    for z in range(SLICES):
        plane = Plane((1, 2), (z,))
        scene.workspace.session.encode_plane(plane, scene.workspace.focus())
    assert len(scene.predictor.encoded) == there


def test_at_a_level_the_view_is_counted_in_its_pixels(scene):
    choose_level(scene, 2)
    image = scene.viewer.layers["cells"]
    zoom(scene, 1 / 16)
    assert image.data_level == 3
    scene.click(in_world(LEFT))
    assert scene.prompts.reduction == 2


def test_a_pyramid_of_a_series_is_labelled_at_full_resolution(
    make_scene, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_sam_adapter.plugin.image_files.MOST_BYTES_READ", 0)
    full, half = levels(1, 2)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=full, chunks=(1, 64, 64))
    group.create_array("1", data=half, chunks=(1, 64, 64))
    axes = [{"name": letter} for letter in "zyx"]
    datasets = [{"path": "0"}, {"path": "1"}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": datasets}]
    scene = make_scene(None, predictor=Reducing())
    scene.widget.series.open_images([tmp_path / "a.zarr"])
    scene.qtbot.waitUntil(lambda: scene.workspace is not None)
    assert scene.workspace.image.multiscale
    assert scene.widget.image_panel.level.isHidden()
    scene.press("use_points")
    scene.click(LEFT)
    scene.widget.series.close()
    saved = np.asarray(open_image(tmp_path / "a_labels.zarr").data)
    assert overlap(saved.any(axis=0), disk_at(LEFT)) > 0.95
