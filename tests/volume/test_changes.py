import numpy as np
import pytest

from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.document.changes import (
    PackedChange,
    bounding_box,
    change_between,
    merge_mask,
)
from napari_sam_adapter.volume.planes.planes import Plane

PLANE = Plane((1, 2), (0,))


def change_at(plane, box):
    before = np.zeros((8, 8), np.int32)
    after = before.copy()
    after[box[0] : box[2], box[1] : box[3]] = 1
    return PackedChange.of(change_between(1, plane, before, after))


def test_a_change_holds_only_the_box_that_differs():
    change = change_at(PLANE, (2, 3, 5, 4)).unpack()
    assert change.box == (2, 3, 5, 4)
    assert change.after.tolist() == [[1], [1], [1]]
    assert change.region == (slice(0, 1), slice(2, 5), slice(3, 4))


def test_equal_planes_make_an_empty_change():
    labels = np.ones((8, 8), np.int32)
    assert change_between(1, PLANE, labels, labels).is_empty
    assert bounding_box(np.zeros((3, 3), bool)) == (0, 0, 0, 0)


def test_the_inverse_restores_the_labels_and_spares_all_other_pixels():
    labels = np.zeros((1, 8, 8), np.int32)
    plane = Plane((2, 1), (0,))
    after = np.zeros((8, 8), np.int32)
    after[[1, 4], [1, 4]] = 3
    change = change_between(3, plane, plane.view(labels), after)
    change.write(labels)
    np.testing.assert_array_equal(plane.view(labels), after)
    labels[0, 2, 2] = 9  # inside the box, but not part of the change
    change.inverted().write(labels)
    assert np.argwhere(labels).tolist() == [[0, 2, 2]]


@pytest.mark.parametrize(
    ("plane", "box", "expected"),
    [
        (PLANE, (4, 4, 6, 6), True),
        (PLANE, (5, 4, 6, 6), False),
        (Plane((1, 2), (1,)), (4, 4, 6, 6), False),
        (Plane((2, 1), (0,)), (0, 4, 5, 8), True),
        (Plane((0, 1), (4,)), (0, 4, 1, 5), True),
        (Plane((0, 1), (6,)), (0, 4, 1, 5), False),
    ],
    ids=[
        "overlap",
        "beside",
        "other-plane",
        "transposed",
        "crossing",
        "crossing-beside",
    ],
)
def test_changes_meet_where_they_share_voxels(plane, box, expected):
    assert change_at(PLANE, (2, 2, 5, 5)).meets(change_at(plane, box)) is expected


@pytest.mark.parametrize("dtype", ["?", "<i4", ">u2", "<u8"])
def test_packing_is_exact(dtype):
    array = (np.arange(35).reshape(5, 7) % 3).astype(dtype)[::2, ::-1]
    packed = PackedArray.from_json(PackedArray.of(array).to_json())
    np.testing.assert_array_equal(packed.unpack(), array)
    assert packed.unpack().dtype == array.dtype


CURRENT = np.array([[1, 1, 2, 0, 0]])
WANTED = np.array([[False, True, True, True, False]])


def test_a_mask_spares_other_objects():
    assert merge_mask(CURRENT, 1, WANTED).tolist() == [[0, 1, 2, 1, 0]]


def test_a_mask_takes_other_objects_if_allowed():
    assert merge_mask(CURRENT, 1, WANTED, overwrite=True).tolist() == [[0, 1, 1, 1, 0]]


def test_a_mask_leaves_kept_pixels_alone():
    kept = np.array([[True, False, False, True, False]])
    assert merge_mask(CURRENT, 1, WANTED, kept).tolist() == [[1, 1, 2, 0, 0]]
