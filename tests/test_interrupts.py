"""Ctrl-C waits for the end of what shall not be cut in half."""

from __future__ import annotations

import os
import signal

import pytest

from napari_sam_adapter.interrupts import uninterrupted


def work(done: list[str], fails: bool) -> None:
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("whole")
        if fails:
            raise ValueError


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_comes_after_the_work_and_is_never_lost(fails: bool) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work(done, fails)
    assert done == ["whole"]
