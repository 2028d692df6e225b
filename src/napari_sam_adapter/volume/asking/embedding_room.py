"""How much room the embeddings of a whole stack take, told after the first of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.volume.asking.embedding_ahead import (
    BATCH,
    EmbeddedPlane,
    Pass,
    count_windows,
    embedding_steps,
)
from napari_sam_adapter.wording import counted, readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_sam_adapter.predictions import PackingPredictor
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume


@dataclass(frozen=True)
class RoomEstimate:
    """What a whole stack takes on the disk.

    Parameters
    ----------
    slices : int
        All of them.
    nbytes : int
        As far as the first one tells.
    folder : Path
        Where.
    """

    slices: int
    nbytes: int
    folder: Path

    @property
    def text(self) -> str:
        """For people."""
        size = readable_size(self.nbytes)
        return f"{counted(self.slices, 'slice')}, about {size} in {self.folder}"


def steps_with_room(
    volume: Volume,
    predictor: PackingPredictor,
    store: EmbeddingStore,
    planes: Sequence[Plane],
    more_room: str,
    batch: int = BATCH,
    reduction: float = 1.0,
) -> Iterator[EmbeddedPlane | RoomEstimate | Pass]:
    """Embed planes as `embedding_steps` does, if all of them together have room.

    Parameters
    ----------
    volume, predictor, store, planes, batch, reduction
        As in `embedding_steps`; the store has a folder.
    more_room : str
        A sentence that says how to give the store more room.

    Yields
    ------
    EmbeddedPlane, RoomEstimate or Pass
        One `RoomEstimate`, after the first pass of which something was kept.

    Raises
    ------
    OutputError
        If the first planes would be dropped for the last, or the disk is too full.
    """
    each, done = 0, 0
    for step in embedding_steps(volume, predictor, store, planes, batch, reduction):
        if isinstance(step, Pass) and not (each or store.problem):
            shape = planes[0].shape(volume.shape)
            windows = count_windows(shape, predictor.image_size, reduction)
            each = max(map(store.size_of, step.keys)) * windows
            if each:  # what is not finite is not kept
                left = len(planes) - done
                yield _estimate(store, each, len(planes), left, more_room)
        done += isinstance(step, EmbeddedPlane)
        yield step


def _estimate(
    store: EmbeddingStore, each: int, count: int, left: int, more_room: str
) -> RoomEstimate:
    folder = store.folder
    assert folder is not None  # else nothing is kept
    estimate = RoomEstimate(count, each * count, folder)
    if estimate.nbytes > store.budget:
        raise OutputError(
            f"Expected room for {estimate.text}, got {readable_size(store.budget)}: "
            f"the first would be dropped for the last. {more_room}"
        )
    free = shutil.disk_usage(folder).free
    if each * left > free:
        raise OutputError(
            f"Expected room for {estimate.text}, got {readable_size(free)} on that "
            "disk. Make room there."
        )
    return estimate
