"""How long running work will take, from how far it got in which time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import Progress


class TimeLeft:
    """Estimates from the pace of the second half of what is done.

    What comes first may take long: the objects of the first slices of a search through
    a volume are followed through all others.
    """

    def __init__(self) -> None:
        self._last: Progress | None = None
        self._steps: deque[tuple[int, float]] = deque()
        self._first = 0

    def update(self, progress: Progress, now: float) -> float | None:
        """Return how long it will take.

        Parameters
        ----------
        progress : Progress
            How far the work is.
        now : float
            Any clock that only goes forward, in seconds.

        Returns
        -------
        float or None
            Seconds; None as long as nothing was done, and after the end.
        """
        last, self._last = self._last, progress
        if last is None or last.total != progress.total or progress.done < last.done:
            self._steps.clear()
            self._first = progress.done
        if not self._steps or progress.done > self._steps[-1][0]:
            self._steps.append((progress.done, now))
        middle = (self._first + progress.done) / 2
        while len(self._steps) > 1 and self._steps[1][0] <= middle:
            self._steps.popleft()
        begin, then = self._steps[0]
        done, left = progress.done - begin, progress.total - progress.done
        return (now - then) / done * left if done > 0 and left > 0 else None
