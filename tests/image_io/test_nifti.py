"""NIfTI files: axes and values, and labels where the scan lies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.image_io.volume_files import LABELS, VOLUME

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import open_image, save_labels

if TYPE_CHECKING:
    from pathlib import Path

nibabel = pytest.importorskip("nibabel")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_axes_come_as_z_y_x(tmp_path: Path, suffix: str) -> None:
    volume = nibabel.Nifti1Image(VOLUME.T, np.diag([0.25, 0.5, 2.0, 1.0]))
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, tmp_path / f"scan{suffix}")
    image = open_image(tmp_path / f"scan{suffix}")
    assert (image.axes, image.scale) == ("zyx", (2.0, 0.5, 0.25))
    assert image.units == ("mm", "mm", "mm")
    np.testing.assert_array_equal(image.data[4, :, 3:7], VOLUME[4, :, 3:7])


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(VOLUME.T * 0.01 - 3, np.eye(4))
    volume.header.set_data_dtype(np.int16)
    nibabel.save(volume, tmp_path / "scan.nii")
    image = open_image(tmp_path / "scan.nii")
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data[2], VOLUME[2] * 0.01 - 3, atol=0.01)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.eye(4)), path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(ImageError):
        open_image(path)


def test_nifti_labels_lie_where_the_scan_lies(tmp_path: Path) -> None:
    affine = np.array([[0, -2, 0, 5], [0.5, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, affine), tmp_path / "scan.nii")
    like = open_image(tmp_path / "scan.nii")
    save_labels(tmp_path / "labels.nii.gz", LABELS, like)
    np.testing.assert_allclose(nibabel.load(tmp_path / "labels.nii.gz").affine, affine)


@pytest.mark.parametrize("shape", [(6, 5, 1, 3), (6, 5, 1)])
def test_nifti_labels_of_a_single_slice_have_shape_and_header_of_the_scan(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    affine = np.array([[0, -2, 0, 5], [1.5, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1.0]])
    scan = nibabel.Nifti1Image(np.ones(shape, np.int16), affine)
    scan.header.set_zooms((1.5, 2, 4, 2.5)[: len(shape)])
    nibabel.save(scan, tmp_path / "scan.nii.gz")
    like = open_image(tmp_path / "scan.nii.gz")
    values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    save_labels(tmp_path / "labels.nii.gz", values.T.reshape(like.label_shape), like)
    labels = nibabel.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(labels.dataobj), values)
    assert labels.header.get_zooms() == scan.header.get_zooms()
    np.testing.assert_array_equal(labels.affine, affine)
