"""What the main thread does while the window stands still: this package, or others."""

from __future__ import annotations

import dis
import gc
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari_sam_adapter

if TYPE_CHECKING:
    from types import FrameType

OURS = str(Path(napari_sam_adapter.__file__).parent)
PERIOD = 0.002
"""Seconds between two looks; Python gives the thread its turn every 5 ms at worst."""


class StackWatch(threading.Thread):
    """Looks at the stack of the main thread again and again.

    Time is ours if a function of this package is anywhere on the stack, so that what
    napari does because the package called it counts, too. What napari draws
    afterwards does not, nor do Python's searches for garbage, which may fall anywhere
    and stop all threads.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._looks: list[tuple[float, bool]] = []
        self._collections: list[tuple[float, float]] = []
        self._collecting_since = 0.0
        self._is_wanted = threading.Event()
        gc.callbacks.append(self._on_collection)
        self.start()

    def begin(self) -> None:
        """Look from now on."""
        self._looks, self._collections = [(time.perf_counter(), False)], []
        self._is_wanted.set()

    def end(self) -> None:
        """Look no more."""
        self._is_wanted.clear()

    @property
    def longest_collection(self) -> float:
        """Seconds of the longest search for garbage since the beginning."""
        return max((stop - start for start, stop in self._collections), default=0.0)

    def ours_between(self, start: float, stop: float) -> float:
        """Return the seconds of a stretch for which this package ran."""
        looks = self._looks
        total, number = 0.0, len(looks) - 1
        while number > 0 and looks[number][0] > start:
            (earlier, _), (later, is_ours) = looks[number - 1], looks[number]
            if is_ours:  # what was seen holds since the look before
                ours = max(earlier, start), min(later, stop)
                total += overlap(ours, ours)
                total -= sum(overlap(ours, other) for other in self._collections)
            number -= 1
        return total

    def _on_collection(self, phase: str, _: object) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting_since = now
        else:
            self._collections.append((self._collecting_since, now))

    def run(self) -> None:
        main = threading.main_thread().ident
        while self._is_wanted.wait():
            time.sleep(PERIOD)
            frame = sys._current_frames()[main]
            self._looks.append((time.perf_counter(), is_ours(frame)))


def has_just_begun(frame: FrameType) -> bool:
    """Return whether a function is at the first thing that Python does for it."""
    instruction = frame.f_code.co_code[frame.f_lasti] if frame.f_lasti >= 0 else 0
    return frame.f_lasti < 0 or dis.opname[instruction] == "RESUME"


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return how long two stretches of time share."""
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)


def is_ours(frame: FrameType | None) -> bool:
    """Return whether a function of this package is on a stack.

    A function that has just begun has taken no time: what held Python before it, as
    napari's drawing does before it tells of a frame, is its caller's.
    """
    while frame is not None and has_just_begun(frame):
        frame = frame.f_back
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            return True
        frame = frame.f_back
    return False
