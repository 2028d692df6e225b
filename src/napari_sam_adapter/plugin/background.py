"""The only place that starts a thread: a queue of jobs with priorities.

Jobs are iterators. The worker thread runs one step of the most urgent job at a time,
so a click is served between two planes of a running propagation, and one device is
never used by two jobs at once. Results are delivered on the main thread.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import threading
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QThreadPool
from superqt.utils import WorkerBase, create_worker

from napari_sam_adapter.errors import SamAdapterError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator


class Priority(IntEnum):
    """Who goes first."""

    LOAD = 0
    CLICK = 1
    VIEW = 2
    PREVIEW = 3
    AHEAD = 4
    SAVE = 5
    OPEN = 6
    FINDING = 7
    ENCODING = 8
    PROPAGATION = 9
    TRAINING = 10
    IDLE = 11


WAIT = object()
"""What steps yield that go on when the main thread has done something, see `wake`."""


def ignore(*_: object) -> None:
    """Do nothing with a result, an error or an end."""


@dataclass(eq=False)
class Job:
    """One piece of work.

    Parameters
    ----------
    owner : object
        For whom the work is done; compared by identity.
    key : hashable
        A newer job with the same owner and key takes the place of this one.
    priority : Priority
        Lower values go first; equal ones in order.
    steps : iterator
        Advanced on the worker thread; each value is one result. After `WAIT` the job
        stays in the queue, but lets others go first until somebody wakes it.
    on_result : callable
        Called on the main thread with each value, unless the job was cancelled.
    on_error : callable
        Called on the main thread with an error of this package, which ends the job.
    on_end : callable
        Called on the main thread after the last value or an error of any kind.
    stopped : callable
        Returns what is said when the user stops it; nothing for work that is no news.
    """

    owner: object
    key: Hashable
    priority: Priority
    steps: Iterator[Any]
    on_result: Callable[[Any], None]
    on_error: Callable[[SamAdapterError], None]
    on_end: Callable[[], None] = ignore
    stopped: Callable[[], str] = str
    cancelled: bool = field(default=False, init=False)
    number: int = field(default=0, init=False)


@dataclass(frozen=True)
class _Report:
    """What the worker thread says about one step."""

    job: Job
    ended: bool = False
    value: Any = None
    error: Exception | None = None


class JobQueue:
    """Run jobs one step at a time on one worker thread.

    All methods belong to the main thread. The thread is started when there is work
    and ends when there is none.

    Parameters
    ----------
    on_change : callable
        Called on the main thread whenever `jobs` has changed.
    mostly_waits : bool
        Whether its jobs wait for a network. Then its thread does not count among the
        few of Qt's pool, of which a machine with one core has one.
    """

    def __init__(
        self, on_change: Callable[[], None], mostly_waits: bool = False
    ) -> None:
        self._on_change = on_change
        self._mostly_waits = mostly_waits
        self._lock = threading.Lock()
        self._waiting: list[Job] = []
        self._jobs: list[Job] = []
        self._numbers = itertools.count()
        self._worker: Any = None
        self._closed = False

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs that have not ended, including the running one."""
        return tuple(self._jobs)

    def has(self, priority: Priority) -> bool:
        """Whether a job of this priority has not ended.

        Parameters
        ----------
        priority : Priority
            What to look for.

        Returns
        -------
        bool
            True if there is one.
        """
        return any(job.priority is priority for job in self._jobs)

    def submit(self, job: Job) -> None:
        """Queue a job; older jobs with its owner and key are cancelled.

        Parameters
        ----------
        job : Job
            The work.
        """
        if self._closed:
            return
        self._drop([old for old in self._jobs if _is_replaced(old, job)])
        job.number = next(self._numbers)
        self._jobs.append(job)
        with self._lock:
            self._waiting.append(job)
        self._start()
        self._on_change()

    def wake(self, job: Job) -> None:
        """Let a job go on whose last value was `WAIT`.

        Parameters
        ----------
        job : Job
            Its result was delivered; nothing is done if it was cancelled since.
        """
        self._put_back(job)
        self._start()

    def cancel(self, wanted: Callable[[Job], bool]) -> None:
        """Cancel some jobs; their late results are dropped and `on_end` is not called.

        Parameters
        ----------
        wanted : callable
            Says for a job whether to cancel it.
        """
        self._drop([job for job in self._jobs if wanted(job)])
        self._on_change()

    def close(self) -> None:
        """Cancel everything and accept nothing more."""
        self._closed = True
        self._drop(list(self._jobs))
        if self._worker is not None:
            self._worker.quit()

    def _drop(self, jobs: list[Job]) -> None:
        with self._lock:
            for job in jobs:
                job.cancelled = True
                if job in self._waiting:
                    self._waiting.remove(job)
        for job in jobs:
            self._jobs.remove(job)

    def _start(self) -> None:
        if self._worker is not None or self._closed:
            return
        _wait_at_exit()
        self._worker = create_worker(self._work, _start_thread=False)
        self._worker.yielded.connect(self._on_report)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        """Go on if a job came while the thread was on its way out."""
        self._worker = None
        if self._waiting:
            self._start()

    def _on_report(self, report: _Report) -> None:
        job = report.job
        if job.cancelled:
            return
        if not report.ended:
            job.on_result(report.value)
            return
        self._jobs.remove(job)
        self._finish(job, report.error)

    def _finish(self, job: Job, error: Exception | None) -> None:
        if isinstance(error, SamAdapterError):
            job.on_error(error)
        job.on_end()
        self._on_change()
        if error is not None and not isinstance(error, SamAdapterError):
            raise error  # a bug: napari shows it with its traceback

    def _work(self) -> Iterator[_Report]:
        # Runs on the worker thread until no job is left.
        with _uncounted() if self._mostly_waits else contextlib.nullcontext():
            while (job := self._take()) is not None:
                report = _advance(job)
                if not report.ended and report.value is not WAIT:
                    self._put_back(job)
                yield report

    def _take(self) -> Job | None:
        with self._lock:
            if not self._waiting:
                return None
            job = min(self._waiting, key=lambda job: (job.priority, job.number))
            self._waiting.remove(job)
            return job

    def _put_back(self, job: Job) -> None:
        with self._lock:
            if not job.cancelled:
                self._waiting.append(job)


@cache
def _wait_at_exit() -> None:
    """Have Python wait for the step under way before it takes Qt apart.

    napari does so where its event loop ends; a script may end without one.
    """
    atexit.register(WorkerBase.await_workers)


@contextlib.contextmanager
def _uncounted() -> Iterator[None]:
    """Let Qt's pool start another thread while this one waits."""
    pool = QThreadPool.globalInstance()
    assert pool is not None  # Qt's own; there as long as the application is
    pool.releaseThread()
    try:
        yield
    finally:
        pool.reserveThread()


def _is_replaced(old: Job, new: Job) -> bool:
    return old.owner is new.owner and old.key == new.key


def _advance(job: Job) -> _Report:
    try:
        return _Report(job, value=next(job.steps))
    except StopIteration:
        return _Report(job, ended=True)
    except Exception as error:  # noqa: BLE001  raised again on the main thread
        return _Report(job, ended=True, error=error)
