"""A copy of the labels as they were at one moment, made while the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.volume.document.changes import change_between, region_of
from napari_sam_adapter.volume.document.drawn import box_of, drawn_on
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.document import Document
    from napari_sam_adapter.volume.document.edits import Paint


class LabelsSnapshot:
    """The labels of the moment in which it is made.

    They are copied in any thread, with whatever the user changes meanwhile in it. All
    changes are noted, and taken back in the copy.

    Parameters
    ----------
    document : Document
        Whose labels; on the main thread.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._source = document.labels
        self._copy: npt.NDArray[np.integer[Any]] | None = None
        self._changes: list[Change] = []
        document.recordings.append(self._changes)

    @property
    def is_copied(self) -> bool:
        """Whether `copy` was done."""
        return self._copy is not None

    def copy(self) -> LabelsSnapshot:
        """Copy the labels; for any thread.

        Returns
        -------
        LabelsSnapshot
            This one.

        Raises
        ------
        OutputError
            If there is no memory for it.
        """
        try:
            self._copy = self._source.copy()
        except MemoryError as error:
            size = readable_size(self._source.nbytes)
            raise OutputError(
                f"Expected {size} of free memory for a copy of the labels, got "
                "less. Close other images first."
            ) from error
        return self

    def close(self) -> None:
        """Note no more changes; on the main thread, and not within a stroke."""
        recordings = self._document.recordings
        recordings[:] = [noted for noted in recordings if noted is not self._changes]

    def labels(self) -> npt.NDArray[np.integer[Any]]:
        """Return the labels of the moment; for any thread.

        Returns
        -------
        int array of the spatial shape
            After `copy` and `close`.
        """
        assert self._copy is not None  # nobody asks before
        while self._changes:
            self._changes.pop().inverted().write(self._copy)
        return self._copy


def note_taken_back(document: Document, strokes: Sequence[Paint]) -> None:
    """Tell of pixels that were written and taken back without an edit.

    Parameters
    ----------
    document : Document
        Whose labels are as they were before the strokes.
    strokes : sequence of Paint
        What stood in the labels for a while: it may be seen, and be in a copy.
    """
    for stroke in strokes:
        document.written.add(region_of(stroke.plane, box_of(stroke)))
    if not document.recordings:
        return
    for stroke in strokes:
        drawn = drawn_on(document.labels, stroke)
        corner = drawn.box[:2]
        change = change_between(0, stroke.plane, drawn.before, drawn.after, corner)
        for noted in document.recordings:
            noted += [change, change.inverted()]
