from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_sam_adapter.plugin.layers.labels_layer import (
    build_labels_layer,
    take_stroke,
)
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.drawn import drawn_on
from napari_sam_adapter.volume.planes.planes import Plane


@pytest.fixture
def labels():
    array = np.zeros((4, 20, 30), np.int32)
    array[1, 5:8, 5:8] = 2
    return build_labels_layer(Image(np.zeros(array.shape, np.uint8)), array)


@pytest.fixture
def strokes(labels):
    """Collect what the layer would look like and the edits that were taken."""
    taken = []

    def on_paint(event):
        taken.append(take_stroke(labels, event.value, (1, 2)))

    labels.events.paint.connect(on_paint)
    return taken


def replayed(array, edits):
    result = array.copy()
    for edit in edits:
        drawn = drawn_on(result, edit)
        edit.plane.view(result)[slices_of(drawn.box)] = drawn.after
    return result


def test_stroke_of_several_parts_is_taken_back_as_one_edit(labels, strokes):
    before = labels.data.copy()
    labels.brush_size = 3
    with labels.block_history():
        labels.paint((1, 6, 6), 7)
        labels.paint((1, 7, 6), 8)
        painted = labels.data.copy()
    assert np.array_equal(labels.data, before)
    ((edit,),) = strokes
    assert edit.plane == Plane((1, 2), (1,))
    assert np.array_equal(replayed(before, [edit]), painted)


def test_erasing_is_an_edit_to_background(labels, strokes):
    with labels.block_history():
        labels.fill((1, 6, 6), 0)
    ((edit,),) = strokes
    assert len(edit.pixels) == 9
    assert edit.values == 0
    assert labels.data[1, 6, 6] == 2


def test_values_set_by_index_are_an_edit(labels, strokes):
    with labels.block_history():
        labels.data_setitem(
            (np.array([2, 2]), np.array([3, 9]), np.array([4, 20])), np.array([5, 6])
        )
    ((edit,),) = strokes
    assert edit.plane == Plane((1, 2), (2,))
    assert edit.pixels.tolist() == [[3, 4], [9, 20]]
    assert edit.values.tolist() == [5, 6]


def test_brush_through_several_planes_is_one_edit_per_plane(labels, strokes):
    labels.n_edit_dimensions = 3
    labels.brush_size = 5
    with labels.block_history():
        labels.paint((2, 12, 12), 3)
        painted = labels.data.copy()
    (edits,) = strokes
    assert [edit.plane.position for edit in edits] == [(0,), (1,), (2,), (3,)]
    assert np.array_equal(replayed(labels.data, edits), painted)


@pytest.mark.parametrize("axes", [(1, 2), (2, 1)], ids=["as stored", "transposed"])
def test_filling_a_volume_is_one_mask_and_one_label_per_plane(labels, axes):
    taken = []
    labels.events.paint.connect(
        lambda e: taken.extend(take_stroke(labels, e.value, axes))
    )
    labels.n_edit_dimensions = 3
    with labels.block_history():
        labels.fill((0, 0, 0), 7)
        painted = labels.data.copy()
    assert [edit.plane for edit in taken] == [Plane(axes, (z,)) for z in range(4)]
    assert all(edit.pixels.dtype == bool and edit.values == 7 for edit in taken)
    assert np.array_equal(replayed(labels.data, taken), painted)


def test_a_large_stroke_of_several_labels_keeps_each(labels, strokes):
    with labels.block_history():
        labels.fill((1, 6, 6), 3)
        labels.fill((1, 0, 0), 4)
        painted = labels.data.copy()
    ((edit,),) = strokes
    assert edit.pixels.dtype == bool
    assert np.array_equal(replayed(labels.data, [edit]), painted)
