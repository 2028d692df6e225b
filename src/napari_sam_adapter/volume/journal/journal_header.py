"""The first line of a journal: what its edits were made on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.document.new_labels import DEFAULT_LABELS
from napari_sam_adapter.volume.document.overlap_rules import KEEP
from napari_sam_adapter.volume.planes.plane import numbered_plane
from napari_sam_adapter.volume.planes.planes import OVERVIEW_SIDE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume

JOURNAL_VERSION = 3
BEGINNING = f'{{"version": {JOURNAL_VERSION}, "image": {{'.encode()
"""With which every journal begins."""
OVERWRITE_VERSION = 2
"""Its headers say ``overwrite``, true or false, in place of the rule."""
IDENTITY_PLANES = 3
"""Planes whose pixels tell one image from another."""
LEVELS = "levels"
"""Entry of an image's identity that only pyramids have."""


@dataclass(frozen=True)
class JournalHeader:
    """First line of a journal: what the edits were made on.

    Parameters
    ----------
    version : int
        Of the file format.
    image : dict
        ``shape``, ``dtype`` and ``sha256`` of a few planes; ``unreadable`` are those of
        them that could not be read; of a pyramid also the shapes of its ``levels``.
    labels : dict
        ``dtype``, and ``sha256`` of labels that were there at the start or None.
    intensity : dict
        Fields of the `IntensityMapping`.
    overlap_rule : str
        Who gets a pixel that two objects want, see `SetOverlapRule`.
    spacing : list of float
        Distance between neighbours on every spatial axis.
    rounded : bool
        Whether embeddings were rounded to half precision, as a store does.
    """

    version: int
    image: dict[str, Any]
    labels: dict[str, Any]
    intensity: dict[str, Any]
    overlap_rule: str
    spacing: list[float]
    rounded: bool


