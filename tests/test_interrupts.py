"""Ctrl-C waits for the end of what shall not be cut in half."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter.interrupts import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminable() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does, as in the shell."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def work(done: list[str], fails: bool, number: int) -> None:
    with uninterrupted():
        os.kill(os.getpid(), number)
        done.append("whole")
        if fails:
            raise ValueError


@pytest.mark.usefixtures("interruptible", "terminable")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_comes_after_the_work_and_is_never_lost(
    fails: bool, number: int
) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work(done, fails, number)
    assert done == ["whole"]
