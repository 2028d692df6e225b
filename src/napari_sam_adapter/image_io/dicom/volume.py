"""DICOM series as volumes; needs pydicom, from the extra ``medical``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.image_io.dicom.pixels import SlicePixels, number_range
from napari_sam_adapter.image_io.dicom.places import Arrangement, arrange
from napari_sam_adapter.image_io.dicom.series import DicomSeries, read_series
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage, describe

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.dicom.headers import Slice

FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts towards the patient's left and back, NIfTI to the right and front."""


def open_dicom(path: Path) -> OpenedImage:
    """Open a DICOM series with its axes as (t,) z, y, x.

    Parameters
    ----------
    path : Path
        A file, which stands for all of its series in the same folder, or a folder with
        one series.

    Returns
    -------
    OpenedImage
        Slices in the order of their places in the patient, read one by one. Values
        with slope and intercept applied, as whole numbers where these are whole; the
        largest is the brightest.

    Raises
    ------
    ImageError
        If pydicom or a decoder is missing, there is no image, there are several series,
        or a file is broken.
    """
    series = read_series(path)
    slices = list(series.slices)
    arranged = arrange(slices, path)
    first = arranged.table[0, 0]
    pixels = SlicePixels(arranged.table)
    is_film = series.frame_time > 0 and not first.corner and pixels.shape[0] == 1
    axes = ("utyx" if is_film else "tzyx") + "s" * (len(first.shape) - 2)
    image = describe(
        LazyArray(pixels, str(path)),
        axes,
        _sizes(first, arranged.gap, series),
        path,
        _affine(first, arranged),
    )
    is_alone = path.is_dir() or len({one.path for one in slices}) == 1
    name = path.name if is_alone else path.parent.name
    problems = series.problem, _table_told(slices), arranged.problem
    window = _window(arranged.table[:, arranged.table.shape[1] // 2][0])
    return replace(
        image,
        name=name or path.name,
        problem=" ".join(filter(None, problems)),
        window=window,
        parts=frozenset(one.absolute() for one in series.paths),
    )


def _table_told(slices: list[Slice]) -> str:
    if not any(one.is_tabled for one in slices):
        return ""
    return "The file has a table of values (Modality LUT), which is not applied."


def _sizes(one: Slice, gap: float, series: DicomSeries) -> dict[str, tuple[float, str]]:
    sizes = {"t": (series.frame_time, "ms")} if series.frame_time else {}
    if one.spacing:
        sizes |= {"y": (one.spacing[0], "mm"), "x": (one.spacing[1], "mm")}
        sizes |= {"z": (gap, "mm")} if gap else {}
    return sizes


def _affine(one: Slice, arranged: Arrangement) -> npt.NDArray[np.float64] | None:
    """Return the matrix from (x, y, z) to the patient, as NIfTI counts."""
    if arranged.step is None or not one.spacing:
        return None
    affine = np.eye(4)
    affine[:3, 0] = np.multiply(one.directions[:3], one.spacing[1])
    affine[:3, 1] = np.multiply(one.directions[3:], one.spacing[0])
    affine[:3, 2] = arranged.step
    affine[:3, 3] = one.corner
    return FROM_LPS @ affine


def _window(one: Slice) -> tuple[float, float] | None:
    if not one.window or len(one.shape) > 2:
        return None
    low, high = one.window
    total = sum(number_range(one)) if one.is_inverted else 0
    return (total - high, total - low) if one.is_inverted else (low, high)
