"""``NAME.session``: a folder with the journal, the labels, and all that is remembered.

The journal alone would do; labels and state are there so that opening takes no
repetition. They count only if their sums tell that they belong to the journal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import OutputError, SamAdapterError, SessionError
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.image_io.output.whole_files import check_output, whole_output
from napari_sam_adapter.volume.document.journal_entries import UseIntensity
from napari_sam_adapter.volume.journal.journal_file import (
    JOURNAL_NAME,
    Journal,
    find_journal,
    parse_journal,
)
from napari_sam_adapter.volume.journal.journal_header import (
    JournalHeader,
    labels_identity,
)
from napari_sam_adapter.volume.journal.journal_lines import edit_from_json
from napari_sam_adapter.volume.journal.session_log import JournalInMemory
from napari_sam_adapter.volume.journal.session_state import (
    SessionState,
    read_state,
    write_state,
)
from napari_sam_adapter.volume.saving.described import is_predictor, predictor_for
from napari_sam_adapter.volume.saving.replaying import (
    ReplayStep,
    begin_again,
    replay_steps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.journal.recorded import Recorded
    from napari_sam_adapter.volume.planes.planes import Volume
    from napari_sam_adapter.volume.saving.replaying import PredictorSource
    from napari_sam_adapter.volume.session.session import Session

    Lines = list[dict[str, Any]]

SUFFIX = ".session"
LABELS_NAME, STATE_NAME = "labels.tif", "state.zip"


@dataclass(frozen=True, eq=False)
class SavableSession:
    """A session at one moment, ready to be written in any thread.

    Parameters
    ----------
    recorded : Recorded
        Its journal.
    state : SessionState
        What it remembers.
    labels : int array
        The labels themselves, not a copy: edits while they are written spoil the
        result.
    """

    recorded: Recorded
    state: SessionState
    labels: npt.NDArray[np.integer[Any]]

    @classmethod
    def of(cls, session: Session) -> SavableSession:
        """Take down the present moment of a session.

        Parameters
        ----------
        session : Session
            One with a journal.

        Returns
        -------
        SavableSession
            At no cost worth mentioning.

        Raises
        ------
        SessionError
            If it has no journal.
        """
        session.under_way.finish()
        state = replace(session.state, spacing=session.spacing)
        return cls(session.log.recorded, state, session.labels)

    def write(self, folder: Path) -> None:
        """Write all parts into a new folder.

        Parameters
        ----------
        folder : Path
            Is made.

        Raises
        ------
        SessionError
            If the journal is gone.
        OutputError
            If the labels cannot be written.
        """
        folder.mkdir()
        content = self.recorded.content()
        (folder / JOURNAL_NAME).write_bytes(content)
        save_labels(folder / LABELS_NAME, self.labels)
        write_state(folder / STATE_NAME, self.state, _sums(content, self.labels))


def save_session(path: str | Path, session: Session, overwrite: bool = False) -> None:
    """Save a session as a folder, whole or not at all.

    Parameters
    ----------
    path : str or Path
        A name that ends in ``.session``.
    session : Session
        One with a journal, which is copied.
    overwrite : bool
        Whether a saved session of that name may be replaced.

    Raises
    ------
    SessionError
        If the session has no journal, or stands before the path.
    OutputError
        If the name is another, or taken, or something cannot be written.
    """
    if not isinstance(path, str | PathLike):
        raise SessionError(
            f"Expected the path first, got {type(path).__name__}. Write "
            'save_session("name.session", session).'
        )
    path = check_session_path(path, overwrite)
    with whole_output(path, overwrite) as temporary:
        SavableSession.of(session).write(temporary)


def check_session_path(path: str | Path, overwrite: bool = False) -> Path:
    """Raise unless a session could be saved under a name.

    Parameters
    ----------
    path : str or Path
        The folder to be.
    overwrite : bool
        Whether a saved session of that name may be replaced.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    OutputError
        If the name does not end in ``.session``, is taken, or cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX or path.stem.startswith("."):
        raise OutputError(
            f"Expected a name that ends in {SUFFIX}, got {path.name}. "
            f"Choose {path.stem or 'name'}{SUFFIX}."
        )
    check_output(path, overwrite)
    return path


