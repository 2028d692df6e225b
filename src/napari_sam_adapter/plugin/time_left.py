"""How long running work will take, from how far it got in which time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.state import Progress


class TimeLeft:
    """Estimates from the pace since the work began."""

    def __init__(self) -> None:
        self._last: Progress | None = None
        self._begin = (0, 0.0)

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
            self._begin = progress.done, now
        done = progress.done - self._begin[0]
        left = progress.total - progress.done
        return (now - self._begin[1]) / done * left if done > 0 and left > 0 else None
