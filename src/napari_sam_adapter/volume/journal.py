"""Do a saved session again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.embedding_store import EmbeddingStore
from napari_sam_adapter.volume.following import follow
from napari_sam_adapter.volume.journal_entries import (
    EditGroup,
    Entry,
    FinishPropagation,
    Predict,
    PredictTogether,
    Propagated,
    Redo,
    StartPropagation,
    Undo,
    UsePredictor,
)
from napari_sam_adapter.volume.journal_file import (
    JournalHeader,
    image_identity,
    labels_identity,
    read_journal,
)
from napari_sam_adapter.volume.planes import ArraySource, Volume
from napari_sam_adapter.volume.session import Session
from napari_sam_adapter.volume.together import compute_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.propagation_request import PropagationRequest
    from napari_sam_adapter.volume.results import PlaneResult

    PredictorSource = Predictor | Callable[[dict[str, str]], Predictor]

INCIDENTAL = {"device", "dtype", "version", "note"}
"""Parts of a description that do not change which predictor it is."""


def replay(
    path: str | Path,
    image: ArraySource | Volume,
    predictor: PredictorSource,
    *,
    labels: npt.NDArray[np.integer[Any]] | None = None,
    axes: str = "auto",
    resume: bool = False,
) -> Session:
    """Do a saved session again.

    Parameters
    ----------
    path : str or Path
        Journal of the session; a half-written last line is dropped.
    image : array-like or Volume
        The same image. The intensity window is taken from the journal.
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
    path = Path(path)
    header, entries = read_journal(path)
    volume = _same_volume(header, image, axes)
    labels = _same_labels(header, labels, volume.shape)
    session = Session(
        volume,
        labels=labels,
        overwrite=header.overwrite,
        spacing=header.spacing,
        store=EmbeddingStore(None) if header.rounded else None,
    )
    replayer = _Replayer(session, predictor)
    for entry in entries:
        replayer.do(entry)
    if resume:
        session.continue_journal(path)
    return session


class _Replayer:
    """Feeds entries to a session; remembers the propagations under way."""

    def __init__(self, session: Session, predictor: PredictorSource) -> None:
        self._session = session
        self._predictor = predictor
        self._requests: dict[int, PropagationRequest] = {}
        self._results: dict[int, Iterator[PlaneResult | None]] = {}

    def do(self, entry: Entry) -> None:
        session = self._session
        match entry:
            case Undo():
                session.undo()
            case Redo():
                session.redo()
            case UsePredictor():
                session.predictor = self._find_predictor(entry.description)
            case Predict():
                request = session.request(entry.object_id, entry.plane)
                session.commit(session.compute(request))
            case PredictTogether():
                asked = zip(entry.object_ids, entry.asked, strict=True)
                requests = [
                    session.request(i, entry.plane, None if i else prompts)
                    for i, prompts in asked
                ]
                session.commit(compute_together(requests))
            case StartPropagation():
                self._start(entry)
            case Propagated():
                self._commit_next(entry)
            case FinishPropagation():
                session.finish_propagation(self._requests[entry.number])
            case EditGroup():
                session.apply(*entry.edits)
            case _:
                session.apply(entry)

    def _start(self, entry: StartPropagation) -> None:
        where = entry.where
        request = self._session.propagation(
            entry.object_ids, where.start, where.stop, axis=where.axis,
            seed=where.seed, settings=entry.settings, again=entry.again,
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
        source = self._predictor
        predictor: Predictor = source(description) if callable(source) else source
        if _meaning(predictor.description) != _meaning(description):
            raise SessionError(
                f"Expected the predictor {description}, got {predictor.description}. "
                "Load that one, or give a function that loads it."
            )
        return predictor


def _meaning(description: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in description.items() if key not in INCIDENTAL}


def _same_volume(
    header: JournalHeader, image: ArraySource | Volume, axes: str
) -> Volume:
    intensity = IntensityMapping(**header.intensity)
    if isinstance(image, Volume):
        volume = image.with_intensity(intensity)
    else:
        volume = Volume(image, axes, intensity)
    identity = image_identity(volume)
    if identity != header.image:
        raise SessionError(
            f"Expected the image of this journal, {header.image}, got {identity}. "
            "Open the image that it was made with."
        )
    return volume


def _same_labels(
    header: JournalHeader,
    labels: npt.NDArray[np.integer[Any]] | None,
    shape: tuple[int, ...],
) -> npt.NDArray[np.integer[Any]]:
    if labels is None:
        labels = np.zeros(shape, header.labels["dtype"])
    identity = labels_identity(labels)
    if identity != header.labels:
        raise SessionError(
            "Expected the labels with which this journal began, got others. "
            "Give them as `labels`, in the state before the first edit."
        )
    return labels
