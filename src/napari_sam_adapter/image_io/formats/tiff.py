"""TIFF, OME-TIFF and ImageJ files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from napari_sam_adapter.errors import ImageError, OutputError
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.opened_image import OpenedImage, describe
from napari_sam_adapter.image_io.image.units import NO_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

LARGEST_CLASSIC_TIFF = 2**32 - 2**25
"""Bytes; beyond it the file needs 64-bit offsets."""
OME_AXES = "tczyx"
OME_UNITS = {"um": "\u00b5m", "angstrom": "\u00c5", "inch": "in", "foot": "ft"}
"""The spelling that the format asks for, where it differs."""
SLIDE_PICTURES = {
    *("label", "macro", "map", "other", "overview", "probability", "thumbnail"),
    *("label image", "macro image", "overview image"),
}
"""Names of what slide scanners keep beside their image, in lower case."""
TYPE_BYTES = np.array([1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8])
"""Size of a value of every TIFF type; unknown types count as 1."""


class PageLayout(NamedTuple):
    """How the description of a page is laid out in this file.

    Parameters
    ----------
    count_type : dtype
        Number of entries, at the start.
    entry : dtype
        One entry: tag, type of its values, their count, and where they are.
    offset : dtype
        Where the next description is, at the end.
    """

    count_type: np.dtype[Any]
    entry: np.dtype[Any]
    offset: np.dtype[Any]

    @classmethod
    def of(cls, order: str, is_big: bool) -> PageLayout:
        """Return the layout of a classic TIFF or of a BigTIFF.

        Parameters
        ----------
        order : str
            Byte order, ``"<"`` or ``">"``.
        is_big : bool
            Whether offsets have 64 bits.

        Returns
        -------
        PageLayout
            The layout.
        """
        offset = np.dtype(order + ("u8" if is_big else "u4"))
        short = np.dtype(order + "u2")
        names = ("tag", short), ("type", short), ("count", offset), ("place", offset)
        count = np.dtype(order + "u8") if is_big else short
        return cls(count, np.dtype(list(names)), offset)


def open_tiff(path: Path) -> OpenedImage:
    """Open the first image of a TIFF file at full resolution.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    OpenedImage
        Uncompressed files are mapped into memory, others read page by page. Further
        images in the file are told as its problem.

    Raises
    ------
    ImageError
        If the file is cut off.
    """
    import tifffile

    _check_chain(path)
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        _check_extent(path, series)
        data = _mapped(path, series) or _paged(path, series)
        image = describe(data, series.axes, _pixel_sizes(tiff), path)
        problems = image.problem, _others_told(tiff.series, path)
    return replace(image, problem=" ".join(filter(None, problems)))


def write_tiff(path: Path, image: OpenedImage) -> None:
    """Write a compressed OME-TIFF.

    Parameters
    ----------
    path : Path
        The file.
    image : OpenedImage
        Pixels.

    Raises
    ------
    OutputError
        If OME cannot hold these axes.
    """
    import tifffile

    check_tiff_axes(image.axes)
    data = np.asarray(image.data)
    metadata: dict[str, Any] = {"axes": _ome_axes(image.axes)}
    for letter, size, unit in zip(image.axes, image.scale, image.units, strict=True):
        if letter in "xyz":
            metadata[f"PhysicalSize{letter.upper()}"] = size
            metadata[f"PhysicalSize{letter.upper()}Unit"] = OME_UNITS.get(unit, unit)
        if letter == "t" and unit != NO_UNIT:
            metadata |= {"TimeIncrement": size, "TimeIncrementUnit": unit}
    tifffile.imwrite(
        path,
        data,
        bigtiff=data.nbytes > LARGEST_CLASSIC_TIFF,
        photometric="minisblack",
        compression="zlib",
        ome=True,
        metadata=metadata,
    )


def check_tiff_axes(axes: str) -> None:
    """Raise unless an OME-TIFF can hold such labels.

    Parameters
    ----------
    axes : str
        One letter per axis of the labels.

    Raises
    ------
    OutputError
        If there are too many, or the last two are not rows and columns.
    """
    if len(axes) > len(OME_AXES):
        raise OutputError(
            f"Expected labels of at most {len(OME_AXES)} axes, got {len(axes)}. "
            "Save as .npy."
        )
    if not axes.endswith("yx"):
        raise OutputError(
            f"Expected labels whose last axes are y and x for .tif, got {axes!r}. "
            "Save as .zarr or .npy."
        )


def _ome_axes(letters: str) -> str:
    """Return axes in the letters of OME, which has no others than these five."""
    free = [letter for letter in "ctz" if letter not in letters]
    known = [letter if letter in OME_AXES else free.pop(0) for letter in letters]
    return "".join(known).upper()


def _others_told(series: Sequence[Any], path: Path) -> str:
    count = 1 + sum(_is_image(other) for other in series[1:])
    return f"{path.name} holds {count} images; the first is used." if count > 1 else ""


def _is_image(series: Any) -> bool:
    # Levels of a pyramid, masks and pictures of the slide are no images of their own.
    page = series.keyframe
    is_beside = page.is_reduced or page.is_mask
    return not is_beside and series.name.strip().lower() not in SLIDE_PICTURES


def _mapped(path: Path, series: Any) -> LazyArray | None:
    # Only an uncompressed image that lies in one piece can be mapped into memory.
    if series.dataoffset is None or not series.keyframe.is_memmappable:
        return None
    dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
    pixels = np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape))
    return LazyArray(pixels, str(path))


def _paged(path: Path, series: Any) -> LazyArray:
    import zarr

    store = series.aszarr(level=0)
    pixels = zarr.open_array(store, mode="r")
    return LazyArray(pixels, str(path), close=store.close)


def _check_chain(path: Path) -> None:
    # Readers take the pages before a break in the list of pages for all there are.
    size = path.stat().st_size
    with path.open("rb") as file:
        offset, layout = _first_page(file, path)
        seen: set[int] = set()
        while offset:
            if offset >= size or offset in seen:
                raise ImageError(_cut_off(path))
            seen.add(offset)
            try:
                offset = _next_page(file, offset, layout, size)
            except (ValueError, OSError, OverflowError, MemoryError) as error:
                raise ImageError(_cut_off(path)) from error


def _first_page(file: BinaryIO, path: Path) -> tuple[int, PageLayout]:
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        raise ImageError(f"Expected a TIFF file, but {path} does not start as one.")
    is_big = int(np.frombuffer(head, order + "u2", 1, 2)[0]) == 43
    layout = PageLayout.of(order, is_big)
    return int(np.frombuffer(head, layout.offset, 1, 8 if is_big else 4)[0]), layout


def _next_page(file: BinaryIO, offset: int, layout: PageLayout, size: int) -> int:
    # Raises ValueError if the description, or a value of it, leads out of the file.
    file.seek(offset)
    count = int(_read(file, layout.count_type, 1)[0])
    entries = _read(file, layout.entry, min(count, size))
    bytes_each = TYPE_BYTES[
        np.where(entries["type"] < len(TYPE_BYTES), entries["type"], 0)
    ]
    lengths = entries["count"].astype(np.float64) * bytes_each
    ends = entries["place"].astype(np.float64) + lengths
    if np.any((lengths > layout.offset.itemsize) & (ends > size)):
        raise ValueError("a value outside the file")
    return int(_read(file, layout.offset, 1)[0])


def _read(file: BinaryIO, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    return np.frombuffer(file.read(dtype.itemsize * count), dtype, count)


def _check_extent(path: Path, series: Any) -> None:
    # The pixels must lie inside the file; only the first and the last page are asked.
    size = path.stat().st_size
    if series.dataoffset is not None:
        ends = [series.dataoffset + series.nbytes]
    else:
        pages = series.pages[0], series.pages[-1]
        if any(page is None or not page.dataoffsets for page in pages):
            raise ImageError(_cut_off(path))
        ends = [end for page in pages for end in _ends(page)]
    if max(ends) > size:
        raise ImageError(_cut_off(path))


def _ends(page: Any) -> list[int]:
    pieces = zip(page.dataoffsets, page.databytecounts, strict=True)
    return [offset + count for offset, count in pieces]


def _cut_off(path: Path) -> str:
    return (
        f"Expected a whole TIFF file, but {path} is cut off or damaged. Copy it again."
    )


def _pixel_sizes(tiff: Any) -> dict[str, tuple[float, str]]:
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_sizes(tiff.ome_metadata)
    if tiff.is_imagej:
        return _imagej_sizes(tiff)
    return {}


def _ome_sizes(xml: str) -> dict[str, tuple[float, str]]:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    pixels = root.find(".//{*}Pixels")
    sizes: dict[str, tuple[float, str]] = {}
    if pixels is None:
        return sizes
    for letter in "XYZ":
        if size := pixels.get(f"PhysicalSize{letter}"):
            unit = pixels.get(f"PhysicalSize{letter}Unit", "um")
            sizes[letter.lower()] = float(size), unit
    if step := pixels.get("TimeIncrement"):
        sizes["t"] = float(step), pixels.get("TimeIncrementUnit", "s")
    return sizes


def _imagej_sizes(tiff: Any) -> dict[str, tuple[float, str]]:
    metadata = tiff.imagej_metadata or {}
    unit = str(metadata.get("unit", NO_UNIT))
    sizes = {}
    for letter, name in (("x", "XResolution"), ("y", "YResolution")):
        tag = tiff.pages[0].tags.get(name)
        if tag is not None and tag.value[0]:
            sizes[letter] = tag.value[1] / tag.value[0], unit
    if metadata.get("spacing"):
        sizes["z"] = float(metadata["spacing"]), unit
    if metadata.get("finterval"):
        sizes["t"] = float(metadata["finterval"]), "s"
    return sizes
