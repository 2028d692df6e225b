"""A cache folder of its own and a web server with a file of weights."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.web_server import WebServer, serving

from napari_sam_adapter.model.variants import ModelVariant
from napari_sam_adapter.weight_store.entries import Entry, Kind, State

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = random.Random(0).randbytes(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MakeEntry = Callable[..., Entry]


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several workers, which inherit this, one thread to compute with."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl+C raises, also where a shell in the background had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., str]]:
    """Start Dask clusters on loopback; gives the addresses of their schedulers."""
    distributed = pytest.importorskip("distributed")
    with ExitStack() as running:

        def make(n_workers: int, processes: bool = False) -> str:
            cluster = distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=processes,
                protocol="tcp",
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
            )
            running.enter_context(cluster)
            return cluster.scheduler_address

        yield make


@pytest.fixture
def cluster(make_cluster: Callable[..., str]) -> str:
    """The address of a scheduler with a worker, a thread of this process."""
    return make_cluster(n_workers=1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no proxy on the way to loopback."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving({"/weights.pth": CONTENT}) as server:
        yield server


@pytest.fixture
def entry(cache: Path, server: WebServer) -> MakeEntry:
    """Describe a download from the server."""

    def make(
        sha256: str | None = SHA256, path: str = "/weights.pth", **more: object
    ) -> Entry:
        variant = ModelVariant(
            "web",
            "from the test server",
            "CC0",
            "us",
            url=server.url + path,
            sha256=sha256,
            size=len(CONTENT),
            saved_as="weights.pth",
            **more,
        )
        path = cache / variant.saved_as
        return Entry(variant, Kind.MODEL, State.TO_DOWNLOAD, path, variant.size)

    return make
