from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from qtpy.QtCore import QThreadPool

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plugin.background import WAIT, Job, JobQueue, Priority

ENDS_IN_THE_MIDDLE_OF_A_STEP = """
import threading
from qtpy.QtWidgets import QApplication
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority, ignore

began, application = threading.Event(), QApplication([])

def steps():
    began.set()
    threading.main_thread().join()
    threading.Event().wait(0.5)
    yield 1

queue = JobQueue(ignore)
queue.submit(Job(None, "long", Priority.TRAINING, steps(), ignore, ignore))
began.wait(10)
queue.close()
"""


class Recorder:
    """Collects what jobs deliver on the main thread."""

    def __init__(self) -> None:
        self.results: list[object] = []
        self.errors: list[Exception] = []
        self.threads: set[int] = set()
        self.changes = 0
        self.queue = JobQueue(self.count)

    def count(self) -> None:
        self.changes += 1

    def job(self, steps, key="job", priority=Priority.CLICK, on_end=None) -> Job:
        return Job(
            owner=self,
            key=key,
            priority=priority,
            steps=iter(steps),
            on_result=self.take,
            on_error=self.errors.append,
            on_end=on_end or (lambda: None),
        )

    def take(self, value: object) -> None:
        self.results.append(value)
        self.threads.add(threading.get_ident())


@pytest.fixture
def recorder(qtbot):
    recorder = Recorder()
    yield recorder
    recorder.queue.close()


def gated(gate: threading.Event, values):
    """Yield values, the first one only after the gate opens."""
    for value in values:
        assert gate.wait(5)
        yield value


def test_results_arrive_on_the_main_thread_in_order(recorder, qtbot):
    worker_threads = set()

    def steps():
        for number in range(3):
            worker_threads.add(threading.get_ident())
            yield number

    recorder.queue.submit(recorder.job(steps()))
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results == [0, 1, 2]
    assert recorder.threads == {threading.get_ident()}
    assert threading.get_ident() not in worker_threads


def test_click_is_served_between_two_steps_of_a_propagation(recorder, qtbot):
    gate = threading.Event()
    recorder.queue.submit(
        recorder.job(gated(gate, [1, 2, 3]), "long", Priority.PROPAGATION)
    )
    recorder.queue.submit(recorder.job(["click"], "click", Priority.CLICK))
    gate.set()
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results.index("click") <= 1
    assert [value for value in recorder.results if value != "click"] == [1, 2, 3]


def test_newer_job_replaces_the_waiting_one_with_its_key(recorder, qtbot):
    gate = threading.Event()
    recorder.queue.submit(recorder.job(gated(gate, ["first"]), "other"))
    recorder.queue.submit(recorder.job(["old"], "same"))
    recorder.queue.submit(recorder.job(["new"], "same"))
    gate.set()
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results == ["first", "new"]


def test_late_result_of_a_cancelled_job_is_dropped(recorder, qtbot):
    gate, started = threading.Event(), threading.Event()

    def steps():
        started.set()
        assert gate.wait(5)
        yield "late"

    recorder.queue.submit(recorder.job(steps()))
    qtbot.waitUntil(started.is_set)
    recorder.queue.cancel(lambda job: True)
    gate.set()
    recorder.queue.submit(recorder.job(["next"], "next"))
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results == ["next"]


def test_own_errors_end_the_job_and_are_delivered(recorder, qtbot):
    ended = []

    def steps():
        yield 1
        raise ImageError("Expected an image.")

    recorder.queue.submit(recorder.job(steps(), on_end=lambda: ended.append(True)))
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert [str(error) for error in recorder.errors] == ["Expected an image."]
    assert ended == [True]


def test_foreign_error_surfaces_as_a_bug_and_the_queue_goes_on(recorder, qtbot):
    def steps():
        raise RuntimeError("a bug")
        yield

    with qtbot.capture_exceptions() as exceptions:
        recorder.queue.submit(recorder.job(steps(), "broken"))
        recorder.queue.submit(recorder.job(["fine"], "fine"))
        qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert [str(value) for _, value, _ in exceptions] == ["a bug"]
    assert recorder.results == ["fine"]


def test_closed_queue_takes_no_more_work_and_delivers_nothing(recorder, qtbot):
    gate = threading.Event()
    recorder.queue.submit(recorder.job(gated(gate, ["late"])))
    recorder.queue.close()
    gate.set()
    recorder.queue.submit(recorder.job(["more"]))
    assert recorder.queue.jobs == ()
    assert recorder.results == []


def test_queue_starts_again_after_it_ran_dry(recorder, qtbot):
    for number in range(3):
        recorder.queue.submit(recorder.job([number]))
        qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results == [0, 1, 2]


def test_a_queue_that_waits_takes_no_thread_of_the_pool(recorder, qtbot):
    gate, pool = threading.Event(), QThreadPool.globalInstance()
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    waiting = JobQueue(recorder.count, mostly_waits=True)
    waiting.submit(recorder.job(gated(gate, ["slow"])))
    recorder.queue.submit(recorder.job(["click"]))
    qtbot.waitUntil(lambda: recorder.results == ["click"])
    gate.set()
    qtbot.waitUntil(lambda: recorder.results == ["click", "slow"])
    qtbot.waitUntil(lambda: pool.activeThreadCount() == 0)
    pool.setMaxThreadCount(before)


def test_a_script_may_end_in_the_middle_of_a_step():
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_IN_THE_MIDDLE_OF_A_STEP],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""


def test_a_job_that_waits_stays_in_the_queue_and_lets_others_go_first(recorder, qtbot):
    waiting = recorder.job([1, WAIT, 2])
    recorder.queue.submit(waiting)
    qtbot.waitUntil(lambda: recorder.results == [1, WAIT])
    recorder.queue.submit(recorder.job([3], "other", Priority.IDLE))
    qtbot.waitUntil(lambda: recorder.queue.jobs == (waiting,))
    assert recorder.results == [1, WAIT, 3]
    recorder.queue.wake(waiting)
    qtbot.waitUntil(lambda: not recorder.queue.jobs)
    assert recorder.results == [1, WAIT, 3, 2]


def test_a_job_that_was_cancelled_is_not_woken(recorder, qtbot):
    waiting = recorder.job([WAIT, 2])
    recorder.queue.submit(waiting)
    qtbot.waitUntil(lambda: recorder.results == [WAIT])
    recorder.queue.cancel(lambda job: True)
    recorder.queue.wake(waiting)
    assert not recorder.queue.jobs
    assert recorder.results == [WAIT]
