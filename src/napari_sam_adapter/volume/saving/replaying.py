"""Do a saved session again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.asking.together import compute_together
from napari_sam_adapter.volume.document.journal_entries import (
    EditGroup,
    Entry,
    EntryGroup,
    FinishPropagation,
    Predict,
    PredictTogether,
    Propagated,
    Redo,
    StartPropagation,
    Undo,
    UseIntensity,
    UsePredictor,
)
from napari_sam_adapter.volume.document.new_labels import DEFAULT_LABELS
from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
from napari_sam_adapter.volume.journal.journal_file import find_journal, read_journal
from napari_sam_adapter.volume.journal.journal_header import (
    LEVELS,
    JournalHeader,
    image_identity,
    labels_identity,
)
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.saving.described import is_same_predictor, predictor_for
from napari_sam_adapter.volume.session.session import Session
from napari_sam_adapter.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.asking.results import PlaneResult
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )

    PredictorSource = Predictor | Callable[[dict[str, str]], Predictor]


@dataclass(frozen=True)
class ReplayStep:
    """How far a replay is.

    Parameters
    ----------
    done, total : int
        Entries.
    session : Session
        As it is after these entries.
    """

    done: int
    total: int
    session: Session


def replay(
    path: str | Path,
    image: ArrayLike | Volume | OpenedImage,
    predictor: PredictorSource,
    *,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    resume: bool = False,
    store: EmbeddingStore | None = None,
) -> Session:
    """Do a saved session again.

    Parameters
    ----------
    path : str or Path
        Journal, or the folder of a saved session; a half-written last line is dropped.
    image : array-like, OpenedImage or Volume
        The same image. Intensity windows are taken from the journal.
    predictor : Predictor or callable
        The same predictor; or, for a session in which several were used, what
        returns the predictor of a description.
    labels : int array or None
        The labels as they were when the session began, written in place; only
        needed if they were not empty.
    axes : str
        Meaning of the axes of `image`, see `Volume`.
    resume : bool
        Whether to save further edits in the same file.
    store : EmbeddingStore or None
        Keeps embeddings of a session that had a store.

    Returns
    -------
    Session
        With the same labels, prompts and history; bit for bit on the same device
        and number format.

    Raises
    ------
    SessionError
        If the journal is damaged, or image, labels or predictor are others.
    """
    path = find_journal(path)
    *_, last = replay_steps(
        path, image, predictor, labels=labels, axes=axes, store=store
    )
    if resume:
        last.session.continue_journal(path)
    return last.session


def replay_steps(
    path: str | Path,
    image: ArrayLike | Volume | OpenedImage,
    predictor: PredictorSource,
    *,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    store: EmbeddingStore | None = None,
) -> Iterator[ReplayStep]:
    """Do a saved session again, entry by entry.

    Parameters
    ----------
    path, image, predictor, labels, axes, store
        As in `replay`.

    Yields
    ------
    ReplayStep
        Before the first entry, and after each.

    Raises
    ------
    SessionError
        As `replay`.
    """
    header, entries = read_journal(find_journal(path))
    session = begin_again(header, image, labels, axes, store=store)
    replayer = _Replayer(session, predictor)
    yield ReplayStep(0, len(entries), session)
    for number, entry in enumerate(entries, start=1):
        replayer.do(entry)
        yield ReplayStep(number, len(entries), session)


def begin_again(
    header: JournalHeader,
    image: ArrayLike | Volume | OpenedImage,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    checked: bool = True,
    store: EmbeddingStore | None = None,
) -> Session:
    """Return a session as it was before the first entry of a journal.

    Parameters
    ----------
    header : JournalHeader
        Of the journal.
    image : array-like, OpenedImage or Volume
        The same image.
    labels : int array or None
        The labels at that moment; needed if they were not empty.
    axes : str
        Meaning of the axes of `image`, see `Volume`.
    checked : bool
        Whether the labels are compared with those of the journal.
    store : EmbeddingStore or None
        Keeps embeddings, if the session had a store; the numbers are the same.

    Returns
    -------
    Session
        Without predictor.

    Raises
    ------
    SessionError
        If the image or the labels are others.
    """
    volume = _same_volume(header, image, axes)
    if labels is None or checked:
        labels = _same_labels(header, labels, volume.shape)
    return Session(
        volume,
        labels=labels,
        overlap_rule=header.overlap_rule,
        spacing=header.spacing,
        store=(store or EmbeddingStore(None)) if header.rounded else None,
    )


class _Replayer:
    """Feeds entries to a session; remembers the propagations under way."""

    def __init__(self, session: Session, predictor: PredictorSource) -> None:
        self._session = session
        self._predictor = predictor
        self._requests: dict[int, PropagationRequest] = {}
        self._results: dict[int, Iterator[PlaneResult | None]] = {}
        self._runs: dict[int, int] = {}  # numbers of searches, then and now

    def do(self, entry: Entry) -> None:
        session = self._session
        match entry:
            case Undo():
                session.undo()
            case Redo():
                session.redo()
            case UsePredictor():
                session.predictor = self._find_predictor(entry.description)
            case UseIntensity():
                session.intensity = entry.intensity
            case Predict():
                request = session.request(entry.object_id, entry.plane)
                session.commit(session.compute(request))
            case PredictTogether():
                asked = zip(entry.object_ids, entry.asked, strict=True)
                requests = [
                    session.request(i, entry.plane, None if i else prompts)
                    for i, prompts in asked
                ]
                result = compute_together(requests)
                session.commit(replace(result, spared_from=entry.spared_from))
            case StartPropagation():
                self._start(entry)
            case Propagated():
                self._commit_next(entry)
            case FinishPropagation():
                session.finish_propagation(self._requests[entry.number])
            case EditGroup():
                self._do_together(entry)
            case EntryGroup():
                for part in entry.entries:
                    self.do(part)
            case _:
                session.apply(entry)

    def _do_together(self, entry: EditGroup) -> None:
        self._session.log.pass_over(entry.run)  # if more is written, with new numbers
        if entry.run and entry.run not in self._runs:
            self._runs[entry.run] = self._session.log.next_number()
        run = self._runs.get(entry.run, 0)
        for _ in self._session.doing(replace(entry, run=run)):
            pass

    def _start(self, entry: StartPropagation) -> None:
        where = entry.where
        self._session.log.pass_over(entry.number)
        self._session.spacing = entry.spacing or self._session.spacing
        request = self._session.propagation(
            entry.object_ids, where.start, where.stop, axis=where.axis,
            seed=where.seed, settings=entry.settings, again=entry.again,
            run=self._runs.get(entry.number, 0), spares_all=entry.spares_all,
        )  # fmt: skip
        self._requests[entry.number] = request
        self._results[entry.number] = follow(request)

    def _commit_next(self, entry: Propagated) -> None:
        # Results for planes before this one were stale in the first run.
        for result in self._results[entry.number]:
            if result is None:
                continue
            if (result.object_id, result.plane) == (entry.object_id, entry.plane):
                self._session.commit(result)
                return
        raise SessionError(
            f"Expected propagation {entry.number} to reach {entry.plane}, but it "
            "stopped before. Use the same model, device and number format."
        )

    def _find_predictor(self, description: dict[str, str]) -> Predictor:
        predictor = predictor_for(self._predictor, description)
        if not is_same_predictor(predictor.description, description):
            raise SessionError(
                f"Expected the predictor {description}, got {predictor.description}. "
                "Load that one, or give a function that loads it."
            )
        return predictor


def _same_volume(
    header: JournalHeader, image: ArrayLike | Volume | OpenedImage, axes: str
) -> Volume:
    intensity = IntensityMapping(**header.intensity)
    if isinstance(image, Volume):
        volume = image.with_intensity(intensity)
    else:
        volume = Volume(image, axes, intensity)
    if LEVELS not in header.image:  # only the full resolution was read then
        volume = volume.without_levels()
    identity = image_identity(volume, header.image.get("unreadable", ()))
    if identity != header.image:
        raise SessionError(
            f"Expected the image of this session, {_named(header.image)}, got "
            f"{_difference(identity, header.image)}. Open the image that it was made "
            "with."
        )
    return volume


def _named(identity: dict[str, Any]) -> str:
    size = sized(identity.get("shape", ()))
    levels = len(identity.get(LEVELS, ()))
    return f"{size} pixels" + f", {counted(levels, 'coarser level')}" * bool(levels)


def _difference(identity: dict[str, Any], expected: dict[str, Any]) -> str:
    """Say what is other about an image, the plainest first."""
    if (named := _named(identity)) != _named(expected):
        return f"one of {named}"
    dtype, wanted = identity["dtype"], expected.get("dtype")
    may_be = np.dtype(np.uint8).str in (dtype, wanted)  # as channels are together
    composed = "; other channels or windows may be the cause" * may_be
    if dtype != wanted:
        return f"one of type {np.dtype(dtype).name}{composed}"
    return f"one of the same shape with other pixels{composed}"


def _same_labels(
    header: JournalHeader,
    labels: npt.NDArray[np.integer[Any]] | None,
    shape: tuple[int, ...],
) -> npt.NDArray[np.integer[Any]] | None:
    if labels is None and header.labels["dtype"] != np.dtype(DEFAULT_LABELS).str:
        labels = np.zeros(shape, header.labels["dtype"])
    identity = labels_identity(labels)
    if identity != header.labels:
        raise SessionError(
            "Expected the labels with which this journal began, got others. "
            "Give them as `labels`, in the state before the first edit."
        )
    return labels
