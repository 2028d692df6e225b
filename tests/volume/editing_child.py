"""A process that edits a session as fast as it can, until somebody kills it."""

import itertools
import sys
from pathlib import Path

import numpy as np
from tests.fakes import MarkingDiskPredictor

from napari_sam_adapter.volume.document.edits import AddPoint, NewObject, Paint
from napari_sam_adapter.volume.finding.finding import find_objects
from napari_sam_adapter.volume.journal.journal_header import empty_header_steps
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.saving.autosave import Autosave
from napari_sam_adapter.volume.session.session import Session

SHAPE = (3, 24, 24)


def edit_for_ever(session: Session, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for object_id in range(1, 6):
        plane = Plane((1, 2), (object_id % 3,))
        session.apply(NewObject(object_id), AddPoint(object_id, plane, (4, object_id)))
    for number in itertools.count():
        plane = Plane((1, 2), (int(rng.integers(3)),))
        pixels = rng.integers(24, size=(200, 2))
        session.apply(Paint(plane, pixels, rng.integers(6, size=200)))
        if rng.random() < 0.3:
            session.undo()
        if rng.random() < 0.2:
            session.redo()
        if number == 0:
            print("under way", flush=True)  # noqa: T201


def search_for_ever(session: Session, seed: int) -> None:
    session.predictor = MarkingDiskPredictor()
    for number in itertools.count(seed):
        find_objects(session, Plane((1, 2), (number % 3,)))
        if number == seed:
            print("under way", flush=True)  # noqa: T201
        session.undo()


def image() -> np.ndarray:
    """Return bright squares, each of them an object for a search."""
    bright = np.indices(SHAPE)[1:] % 6 < 4
    return (bright.all(axis=0) * 1000 + np.arange(SHAPE[-1])).astype(np.uint16)


EDITORS = {"edit": edit_for_ever, "search": search_for_ever}


def main(folder: str, seed: str, editor: str) -> None:
    session = Session(image())
    autosave = Autosave(Path(folder))
    session.log.record_with(autosave)
    *_, header = empty_header_steps(
        session.volume, session.labels.dtype, session.overlap_rule, session.spacing
    )
    autosave.begin(header)
    EDITORS[editor](session, int(seed))


if __name__ == "__main__":
    main(*sys.argv[1:])
