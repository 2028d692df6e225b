"""A process that edits a session as fast as it can, until somebody kills it."""

import itertools
import sys
from pathlib import Path

import numpy as np

from napari_sam_adapter.volume.autosave import Autosave
from napari_sam_adapter.volume.edits import AddPoint, NewObject, Paint
from napari_sam_adapter.volume.journal_header import empty_header_steps
from napari_sam_adapter.volume.planes import Plane
from napari_sam_adapter.volume.session import Session

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


def main(folder: str, seed: str) -> None:
    session = Session(np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE))
    autosave = Autosave(Path(folder))
    session.log.record_with(autosave)
    *_, header = empty_header_steps(
        session.volume, session.labels.dtype, False, session.spacing
    )
    autosave.begin(header)
    edit_for_ever(session, int(seed))


if __name__ == "__main__":
    main(*sys.argv[1:])
