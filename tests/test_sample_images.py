from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.sample_images import large_nucleus, nuclei_volume, organ_slice

SMALL = (16, 96, 96)


@pytest.fixture(scope="module")
def nuclei() -> tuple[np.ndarray, np.ndarray]:
    return nuclei_volume(SMALL)


def test_the_same_seed_gives_the_same_nuclei(
    nuclei: tuple[np.ndarray, np.ndarray],
) -> None:
    image, labels = nuclei_volume(SMALL)
    np.testing.assert_array_equal(image, nuclei[0])
    np.testing.assert_array_equal(labels, nuclei[1])


def test_another_seed_gives_other_nuclei(nuclei: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = nuclei_volume(SMALL, seed=1)
    assert not np.array_equal(image, nuclei[0])


def test_nuclei_have_the_types_and_shape_that_are_promised(
    nuclei: tuple[np.ndarray, np.ndarray],
) -> None:
    image, labels = nuclei
    assert (image.dtype, labels.dtype) == (np.uint16, np.int32)
    assert image.shape == labels.shape == SMALL


def test_nuclei_are_numbered_without_gaps(
    nuclei: tuple[np.ndarray, np.ndarray],
) -> None:
    _, labels = nuclei
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert labels.max() > 10


def test_nuclei_are_brighter_than_what_is_around_them(
    nuclei: tuple[np.ndarray, np.ndarray],
) -> None:
    image, labels = nuclei
    far = ndimage.distance_transform_edt(labels == 0) > 3
    brightness = ndimage.median(image, labels, np.arange(1, labels.max() + 1))
    assert np.mean(brightness > np.percentile(image[far], 95)) > 0.9


def test_some_nuclei_touch(nuclei: tuple[np.ndarray, np.ndarray]) -> None:
    _, labels = nuclei
    left, right = labels[..., :-1], labels[..., 1:]
    assert np.any((left != right) & (left > 0) & (right > 0))


def test_nuclei_differ_in_size_and_brightness(
    nuclei: tuple[np.ndarray, np.ndarray],
) -> None:
    image, labels = nuclei
    numbers = np.arange(1, labels.max() + 1)
    sizes = np.bincount(labels.ravel())[1:]
    brightness = ndimage.mean(image, labels, numbers)
    assert sizes.max() > 2 * sizes.min()
    assert brightness.max() > 2 * brightness.min()


@pytest.mark.parametrize("shape", [(16, 96), (2, 96, 96), (16, 8, 96)])
def test_a_volume_too_small_for_nuclei_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="shape"):
        nuclei_volume(shape)


def test_an_organ_slice_shows_all_organs() -> None:
    image, labels = organ_slice()
    assert (image.dtype, labels.dtype) == (np.int16, np.int32)
    np.testing.assert_array_equal(np.unique(labels), np.arange(8))


def test_organs_have_their_densities() -> None:
    image, labels = organ_slice()
    liver, spine, air = image[labels == 1], image[labels == 5], image[:10]
    assert 100 < liver.mean() < 125
    assert spine.mean() > 250
    assert air.mean() < -950


def test_the_same_seed_gives_the_same_slice() -> None:
    np.testing.assert_array_equal(organ_slice(seed=3)[0], organ_slice(seed=3)[0])


def test_the_nucleus_of_the_demo_is_whole_and_stands_free() -> None:
    _, labels = nuclei_volume()
    (z, row, column), mask = large_nucleus(labels)
    assert mask[z, row, column]
    assert np.unique(labels[mask]).size == 1
    assert not any(mask.take((0, -1), axis).any() for axis in range(3))
    around = ndimage.binary_dilation(mask, iterations=1) & ~mask
    assert not labels[around].any()
