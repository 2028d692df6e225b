"""Steps beside another program's: when extra threads come, and when they go."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter.model import steady
from napari_sam_adapter.model.steady import (
    Clocks,
    ExtraThreads,
    Watch,
    is_disturbed,
    read_clocks,
    steady_call,
    steady_step,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP only")

ALONE, DISTURBED = Clocks(0.02, 0.02, 0.04), Clocks(0.2, 0.1, 0.2)
SHORT = Clocks(0.001, 0.0005, 0.001)
CPU = torch.device("cpu")


class Hands:
    """Clocks that are moved by hand."""

    def __init__(self) -> None:
        self.now = Clocks(0, 0, 0)

    def __call__(self) -> Clocks:
        return self.now

    def pass_by(self, spent: Clocks) -> None:
        self.now = Clocks(*(a + b for a, b in zip(self.now, spent, strict=True)))


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def watch(hands: Hands) -> Watch:
    return Watch(hands)


def count_extra() -> int:
    return sum(thread.name == "openmp-extra" for thread in threading.enumerate())


def has_extra() -> bool:
    return count_extra() > 0


def take(watch: Watch, hands: Hands, spent: Clocks) -> bool:
    """Take a step, and tell whether it had extra threads."""
    with watch.step():
        hands.pass_by(spent)
        return has_extra()


def runs(watch: Watch, hands: Hands, steps: int) -> list[int]:
    """Return how many disturbed steps in a row had extra threads."""
    had = "".join(str(int(take(watch, hands, DISTURBED))) for _ in range(steps))
    return [len(run) for run in had.split("0") if run]


def test_steps_that_nobody_disturbs_have_no_extra_threads(watch, hands) -> None:
    assert not any(take(watch, hands, ALONE) for _ in range(5))


def test_a_step_that_is_disturbed_once_changes_nothing(watch, hands) -> None:
    for _ in range(3):
        assert not take(watch, hands, DISTURBED)
        assert not take(watch, hands, ALONE)


def test_disturbed_steps_are_helped_and_from_time_to_time_tried_alone(
    watch, hands
) -> None:
    with watch.call():
        found = runs(watch, hands, 2 + 16 + 1 + 64 + 1 + 64 + 1 + 20)
    assert found == [16, 64, 64, 20]


def test_a_step_alone_begins_anew(watch, hands) -> None:
    assert runs(watch, hands, 2 + 16) == [16]
    assert not take(watch, hands, ALONE)
    assert runs(watch, hands, 2 + 16 + 1) == [16]


def test_help_ends_where_it_is_not_needed(watch, hands) -> None:
    runs(watch, hands, 2)
    had = [take(watch, hands, ALONE) for _ in range(5)]
    assert had == [True, True, True, False, False]


def test_single_calm_steps_do_not_end_it(watch, hands) -> None:
    runs(watch, hands, 2)
    for _ in range(4):
        assert take(watch, hands, ALONE)
        assert take(watch, hands, DISTURBED)


def test_short_steps_tell_nothing_but_count(watch, hands) -> None:
    assert not any(take(watch, hands, SHORT) for _ in range(5))
    runs(watch, hands, 2)
    assert [take(watch, hands, SHORT) for _ in range(17)] == 16 * [True] + [False]


def test_after_a_call_nothing_is_left(watch, hands) -> None:
    with watch.call():
        runs(watch, hands, 2)
        assert has_extra()  # also between steps
    assert not has_extra()
    with watch.call():
        assert has_extra()
    take(watch, hands, DISTURBED)
    assert not has_extra()


def test_a_failure_leaves_no_threads(watch, hands) -> None:
    runs(watch, hands, 2)
    with pytest.raises(ValueError, match="broken"), watch.step():
        raise ValueError("broken")
    assert not has_extra()
    assert take(watch, hands, DISTURBED)
    assert not has_extra()


def test_calls_of_two_threads_share_them(watch, hands) -> None:
    runs(watch, hands, 2)
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with watch.call():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with watch.call():
        thread.start()
        entered.wait(10)
        assert count_extra() == 1
    assert count_extra() == 1
    leave.set()
    thread.join(10)
    assert not has_extra()


@pytest.mark.parametrize("at_once", [0, 1])
def test_steps_go_on_where_the_system_has_no_more_threads(
    watch, hands, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    start, begun = threading.Thread.start, []

    def start_some(thread: threading.Thread) -> None:
        if len(begun) == at_once:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_some)
        assert runs(watch, hands, 5) == []
    assert not has_extra()
    take(watch, hands, DISTURBED)
    assert take(watch, hands, DISTURBED)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "zeros", fail)
    extra = ExtraThreads()
    extra.start(2, 2)
    extra.stop()
    assert not has_extra()


@pytest.mark.parametrize(
    ("team", "processors", "expected"), [(2, 2, 1), (2, 4, 3), (4, 4, 1), (4, 2, 0)]
)
def test_openmp_has_more_threads_than_there_are_processors(
    team: int, processors: int, expected: int
) -> None:
    torch.set_num_threads(team)
    torch.zeros(team, 2**16).add_(1)  # this thread has its own before
    tasks, extra = Path("/proc/self/task"), ExtraThreads()
    before = set(tasks.iterdir())
    extra.start(team, processors)
    try:
        assert count_extra() == expected
        assert len(set(tasks.iterdir()) - before) == team * expected
    finally:
        extra.stop()
    assert not has_extra()


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        # as measured beside a foreign loop, a loop in Python, and alone
        (Clocks(0.307, 0.154, 0.319), True),
        (Clocks(0.188, 0.107, 0.202), True),
        (Clocks(0.033, 0.022, 0.040), True),
        (Clocks(0.031, 0.029, 0.044), False),
        (Clocks(2.341, 0.468, 3.371), False),
        (Clocks(0.024, 0.022, 0.047), False),
        (Clocks(0.018, 0.018, 0.034), False),
    ],
)
def test_only_other_programs_disturb(spent: Clocks, expected: bool) -> None:
    assert is_disturbed(spent, 2) == expected


def test_clocks_tell_this_thread_from_the_others() -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    before, thread = read_clocks(), threading.Thread(target=work)
    thread.start()
    while read_clocks().process - before.process < 0.2:
        thread.join(0.01)
    stop.set()
    thread.join()
    after = read_clocks()
    assert after.own - before.own < (after.process - before.process) / 2
    assert after.own - before.own < after.wall - before.wall
    assert after.wall == pytest.approx(time.perf_counter(), abs=10)


def test_nothing_is_done_elsewhere() -> None:
    assert isinstance(steady_step(torch.device("meta")), nullcontext)
    assert not isinstance(steady_step(CPU), nullcontext)
    assert not isinstance(steady_call(CPU), nullcontext)
    torch.set_num_threads(1)
    assert isinstance(steady_step(CPU), nullcontext)
    assert isinstance(steady_call(CPU), nullcontext)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_begins_anew(watch, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "_watch", watch)
    runs(watch, hands, 2)
    with steady_call(CPU):
        child = os.fork()
        if not child:
            os._exit(steady._watch is watch)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
