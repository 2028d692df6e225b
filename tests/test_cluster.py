from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter import cluster as module
from napari_sam_adapter.cluster import Outcome, run_each
from napari_sam_adapter.errors import DeviceError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable


may_go_on, done = threading.Event(), list[int]()
"""For workers that are threads of this process."""


def half(number: int) -> int:
    if number % 2:
        raise ImageError(f"Expected an even number, got {number}.")
    return number // 2


def crash(number: int) -> int:
    raise AssertionError(f"a bug at {number}")


def leave(number: int) -> None:
    os._exit(number)


HALVES = [Outcome(2, 1), Outcome(3, None, "Expected an even number, got 3.")]


def wait(number: int) -> None:
    done.append(number)
    if number:
        may_go_on.wait(60)


def run_out(number: int) -> int:
    raise MemoryError


def test_here_it_is_one_after_the_other() -> None:
    assert list(run_each(half, [2, 3])) == HALVES
    steps = run_each(half, [2, 3])
    next(steps)
    steps.close()


def test_workers_do_the_same(cluster: str) -> None:
    assert sorted(run_each(half, [3, 2], cluster)) == HALVES
    assert list(run_each(half, [], cluster)) == []


def test_what_is_too_large_does_not_end_the_others(cluster: str) -> None:
    for where in (None, cluster):
        assert list(run_each(run_out, [1], where)) == [Outcome(1, None, "MemoryError")]


@pytest.mark.parametrize("where", ["here", "cluster"])
def test_bugs_are_not_hidden(where: str, cluster: str) -> None:
    with pytest.raises(AssertionError, match="a bug at 1"):
        list(run_each(crash, [1], None if where == "here" else cluster))


def test_what_was_not_begun_when_it_is_left_is_not_done(cluster: str) -> None:
    done.clear()
    may_go_on.clear()
    steps = run_each(wait, range(20), cluster)
    assert next(steps).item == 0
    steps.close()
    may_go_on.set()
    assert list(run_each(half, [2], cluster)) == HALVES[:1]
    assert len(done) < 10  # a worker may begin some before it hears of it


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DeviceError, match=f"scheduler at {address}"):
            list(run_each(half, [2], address))
    with pytest.raises(DeviceError, match="as tcp://node1:8786, got 'nonsense'"):
        list(run_each(half, [2], "nonsense"))


def test_a_scheduler_without_workers_is_told(
    monkeypatch: pytest.MonkeyPatch, make_cluster: Callable[..., str]
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    address = make_cluster(n_workers=0)
    with pytest.raises(DeviceError, match=f"dask worker {address}"):
        list(run_each(half, [2], address))


@pytest.mark.slow  # Dask waits half a minute for what is gone
def test_a_scheduler_that_goes_is_told() -> None:
    distributed = pytest.importorskip("distributed")
    local = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )
    may_go_on.clear()
    with local:
        steps = run_each(wait, [0, 1], local.scheduler_address)
        next(steps)
        local.sync(local.scheduler.close)
        may_go_on.set()
        with pytest.raises(DeviceError, match="until the end"):
            list(steps)


@pytest.mark.slow
def test_workers_that_die_are_told(make_cluster: Callable[..., str]) -> None:
    address = make_cluster(n_workers=1, processes=True)
    ((item, result, problem),) = run_each(leave, [1], address)
    assert (item, result) == (1, None)
    assert "died" in problem