def present_header(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first line of a journal as this version writes it.

    Parameters
    ----------
    values : mapping
        As it was read.

    Returns
    -------
    dict
        The same, but for a line of version 2.
    """
    present = dict(values)
    if present.get("version") == OVERWRITE_VERSION and "overwrite" in present:
        takes = present.pop("overwrite")
        present |= {
            "version": JOURNAL_VERSION,
            "overlap_rule": "overwrite" if takes else KEEP,
        }
    return present


def header_from_json(values: Mapping[str, Any]) -> JournalHeader:
    """Return the header that a first line holds.

    Parameters
    ----------
    values : mapping
        From `present_header`.

    Returns
    -------
    JournalHeader
        Of which every part can be used.

    Raises
    ------
    TypeError, ValueError, KeyError
        If a part is missing or of another kind.
    """
    header = JournalHeader(**values)
    image, labels = header.image, header.labels
    np.dtype(image["dtype"]), np.dtype(labels["dtype"])
    for whole_numbers in (image["shape"], image.get("unreadable", ())):
        tuple(map(index, whole_numbers))
    tuple(image.get(LEVELS, ()))
    IntensityMapping(**header.intensity)
    if header.spacing is not None:
        tuple(map(float, header.spacing))
    return header


def header_line(header: JournalHeader) -> bytes:
    """Return the first line of a journal.

    Parameters
    ----------
    header : JournalHeader
        What the edits are made on.

    Returns
    -------
    bytes
        JSON and a line feed.
    """
    return json.dumps(asdict(header)).encode() + b"\n"


def image_identity(volume: Volume, skipped: Collection[int] = ()) -> dict[str, Any]:
    """Return what tells an image from others, from a few of its planes.

    Parameters
    ----------
    volume : Volume
        The image.
    skipped : collection of int
        Which of these planes are left out, because they could not be read once.

    Returns
    -------
    dict
        As `JournalHeader.image`.
    """
    *_, identity = identity_steps(volume, skipped)
    assert identity is not None  # the last one never is
    return identity


def identity_steps(
    volume: Volume, skipped: Collection[int] = ()
) -> Iterator[dict[str, Any] | None]:
    """Find out what tells an image from others, one plane at a time.

    Parameters
    ----------
    volume : Volume
        The image.
    skipped : collection of int
        As in `image_identity`.

    Yields
    ------
    dict or None
        None after each plane; at the end as in `image_identity`.
    """
    digest, unreadable = hashlib.sha256(), set(skipped)
    for number, plane in enumerate(_identity_planes(volume.shape)):
        if number in skipped:
            continue
        try:
            pixels = volume.overview(plane, OVERVIEW_SIDE)
            digest.update(_bytes_of(pixels))
        except ImageError:  # the rest of the image can be worked on
            unreadable.add(number)
        yield None
    identity: dict[str, Any] = {
        "shape": list(volume.shape),
        "dtype": _name_of(volume.dtype),
        "sha256": digest.hexdigest(),
    }
    if unreadable:
        identity["unreadable"] = sorted(unreadable)
    if volume.level_shapes:  # windows are read from them, too
        identity[LEVELS] = [list(shape) for shape in volume.level_shapes]
    yield identity


def _identity_planes(shape: Sequence[int]) -> list[Plane]:
    """Return planes evenly spread over a volume; known journals were named by these."""
    total = int(np.prod(shape[:-2]))
    numbers = np.linspace(0, total - 1, min(IDENTITY_PLANES, total)).round()
    return [numbered_plane(shape, int(number)) for number in np.unique(numbers)]


def empty_header_steps(
    volume: Volume,
    dtype: np.dtype[Any],
    overlap_rule: str,
    spacing: tuple[float, ...],
    rounded: bool = False,
) -> Iterator[JournalHeader | None]:
    """Find out the first line of the journal of a session that began without labels.

    Parameters
    ----------
    volume : Volume
        The image.
    dtype : dtype
        Of the labels.
    overlap_rule : str
        As of `JournalHeader`, at the start.
    spacing : tuple of float
        Distance between neighbours on every spatial axis.
    rounded : bool
        Whether embeddings are rounded to half precision.

    Yields
    ------
    JournalHeader or None
        The header at the end, None before: nothing here takes longer than a few
        planes take to be read.
    """
    identity = None
    for found in identity_steps(volume):
        identity = found
        yield None
    assert identity is not None  # the last one never is
    yield JournalHeader(
        JOURNAL_VERSION,
        identity,
        {"dtype": _name_of(dtype), "sha256": None},
        asdict(volume.intensity),
        overlap_rule,
        list(spacing),
        rounded,
    )


def labels_identity(
    labels: npt.NDArray[np.integer[Any]] | None,
) -> dict[str, Any]:
    """Return what tells the labels at the start of a session from others.

    Parameters
    ----------
    labels : int array or None
        Before the first edit; None for new ones, which are not looked through.

    Returns
    -------
    dict
        ``dtype``, and ``sha256`` or None if all are 0.
    """
    if labels is None:
        return {"dtype": _name_of(np.dtype(DEFAULT_LABELS)), "sha256": None}
    if not any(part.any() for part in labels):
        return {"dtype": _name_of(labels.dtype), "sha256": None}
    digest = hashlib.sha256()
    for part in labels:
        digest.update(_bytes_of(part))
    return {"dtype": _name_of(labels.dtype), "sha256": digest.hexdigest()}


def _name_of(dtype: np.dtype[Any]) -> str:
    """Return the name of a type, whatever the order of its bytes in memory."""
    return dtype.newbyteorder("<").str


def _bytes_of(values: npt.NDArray[Any]) -> bytes:
    """Return values as bytes, whatever their order in memory."""
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def header_of(
    volume: Volume,
    labels: npt.NDArray[np.integer[Any]] | None,
    overlap_rule: str,
    spacing: tuple[float, ...],
    rounded: bool,
) -> JournalHeader:
    """Return the first line of the journal of a new session.

    Parameters
    ----------
    volume : Volume
        The image.
    labels : int array or None
        Before the first edit; None for new ones.
    overlap_rule : str
        Who gets a pixel that two objects want, see `SetOverlapRule`.
    spacing : tuple of float
        Distance between neighbours on every spatial axis.
    rounded : bool
        Whether embeddings are rounded to half precision.

    Returns
    -------
    JournalHeader
        Of the present version.
    """
    return JournalHeader(
        JOURNAL_VERSION,
        image_identity(volume),
        labels_identity(labels),
        asdict(volume.intensity),
        overlap_rule,
        list(spacing),
        rounded,
    )