def open_session(
    path: str | Path,
    image: ArrayLike | Volume | OpenedImage,
    predictor: PredictorSource | None = None,
    *,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    journal: str | Path | None = None,
    store: EmbeddingStore | None = None,
) -> Session:
    """Open a saved session: labels, objects, prompts, and what can be undone.

    Parameters
    ----------
    path : str or Path
        Folder from `save_session`, or a journal.
    image : array-like, OpenedImage or Volume
        The same image.
    predictor : Predictor, callable or None
        As in `replay`; only needed if labels and state do not belong to the journal,
        so that everything has to be done again, or to go on.
    labels : int array or None
        As in `replay`; only needed if everything has to be done again.
    axes : str
        Meaning of the axes of `image`, see `Volume`.
    journal : str, Path or None
        New file in which the journal goes on, by default in memory, for
        `save_session`; the saved session stays as it is.
    store : EmbeddingStore or None
        Keeps embeddings of a session that had a store.

    Returns
    -------
    Session
        As it was; with a predictor if one was given.

    Raises
    ------
    SessionError
        If the session is damaged, or image or predictor are others.
    OutputError
        If the new journal exists or cannot be written.
    """
    source = find_journal(path)
    *_, last = open_session_steps(
        path, image, predictor, labels=labels, axes=axes, store=store
    )
    session = last.session
    if journal is not None:
        session.log.record_with(_copy_of(source, Path(journal)))
    else:
        session.log.record_with(JournalInMemory(source.read_bytes()))
    if predictor is not None and session.predictor is None:
        used = session.log.descriptions
        if used or is_predictor(predictor):
            session.predictor = predictor_for(predictor, used[-1] if used else {})
    return session


def open_session_steps(
    path: str | Path,
    image: ArrayLike | Volume | OpenedImage,
    predictor: PredictorSource | None = None,
    *,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    store: EmbeddingStore | None = None,
) -> Iterator[ReplayStep]:
    """Open a saved session in steps: one if nothing has to be done again.

    Parameters
    ----------
    path, image, predictor, labels, axes, store
        As in `open_session`.

    Yields
    ------
    ReplayStep
        The last one has the whole session.

    Raises
    ------
    SessionError
        As `open_session`.
    """
    journal = find_journal(path)
    found = _read_folder(journal)
    if found is not None:
        header, lines, state, saved = found
        session = begin_again(header, image, saved, axes, checked=False, store=store)
        session.restore(state)
        if state.spacing is not None:
            session.spacing = state.spacing
        window = _last_window(lines)
        if window is not None:
            session.volume = session.volume.with_intensity(window)
        yield ReplayStep(1, 1, session)
        return
    if predictor is None:
        raise SessionError(
            f"Expected labels and state that belong to {journal}, got others or none. "
            "Give a predictor, so that the session can be repeated."
        )
    yield from replay_steps(
        journal, image, predictor, labels=labels, axes=axes, store=store
    )


def _read_folder(
    journal: Path,
) -> tuple[JournalHeader, Lines, SessionState, npt.NDArray[np.integer[Any]]] | None:
    """Return what a folder holds, or None if it does not belong together."""
    state, labels = journal.with_name(STATE_NAME), journal.with_name(LABELS_NAME)
    if journal.name != JOURNAL_NAME or not (state.exists() and labels.exists()):
        return None
    content = journal.read_bytes()
    header, lines = parse_journal(content, journal)
    try:
        read = np.array(open_image(labels).data, dtype=header.labels["dtype"])
        read = read.reshape(header.image["shape"])  # axes of length 1 are lost there
        return header, lines, read_state(state, _sums(content, read)), read
    except (SamAdapterError, ValueError):  # labels of another shape
        return None


def _last_window(lines: Lines) -> IntensityMapping | None:
    """Return the intensity window in force at the end, if it was ever changed."""
    for line in reversed(lines):
        if line["kind"] == UseIntensity.__name__:
            entry = edit_from_json(line)
            return entry.intensity if isinstance(entry, UseIntensity) else None
    return None


def _sums(content: bytes, labels: npt.NDArray[np.integer[Any]]) -> dict[str, str]:
    of_labels = labels_identity(labels)
    return {
        "journal": hashlib.sha256(content).hexdigest(),
        "labels": f"{of_labels['dtype']} {of_labels['sha256']} {labels.shape}",
    }


def _copy_of(source: Path, path: Path) -> Journal:
    try:
        with path.open("xb") as file:
            file.write(source.read_bytes())
    except OSError as error:
        raise OutputError(
            f"Expected a new journal, got: {error}. Choose another name."
        ) from error
    return Journal(path)
