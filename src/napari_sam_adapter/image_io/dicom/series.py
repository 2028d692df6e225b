"""Which DICOM files of a folder make up an image."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.dicom.files import (
    SUFFIXES,
    has_mark,
    load_pydicom,
    read_header,
    stamp_of,
)
from napari_sam_adapter.image_io.dicom.headers import (
    Slice,
    frame_count,
    slices_of,
    tells_places,
)
from napari_sam_adapter.image_io.image.lazy_array import unreadable
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_sam_adapter.image_io.dicom.files import FileStamp, Pixels

NO_IMAGES = "SEG", "RTDOSE"
"""Modalities with pixels that are no picture."""
SLICED = "CT", "MR", "PT"
"""Modalities whose images are slices, even if they do not say where they lie."""
IDENTITY = "SOPInstanceUID", "ImagePositionPatient", "InstanceNumber"
"""What a copy of a file has, too."""
MOST_LISTED = 5
"""Images that a message lists."""
MOST_MARKS = 2**15
"""Files of which it is kept whether they are DICOM."""
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
    """What is kept of a header.

    Parameters
    ----------
    path : Path
        The file.
    modality : str
        How its images were made.
    has_image : bool
        Whether there is one.
    image : tuple of str
        What files of the same image share: their series, or only their path.
    name : str
        Of its series.
    identity : tuple of str
        What a copy of the file has, too.
    frame_time : float
        Milliseconds from one frame to the next; 0 if it is no film.
    slices : tuple of Slice
        Its images.
    flaw : str
        Why they cannot be used; empty if they can.
    """

    path: Path
    modality: str
    has_image: bool = False
    image: tuple[str, str] = ("", "")
    name: str = ""
    identity: tuple[str, ...] = ()
    frame_time: float = 0.0
    slices: tuple[Slice, ...] = ()
    flaw: str = ""

    @property
    def is_alone(self) -> bool:
        """Whether no other file can be of the same image."""
        return bool(self.image[1])


def images_in(paths: Iterable[Path], broken: list[Path] | None = None) -> list[Path]:
    """Return a file of each DICOM image.

    Parameters
    ----------
    paths : iterable of Path
        Files; those without the mark of DICOM, and without an image, are passed over.
    broken : list of Path, optional
        Takes broken files; without it, one raises.

    Returns
    -------
    list of Path
        The first of each image, in their order; a series in two folders is two.

    Raises
    ------
    ImageError
        If pydicom is missing, or a file is broken.
    """
    load_pydicom()
    given = {path.absolute(): path for path in paths}
    return [given[files[0].path] for files in _by_image(_files(given, broken))]


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
    path = path.absolute()  # as headers of a folder are kept
    if path.is_dir():
        paths = sorted(path.iterdir())
        found = _by_image(_files(paths))
        if len(found) != 1:
            raise ImageError(_no_single_image(path, found))
        foreign = [p.name for p in paths if _is_foreign(p)]
        return _series(found[0], None, _left_out(foreign))
    asked = _read(path)
    if not asked.has_image:
        raise ImageError(
            f"Expected a DICOM file with an image, but {path} has none (modality "
            f"{asked.modality or 'unknown'}). Give a file with pixels; a "
            "DICOMDIR only lists such files."
        )
    if asked.is_alone:
        return _series([asked], path, "")
    broken: list[Path] = []
    beside = _files(sorted(path.parent.iterdir()), broken)
    others = [f for f in beside if f.image == asked.image and f.path != path]
    return _series([asked, *others], path, _left_out([other.name for other in broken]))


def _files(paths: Iterable[Path], broken: list[Path] | None = None) -> Iterator[_File]:
    """Give the files that are images; broken ones are listed, if there is a list."""
    marked = list(_marked(paths))
    known = _known(frozenset(marked))
    for path, _ in marked:
        try:
            if path not in known:  # what fails is not kept: it may be well later
                known[path] = _read(path)
        except ImageError:
            if broken is None:
                raise
            broken.append(path)
            continue
        if known[path].has_image:
            yield known[path]


def _marked(paths: Iterable[Path]) -> Iterator[tuple[Path, FileStamp]]:
    """Give the files with the mark of DICOM; what cannot be read is passed over."""
    for path in paths:
        with suppress(OSError):
            stamp = stamp_of(path)
            if _has_mark(path, stamp):
                yield path, stamp


@lru_cache(maxsize=MOST_MARKS)
def _has_mark(path: Path, stamp: FileStamp) -> bool:
    return has_mark(path)


@lru_cache(maxsize=1)
def _known(files: frozenset[tuple[Path, FileStamp]]) -> dict[Path, _File]:
    """Return what was read of a folder, for all series in it, while it is as it was."""
    return {}


def _read(path: Path) -> _File:
    header, pixels = read_header(path)
    modality = str(header.get("Modality") or "")
    if not header.get("Rows") or modality in NO_IMAGES:
        return _File(path, modality)
    try:
        slices, flaw = _slices(path, header, pixels)
        return _File(
            path,
            modality,
            has_image=True,
            image=_image_of(path, header, modality),
            name=str(header.get("SeriesDescription") or "without a name"),
            identity=tuple(str(header.get(name) or path) for name in IDENTITY),
            frame_time=max(float(header.get("FrameTime") or 0), 0.0),
            slices=slices,
            flaw=flaw,
        )
    except Exception as error:  # pydicom raises anything on values that are nonsense
        raise ImageError(unreadable(path, error)) from error


def _image_of(path: Path, header: Any, modality: str) -> tuple[str, str]:
    series = str(header.get("SeriesInstanceUID") or "")
    is_sliced = modality in SLICED and frame_count(header) == 1
    is_part = bool(series) and (tells_places(header) or is_sliced)
    return series, "" if is_part else str(path)


def _slices(path: Path, header: Any, pixels: Pixels) -> tuple[tuple[Slice, ...], str]:
    try:
        return tuple(slices_of(path, header, pixels)), ""
    except ImageError as error:  # which only matters if this image is wanted
        return (), str(error)


def _is_foreign(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not any(_marked([path]))


def _by_image(files: Iterable[_File]) -> list[list[_File]]:
    # a series is read in one folder
    found: dict[tuple[Path, tuple[str, str]], list[_File]] = {}
    for file in files:
        found.setdefault((file.path.parent, file.image), []).append(file)
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
        if file.flaw:
            raise ImageError(file.flaw)
        for one in file.slices:
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
    kept = {one.path for one in most}
    paths = frozenset(f.path for f in files if once[f.identity].path in kept)
    return DicomSeries(tuple(most), files[0].frame_time, problem, paths)


def _are_alike(one: Slice, other: Slice) -> bool:
    return (
        (one.shape, one.dtype, one.has_place)
        == (other.shape, other.dtype, other.has_place)
        and _are_near(one.directions, other.directions, atol=SAME_DIRECTION)
        and _are_near(one.spacing, other.spacing, rtol=SAME_SPACING)
    )


def _are_near(
    some: tuple[float, ...],
    others: tuple[float, ...],
    atol: float = 0.0,
    rtol: float = 0.0,
) -> bool:
    if some == others:  # as a rule
        return True
    return len(some) == len(others) and np.allclose(some, others, rtol, atol)


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
        f"{listed}{more}. Give a file of the one you want; it stands for its series. "
        "Where a folder of images is taken, this one by itself stands for all of them."
    )
