"""The file that a session is saved in while it goes on: one JSON object a line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.volume.journal_entries import (
    Entry,
    edit_from_json,
    edit_to_json,
)
from napari_sam_adapter.volume.new_labels import DEFAULT_LABELS
from napari_sam_adapter.volume.plane import spread_planes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.volume.planes import Volume

JOURNAL_VERSION = 2
IDENTITY_PLANES = 3
"""Planes whose pixels tell one image from another."""


@dataclass(frozen=True)
class JournalHeader:
    """First line of a journal: what the edits were made on.

    Parameters
    ----------
    version : int
        Of the file format.
    image : dict
        ``shape``, ``dtype`` and ``sha256`` of a few planes.
    labels : dict
        ``dtype``, and ``sha256`` of labels that were there at the start or None.
    intensity : dict
        Fields of the `IntensityMapping`.
    overwrite : bool
        Whether masks take pixels of other objects.
    spacing : list of float
        Distance between neighbours on every spatial axis.
    rounded : bool
        Whether embeddings were rounded to half precision, as a store does.
    """

    version: int
    image: dict[str, Any]
    labels: dict[str, Any]
    intensity: dict[str, Any]
    overwrite: bool
    spacing: list[float]
    rounded: bool


class Journal:
    """Appends entries to a file; each is on its way to disk when `append` returns.

    Parameters
    ----------
    path : Path
        File that exists and ends with a whole line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_broken = False

    @classmethod
    def create(cls, path: Path, header: JournalHeader) -> Journal:
        """Begin a new file.

        Parameters
        ----------
        path : Path
            Must not exist.
        header : JournalHeader
            First line.

        Returns
        -------
        Journal
            Ready for entries.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(json.dumps(asdict(header)) + "\n")
        except FileExistsError as error:
            raise OutputError(
                f"Expected a new journal, but {path} exists. Choose another name, or "
                "go on with it by replay(..., resume=True)."
            ) from error
        except OSError as error:
            raise OutputError(f"Expected to write {path}, got: {error}.") from error
        return cls(path)

    @classmethod
    def reopen(cls, path: Path) -> Journal:
        """Go on with a file; a half-written last line is cut off.

        Parameters
        ----------
        path : Path
            A journal.

        Returns
        -------
        Journal
            Ready for more entries.

        Raises
        ------
        OutputError
            If the file cannot be changed.
        """
        try:
            with path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            raise OutputError(f"Expected to write {path}, got: {error}.") from error
        return cls(path)

    def append(self, entry: Entry) -> None:
        """Write one entry.

        Parameters
        ----------
        entry : Entry
            An edit or what else the labels depend on.

        Raises
        ------
        OutputError
            Once, if the file cannot be written: it then ends here, for an entry left
            out would make all later ones wrong.
        """
        if self._is_broken:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(edit_to_json(entry)) + "\n")
        except OSError as error:
            self._is_broken = True
            raise OutputError(
                f"Expected to write {self.path}, got: {error}. What you do from here "
                "on is not autosaved: save the labels."
            ) from error


def read_journal(path: Path) -> tuple[JournalHeader, list[Entry]]:
    """Read a journal; a half-written last line is dropped.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    header : JournalHeader
        What the edits were made on.
    entries : list of Entry
        In order.

    Raises
    ------
    SessionError
        If the file is missing, no journal, of another version, or damaged.
    """
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except OSError as error:
        raise SessionError(f"Expected a journal at {path}, got: {error}.") from error
    lines = list(_parse(path, whole))
    if not lines or lines[0].get("version") != JOURNAL_VERSION:
        raise SessionError(
            f"Expected a journal of version {JOURNAL_VERSION} at {path}."
        )
    try:
        header = JournalHeader(**lines[0])
    except TypeError as error:
        raise SessionError(f"Expected a journal header in {path}: {error}.") from error
    return header, [edit_from_json(line) for line in lines[1:]]


def _parse(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            values = json.loads(line)
        except ValueError as error:
            raise SessionError(
                f"Expected JSON in line {number} of {path}: {error}. The file is "
                "damaged; cut it off before this line to save the rest."
            ) from error
        if not isinstance(values, dict):
            raise SessionError(f"Expected a JSON object in line {number} of {path}.")
        yield values


def image_identity(volume: Volume) -> dict[str, Any]:
    """Return what tells an image from others, from a few of its planes.

    Parameters
    ----------
    volume : Volume
        The image.

    Returns
    -------
    dict
        ``shape``, ``dtype`` and ``sha256``.
    """
    digest = hashlib.sha256()
    for plane in spread_planes(volume.shape, IDENTITY_PLANES):
        digest.update(np.ascontiguousarray(volume.read(plane)).tobytes())
    shape = list(volume.shape)
    return {"shape": shape, "dtype": volume.dtype.str, "sha256": digest.hexdigest()}


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
        return {"dtype": np.dtype(DEFAULT_LABELS).str, "sha256": None}
    if not any(part.any() for part in labels):
        return {"dtype": labels.dtype.str, "sha256": None}
    digest = hashlib.sha256()
    for part in labels:
        digest.update(np.ascontiguousarray(part).tobytes())
    return {"dtype": labels.dtype.str, "sha256": digest.hexdigest()}


def header_of(
    volume: Volume,
    labels: npt.NDArray[np.integer[Any]] | None,
    overwrite: bool,
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
    overwrite : bool
        Whether masks take pixels of other objects.
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
        overwrite,
        list(spacing),
        rounded,
    )
