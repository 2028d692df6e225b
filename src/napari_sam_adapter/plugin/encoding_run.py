"""Encoding a whole stack ahead: what is done, what it costs, and what came of it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.volume.embedding_ahead import (
    EmbeddedPlane,
    Pass,
    count_windows,
    embedding_steps,
)
from napari_sam_adapter.weight_store.folder import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.predictions import PackingPredictor
    from napari_sam_adapter.volume.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes import Plane, Volume

MORE_ROOM = "Give it more room in Preferences > SAM Adapter > Embeddings"


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

    def steps(self) -> Iterator[EmbeddedPlane | Estimate | Pass]:
        """Encode, one pass at a time; for any thread.

        Yields
        ------
        EmbeddedPlane, Estimate or Pass
            One `Estimate`, after the first pass.

        Raises
        ------
        OutputError
            If all planes together have no room, or the disk does not take them.
        """
        is_estimated, done = False, 0
        for step in embedding_steps(
            self.volume, self.predictor, self.store, self.planes, 1, self.reduction
        ):
            if self.store.problem:
                raise OutputError(
                    f"{self.store.problem} Slices are encoded when they are shown, as "
                    "before. Make room on the disk, and press the button again."
                )
            if isinstance(step, Pass) and not is_estimated:
                is_estimated = True
                yield self._estimate(step, len(self.planes) - done)
            done += isinstance(step, EmbeddedPlane)
            yield step

    def _estimate(self, first: Pass, left: int) -> Estimate:
        folder = self.store.folder
        assert folder is not None  # else there is nothing to estimate
        shape = self.planes[0].shape(self.volume.shape)
        windows = count_windows(shape, self.predictor.image_size, self.reduction)
        each = max(map(self.store.size_of, first.keys)) * windows
        estimate = Estimate(len(self.planes), each * len(self.planes), folder)
        if estimate.nbytes > self.store.budget:
            raise OutputError(
                f"Expected room for {estimate.text}, got "
                f"{readable_size(self.store.budget)}: the first would be dropped for "
                f"the last. {MORE_ROOM}."
            )
        free = shutil.disk_usage(folder).free
        if each * left > free:
            raise OutputError(
                f"Expected room for {estimate.text}, got {readable_size(free)} on the "
                f"disk of {folder}. Make room there."
            )
        return estimate


@dataclass(frozen=True)
class Estimate:
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
        return f"{self.slices} slices, about {readable_size(self.nbytes)}"


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
    def summary(self) -> str:
        """What came of it."""
        plural = "s" * (self.new != 1)
        text = f"{self.new} slice{plural} encoded, {self.there} were there."
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
