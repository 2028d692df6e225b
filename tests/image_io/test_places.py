from __future__ import annotations

import numpy as np
import pytest

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import OpenedImage
from napari_sam_adapter.image_io.labels.places import check_same_place

AFFINE = np.array([[0, -2, 0, 7], [1, 0, 0, 8], [0, 0, 3, 9], [0, 0, 0, 1.0]])
FLIPPED = np.diag([-1.0, 1, 1, 1])
FLIPPED[0, 3] = 5  # an axis of 6 voxels


def opened(affine: np.ndarray | None, ndim: int = 3) -> OpenedImage:
    shape, axes = (4, 5, 6)[-ndim:], "zyx"[-ndim:]
    ones, units = (1.0,) * ndim, ("mm",) * ndim
    return OpenedImage(np.zeros(shape, int), axes, ones, units, "scan", affine)


@pytest.mark.parametrize("ndim", [2, 3])
def test_labels_elsewhere_are_refused(ndim: int) -> None:
    for other in (AFFINE @ FLIPPED, np.diag([-1.0, -1, 1, 1]) @ AFFINE):
        with pytest.raises(ImageError, match="lie where scan lies"):
            check_same_place(opened(AFFINE, ndim), opened(other, ndim))


def test_how_far_they_are_is_told() -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 1.5
    with pytest.raises(ImageError, match=r"up to 1\.5 mm"):
        check_same_place(opened(AFFINE), opened(moved))


@pytest.mark.parametrize(
    "labels",
    [None, AFFINE, AFFINE + 0.01, np.eye(4), np.diag([1.0, 2, 3, 1])],
    ids=["none", "the same", "rounded", "empty", "sizes only"],
)
def test_labels_in_place_or_without_one_are_taken(labels: np.ndarray | None) -> None:
    check_same_place(opened(AFFINE), opened(labels))
    check_same_place(opened(None), opened(labels))


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, 1, -1), (1, -1, 1)])
def test_sizes_with_a_sign_say_where_labels_lie(signs: tuple[int, ...]) -> None:
    turned = np.diag([*signs, 1.0])
    with pytest.raises(ImageError, match="lie where scan lies"):
        check_same_place(opened(np.eye(4)), opened(turned))
    check_same_place(opened(turned), opened(np.eye(4)))  # which says nothing


@pytest.mark.parametrize("way", [0.95, 1.05])
def test_labels_may_lie_a_voxel_aside(way: float) -> None:
    moved = AFFINE.copy()
    moved[1, 3] += way  # the smallest voxels are 1 mm
    if way < 1:
        check_same_place(opened(AFFINE), opened(moved))
    else:
        with pytest.raises(ImageError, match=r"up to 1\.05 mm"):
            check_same_place(opened(AFFINE), opened(moved))
