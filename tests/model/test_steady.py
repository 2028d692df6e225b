"""Steps beside another program's: when extra threads come, and when they go."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter.model.steady import (
    Clocks,
    ExtraThreads,
    Watch,
    is_disturbed,
    steady_call,
    steady_step,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP only")

ALONE, DISTURBED = Clocks(0.02, 0.02, 0.04), Clocks(0.2, 0.1, 0.2)
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
def two_threads() -> Iterator[None]:
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
    return sum(thread.name == "extra" for thread in threading.enumerate())


def has_extra() -> bool:
    return count_extra() > 0


def take(watch: Watch, hands: Hands, spent: Clocks) -> bool:
    """Take a step, and tell whether it had extra threads."""
    with watch.step():
        hands.pass_by(spent)
        return has_extra()


def lengths(watch: Watch, hands: Hands, steps: int) -> list[int]:
    """Return how many steps in a row had extra threads."""
    had = "".join(str(int(take(watch, hands, DISTURBED))) for _ in range(steps))
    return [len(run) for run in had.split("0") if run]


def test_steps_that_nobody_disturbs_have_no_extra_threads(watch, hands) -> None:
    assert not any(take(watch, hands, ALONE) for _ in range(3))


def test_disturbed_steps_are_helped_and_from_time_to_time_tried_alone(
    watch, hands
) -> None:
    with watch.call():
        runs = lengths(watch, hands, 1 + 16 + 1 + 64 + 1 + 256 + 1 + 256)
    assert runs == [16, 64, 256, 256]


def test_a_step_alone_begins_anew(watch, hands) -> None:
    lengths(watch, hands, 1 + 16)
    assert not take(watch, hands, ALONE)
    assert lengths(watch, hands, 1 + 16 + 1) == [16]


def test_after_a_call_nothing_is_left(watch, hands) -> None:
    with watch.call():
        take(watch, hands, DISTURBED)
        assert has_extra()  # also between steps
    assert not has_extra()
    with watch.call():
        assert has_extra()
    take(watch, hands, DISTURBED)
    assert not has_extra()


def test_short_steps_tell_nothing(watch, hands) -> None:
    short = Clocks(*(seconds / 200 for seconds in DISTURBED))
    assert not any(take(watch, hands, short) for _ in range(3))


def test_a_failure_leaves_no_threads(watch, hands) -> None:
    take(watch, hands, DISTURBED)
    with pytest.raises(ValueError, match="broken"), watch.step():
        raise ValueError("broken")
    assert not has_extra()
    assert take(watch, hands, DISTURBED)
    assert not has_extra()


def test_calls_of_two_threads_share_them(watch, hands) -> None:
    take(watch, hands, DISTURBED)
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with watch.call():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with watch.call():
        before = count_extra()
        thread.start()
        entered.wait(10)
        assert count_extra() == before
    assert count_extra() == before
    leave.set()
    thread.join(10)
    assert not has_extra()


def test_openmp_has_more_threads_than_there_are_processors() -> None:
    tasks = Path("/proc/self/task")
    torch.zeros(2, 2**16).add_(1)  # this thread has its own before
    before = set(tasks.iterdir())
    extra = ExtraThreads()
    extra.start()
    try:
        assert len(set(tasks.iterdir()) - before) == 2 * count_extra()
    finally:
        extra.stop()
    assert not has_extra()


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        # as measured beside a foreign loop, a loop in Python, and alone
        (Clocks(0.307, 0.154, 0.319), True),
        (Clocks(0.188, 0.107, 0.202), True),
        (Clocks(0.031, 0.029, 0.044), False),
        (Clocks(2.341, 0.468, 3.371), False),
        (Clocks(0.024, 0.022, 0.047), False),
        (Clocks(0.018, 0.018, 0.034), False),
    ],
)
def test_only_other_programs_disturb(spent: Clocks, expected: bool) -> None:
    assert is_disturbed(spent, 2) == expected


def test_nothing_is_done_elsewhere() -> None:
    meta = torch.zeros(1, device="meta")
    assert isinstance(steady_step(meta), nullcontext)
    torch.set_num_threads(1)
    assert isinstance(steady_step(torch.zeros(1)), nullcontext)
    assert isinstance(steady_call(CPU), nullcontext)
