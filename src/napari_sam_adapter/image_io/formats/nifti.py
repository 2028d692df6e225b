"""NIfTI volumes; needs nibabel, from the extra ``medical``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.formats.tiff import check_tiff_axes
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage, describe
from napari_sam_adapter.image_io.image.units import NO_UNIT

if TYPE_CHECKING:
    from pathlib import Path

FILE_AXES = "xyztc"
"""Axes of a NIfTI file in their order; the fifth holds vectors."""
LABEL_AXES = "yx", "zyx", "tyx", "tzyx"
SPACE_UNITS, TIME_UNITS = ("mm", "um", "m"), ("s", "ms")
UNIT_CODES = {"mm": "mm", "um": "micron", "m": "meter", "s": "sec", "ms": "msec"}
IN_KNOWN_UNITS = {
    "pm": (1e-6, "um"),
    "angstrom": (1e-4, "um"),
    "nm": (1e-3, "um"),
    "cm": (10.0, "mm"),
    "dm": (100.0, "mm"),
    "inch": (25.4, "mm"),
    "foot": (304.8, "mm"),
    "min": (60.0, "s"),
    "h": (3600.0, "s"),
}
"""How units are written that the format does not know."""
INSTALL = 'pip install "napari-sam-adapter[medical]"'


def open_nifti(path: Path) -> OpenedImage:
    """Open a NIfTI volume with its axes as (t,) z, y, x.

    Parameters
    ----------
    path : Path
        ``.nii``, read plane by plane, or ``.nii.gz``, read whole.

    Returns
    -------
    OpenedImage
        Values with slope and intercept applied, as float32 if there are any.

    Raises
    ------
    ImageError
        If nibabel is missing, or the file is cut off or broken.
    """
    nibabel = _nibabel(ImageError)
    try:
        volume = nibabel.load(path)
    except nibabel.filebasedimages.ImageFileError as error:
        raise ImageError(f"Expected a NIfTI file, but {path} is none.") from error
    header = volume.header
    if not path.name.lower().endswith(".gz"):
        _check_length(path, volume)
    dtype = _value_type(volume.dataobj)
    pixels = volume.dataobj
    if path.name.lower().endswith(".gz"):
        pixels = np.asanyarray(pixels).astype(dtype, copy=False)
    order = tuple(reversed(range(pixels.ndim)))
    data = LazyArray(pixels, str(path), order=order, dtype=dtype)
    axes = FILE_AXES[: pixels.ndim][::-1]
    return describe(data, axes, _sizes(header), path, np.asarray(volume.affine))


def write_nifti(path: Path, image: OpenedImage) -> None:
    """Write labels with the position of the image they belong to.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    image : OpenedImage
        Labels with axes (t,) (z,) y, x.

    Raises
    ------
    OutputError
        If nibabel is missing, or the labels have other axes.
    """
    nibabel = _nibabel(OutputError)
    axes = image.axes
    check_nifti_axes(axes)
    data = np.asarray(image.data).T  # x, y, z, t
    affine = image.affine
    if "z" not in axes and ("t" in axes or affine is not None):
        data = data[:, :, np.newaxis]
    sizes, units = _known_sizes(image)
    if affine is not None:
        steps = nibabel.affines.voxel_sizes(affine)  # along z for a single slice, too
        sizes = dict(zip("xyz", steps.tolist(), strict=True)) | sizes
    else:
        affine = np.diag([*(sizes.get(letter, 1.0) for letter in "xyz"), 1.0])
    volume = nibabel.Nifti1Image(data, affine)
    volume.header.set_zooms([sizes.get(a, 1.0) for a in "xyzt"[: data.ndim]])
    volume.header.set_xyzt_units(
        UNIT_CODES.get(units["x"]), UNIT_CODES.get(units.get("t", NO_UNIT))
    )
    nibabel.save(volume, path)


def check_nifti_axes(axes: str) -> None:
    """Raise unless a NIfTI file can hold such labels.

    Parameters
    ----------
    axes : str
        One letter per axis of the labels.

    Raises
    ------
    OutputError
        If they are no others than (t,) (z,) y, x in this order.
    """
    if axes in LABEL_AXES:
        return
    try:
        check_tiff_axes(axes)
        others = ".tif or .zarr"
    except OutputError:
        others = ".zarr or .npy"
    raise OutputError(
        "Expected labels whose axes are y and x, or z or t or both before them, for "
        f"NIfTI, got {axes!r}. Save as {others}."
    )


def _known_sizes(image: OpenedImage) -> tuple[dict[str, float], dict[str, str]]:
    sizes, units = {}, {}
    for letter, size, unit in zip(image.axes, image.scale, image.units, strict=True):
        factor, known = IN_KNOWN_UNITS.get(unit, (1.0, unit))
        sizes[letter], units[letter] = size * factor, known
    return sizes, units


def _nibabel(error: type[ImageError | OutputError]) -> Any:
    try:
        import nibabel
    except ImportError as missing:
        raise error(
            f"Expected nibabel for NIfTI files, but it is not installed. Run: {INSTALL}"
        ) from missing
    return nibabel


def _check_length(path: Path, volume: Any) -> None:
    proxy = volume.dataobj
    pixels = int(np.prod(proxy.shape)) * volume.header.get_data_dtype().itemsize
    if path.stat().st_size < proxy.offset + pixels:
        raise ImageError(f"Expected a whole NIfTI file, but {path} is cut off.")


def _value_type(proxy: Any) -> np.dtype[Any]:
    is_raw = proxy.slope == 1 and proxy.inter == 0
    return np.dtype(proxy.dtype if is_raw else np.float32)


def _sizes(header: Any) -> dict[str, tuple[float, str]]:
    space, time = header.get_xyzt_units()
    words = {code: unit for unit, code in UNIT_CODES.items()}
    sizes = {}
    for letter, zoom in zip(FILE_AXES, header.get_zooms(), strict=False):
        code = time if letter == "t" else space
        sizes[letter] = float(zoom), words.get(code, NO_UNIT)
    return sizes
