"""Which DICOM files of a folder make up an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom_files import SUFFIXES, is_dicom, read_header
from napari_sam_adapter.image_io.dicom_headers import (
    Slice,
    frame_count,
    slices_of,
    tells_places,
)
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NO_IMAGES = "SEG", "RTDOSE"
"""Modalities with pixels that are no picture."""
SLICED = "CT", "MR", "PT"
"""Modalities whose images are slices, even if they do not say where they lie."""
MOST_LISTED = 5
"""Images that a message lists."""
SAME_DIRECTION, SAME_SPACING = 0.005, 1e-3
"""Directions and distances (in parts) that differ by less are the same."""


@dataclass(frozen=True)
class DicomSeries:
    """Slices that were taken together.

    Parameters
    ----------
    slices : tuple of Slice
        At least one, all of a kind.
    frame_time : float
        Milliseconds from one image to the next; 0 if they are no film.
    problem : str
        What is left out; may be empty.
    paths : frozenset of Path
        Their files, and copies of these.
    """

    slices: tuple[Slice, ...]
    frame_time: float = 0.0
    problem: str = ""
    paths: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class _File:
    path: Path
    header: Any

    @property
    def image(self) -> tuple[str, str]:
        """What files of the same image share: their series, or only their path."""
        series, header = str(self.header.get("SeriesInstanceUID") or ""), self.header
        is_sliced = header.get("Modality") in SLICED and frame_count(header) == 1
        is_part = bool(series) and (tells_places(header) or is_sliced)
        return series, "" if is_part else str(self.path)

    @property
    def is_alone(self) -> bool:
        """Whether no other file can be of the same image."""
        return bool(self.image[1])

    @property
    def name(self) -> str:
        return str(self.header.get("SeriesDescription") or "without a name")

    @property
    def identity(self) -> tuple[str, ...]:
        """What a copy of the file has, too."""
        names = "SOPInstanceUID", "ImagePositionPatient", "InstanceNumber"
        return tuple(str(self.header.get(name) or self.path) for name in names)


def images_in(paths: Iterable[Path]) -> list[Path]:
    """Return a file of each DICOM image.

    Parameters
    ----------
    paths : iterable of Path
        Files; those without the mark of DICOM, and without an image, are passed over.

    Returns
    -------
    list of Path
        The first of each image, in their order.

    Raises
    ------
    ImageError
        If pydicom is missing, or a file is broken.
    """
    return [files[0].path for files in _by_image(_files(paths))]


def read_series(path: Path) -> DicomSeries:
    """Read the headers of an image.

    Parameters
    ----------
    path : Path
        A file of it, whose folder has the others; or a folder that has no other image.

    Returns
    -------
    DicomSeries
        Every slice once, in no order.

    Raises
    ------
    ImageError
        If pydicom is missing, there is no image, there are several, or a file is
        broken.
    """
    if path.is_dir():
        paths = sorted(path.iterdir())
        found = _by_image(_files(paths))
        if len(found) != 1:
            raise ImageError(_no_single_image(path, found))
        foreign = [p.name for p in paths if _is_foreign(p)]
        return _series(found[0], None, _left_out(foreign))
    asked = _File(path, read_header(path))
    if not _is_image(asked.header):
        raise ImageError(
            f"Expected a DICOM file with an image, but {path} has none (modality "
            f"{asked.header.get('Modality') or 'unknown'}). Give a file with pixels; a "
            "DICOMDIR only lists such files."
        )
    if asked.is_alone:
        return _series([asked], path, "")
    broken: list[str] = []
    beside = [other for other in sorted(path.parent.iterdir()) if other != path]
    others = [f for f in _files(beside, broken) if f.image == asked.image]
    return _series([asked, *others], path, _left_out(broken))


def _files(paths: Iterable[Path], broken: list[str] | None = None) -> Iterator[_File]:
    """Give the files that are images; broken ones are listed, if there is a list."""
    for path in paths:
        if not is_dicom(path):
            continue
        try:
            file = _File(path, read_header(path))
        except ImageError:
            if broken is None:
                raise
            broken.append(path.name)
            continue
        if _is_image(file.header):
            yield file


def _is_image(header: Any) -> bool:
    return bool(header.get("Rows")) and header.get("Modality") not in NO_IMAGES


def _is_foreign(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not is_dicom(path)


def _by_image(files: Iterable[_File]) -> list[list[_File]]:
    found: dict[tuple[str, str], list[_File]] = {}
    for file in files:
        found.setdefault(file.image, []).append(file)
    return list(found.values())


def _left_out(names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"Left out as broken or no DICOM files: {names[0]}{more}."


def _series(files: list[_File], asked: Path | None, problem: str) -> DicomSeries:
    once: dict[tuple[str, ...], _File] = {}  # copies count once
    for file in files:
        once.setdefault(file.identity, file)
    kinds: list[list[Slice]] = []
    for file in once.values():
        for one in slices_of(file.path, file.header):
            kind = next((some for some in kinds if _are_alike(one, some[0])), None)
            kinds.append([one]) if kind is None else kind.append(one)
    # the file that was asked for is the first of its kind
    most = max(kinds, key=lambda kind: (kind[0].path == asked, len(kind)))
    others = sum(map(len, kinds)) - len(most)
    if others:
        verb = "is" if others == 1 else "are"
        problem = (
            f"{counted(others, 'image')} of the series {verb} left out: of another "
            f"size, direction or pixel spacing, or without a place. {problem}"
        ).strip()
    time = float(files[0].header.get("FrameTime") or 0)
    kept = {one.path for one in most}
    paths = frozenset(f.path for f in files if once[f.identity].path in kept)
    return DicomSeries(tuple(most), max(time, 0.0), problem, paths)


def _are_alike(one: Slice, other: Slice) -> bool:
    return (
        (one.shape, one.dtype, one.has_place)
        == (other.shape, other.dtype, other.has_place)
        and len(one.directions) == len(other.directions)
        and np.allclose(one.directions, other.directions, atol=SAME_DIRECTION)
        and len(one.spacing) == len(other.spacing)
        and np.allclose(one.spacing, other.spacing, atol=0, rtol=SAME_SPACING)
    )


def _no_single_image(folder: Path, found: list[list[_File]]) -> str:
    if not found:
        return f"Expected DICOM images in the folder {folder}, got none. Give another."
    listed = ", ".join(
        f"{files[0].name} ({files[0].path.name}, {counted(len(files), 'file')})"
        for files in found[:MOST_LISTED]
    )
    more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
    return (
        f"Expected a folder with one DICOM series, got {len(found)} in {folder}: "
        f"{listed}{more}. Give a file of the one you want; it stands for its series."
    )
