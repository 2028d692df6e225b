"""Encoding a whole stack ahead: what is done, what it costs, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.volume.asking.embedding_room import (
    RoomEstimate,
    steps_with_room,
)
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.predictions import PackingPredictor
    from napari_sam_adapter.volume.asking.embedding_ahead import EmbeddedPlane, Pass
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes.planes import Plane, Volume

MORE_ROOM = "Give it more room in Preferences > SAM Adapter > Embeddings."


@dataclass(frozen=True, eq=False)
class EncodingTask:
    """What is to be encoded; independent of all layers.

    Parameters
    ----------
    volume : Volume
        The image, through its intensity window.
    predictor : PackingPredictor
        The network.
    store : EmbeddingStore
        Where embeddings are kept; it has a folder.
    planes : tuple of Plane
        In the order in which they are wanted.
    reduction : float
        As in `Prompts`: at which resolution they are in view.
    """

    volume: Volume
    predictor: PackingPredictor
    store: EmbeddingStore
    planes: tuple[Plane, ...]
    reduction: float

    def steps(self) -> Iterator[EmbeddedPlane | RoomEstimate | Pass]:
        """Encode, one pass at a time; for any thread.

        Yields
        ------
        EmbeddedPlane, RoomEstimate or Pass
            One `RoomEstimate`, after the first pass.

        Raises
        ------
        OutputError
            If all planes together have no room, or the disk does not take them.
        """
        volume, predictor, store = self.volume, self.predictor, self.store
        for step in steps_with_room(
            volume, predictor, store, self.planes, MORE_ROOM, 1, self.reduction
        ):
            if store.problem:
                raise OutputError(
                    f"{store.problem} Slices are encoded when they are shown, as "
                    "before. Make room on the disk, and press the button again."
                )
            yield step


@dataclass(eq=False)
class EncodingRun:
    """How far it is.

    Parameters
    ----------
    task : EncodingTask
        What is done.
    """

    task: EncodingTask
    new: int = 0
    there: int = 0
    problems: list[str] = field(default_factory=list)
    _shown: float = float("-inf")

    @property
    def progress(self) -> Progress:
        """For the bar."""
        done = self.new + self.there + len(self.problems)
        return Progress(done, len(self.task.planes), "slices")

    @property
    def stopped(self) -> str:
        """What is said when the user stops it."""
        return self.progress.stopped("What is encoded is kept; press again to go on.")

    @property
    def summary(self) -> str:
        """What came of it."""
        verb = "was" if self.there == 1 else "were"
        new = counted(self.new, "slice")
        text = f"{new} encoded, {self.there} {verb} there."
        if self.problems:
            text += f" {len(self.problems)} cannot be encoded: {self.problems[0]}"
        return text

    def count(self, step: EmbeddedPlane) -> None:
        """Take note of a plane.

        Parameters
        ----------
        step : EmbeddedPlane
            What became of it.
        """
        if step.problem:
            self.problems.append(step.problem)
        elif step.was_there:
            self.there += 1
        else:
            self.new += 1

    def is_due(self, interval: float) -> bool:
        """Return whether to show the progress again, and remember that it was shown.

        Parameters
        ----------
        interval : float
            Seconds between two times.

        Returns
        -------
        bool
            True the first time.
        """
        now = time.monotonic()
        if now - self._shown < interval:
            return False
        self._shown = now
        return True
