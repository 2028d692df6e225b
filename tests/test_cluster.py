from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter import cluster as module
from napari_sam_adapter.cluster import Outcome, run_each
from napari_sam_adapter.errors import DeviceError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable


def half(number: int) -> int:
    if number % 2:
        raise ImageError(f"Expected an even number, got {number}.")
    return number // 2


def crash(number: int) -> int:
    raise AssertionError(f"a bug at {number}")


def leave(number: int) -> None:
    os._exit(number)


HALVES = [Outcome(2, 1), Outcome(3, None, "Expected an even number, got 3.")]


def test_here_it_is_one_after_the_other() -> None:
    assert list(run_each(half, [2, 3])) == HALVES
    steps = run_each(half, [2, 3])
    next(steps)
    steps.close()


def test_workers_do_the_same(cluster: str) -> None:
    assert sorted(run_each(half, [3, 2], cluster)) == HALVES
    assert list(run_each(half, [], cluster)) == []


@pytest.mark.parametrize("where", ["here", "cluster"])
def test_bugs_are_not_hidden(where: str, cluster: str) -> None:
    with pytest.raises(AssertionError, match="a bug at 1"):
        list(run_each(crash, [1], None if where == "here" else cluster))


def test_what_was_not_begun_when_it_is_left_is_not_done(
    cluster: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("done")

    def touch(number: int) -> int:
        (folder / str(number)).touch()
        return number

    steps = run_each(touch, range(2000), cluster)
    next(steps)
    steps.close()
    assert len(list(folder.iterdir())) < 2000
    assert list(run_each(half, [2], cluster)) == HALVES[:1]  # the workers are free


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DeviceError, match=f"scheduler at {address}"):
            list(run_each(half, [2], address))
    with pytest.raises(DeviceError, match="dask scheduler"):
        list(run_each(half, [2], "no address"))


def test_a_scheduler_without_workers_is_told(
    monkeypatch: pytest.MonkeyPatch, make_cluster: Callable[..., str]
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    address = make_cluster(n_workers=0)
    with pytest.raises(DeviceError, match=f"dask worker {address}"):
        list(run_each(half, [2], address))


@pytest.mark.slow
def test_workers_that_die_are_told(make_cluster: Callable[..., str]) -> None:
    address = make_cluster(n_workers=1, processes=True)
    ((item, result, problem),) = run_each(leave, [1], address)
    assert (item, result) == (1, None)
    assert "died" in problem
