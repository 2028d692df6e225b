"""The same work on many things: one after the other here, or on a Dask cluster."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from napari_sam_adapter.errors import DeviceError, SamAdapterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")
INSTALL = 'pip install "napari-sam-adapter[distributed]"'
TOLD = SamAdapterError, OSError, MemoryError
"""Errors that are told of one thing; all others are bugs."""
PATIENCE = 30
"""Seconds within which a scheduler has to answer, and then to have a worker."""


class Outcome(NamedTuple, Generic[T, R]):
    """What became of one thing.

    Attributes
    ----------
    item : T
        The thing.
    result : R or None
        What was made of it; None if that failed.
    problem : str
        Why it failed, else empty.
    """

    item: T
    result: R | None
    problem: str = ""


def run_each(
    work: Callable[[T], R], items: Sequence[T], scheduler: str | None = None
) -> Iterator[Outcome[T, R]]:
    """Do the same with many things, each apart from the others.

    Parameters
    ----------
    work : callable
        What is done. For a cluster, a function that its workers can import; files lie
        where all of them find them under one name.
    items : sequence
        Each is given to `work` once. For a cluster they can be pickled.
    scheduler : str or None
        Address of a Dask scheduler, as ``"tcp://node1:8786"``; None works here.

    Yields
    ------
    Outcome
        One for each thing: here in their order, from a cluster as they come. What is
        not begun when this is left is not done.

    Raises
    ------
    DeviceError
        If ``distributed`` is missing, or there is no such scheduler, or it goes before
        the end, or it has no workers, or they lack this package.
    """
    if scheduler is not None:
        yield from _run_on_cluster(work, items, scheduler)
        return
    for item in items:
        try:
            yield Outcome(item, work(item))
        except TOLD as error:
            yield Outcome(item, None, str(error) or type(error).__name__)


def _run_on_cluster(
    work: Callable[[T], R], items: Sequence[T], scheduler: str
) -> Iterator[Outcome[T, R]]:
    distributed = _distributed()
    with _connected(distributed, scheduler) as client:
        futures = client.map(work, items, pure=False)
        item_of = dict(zip(futures, items, strict=True))
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                yield _outcome(distributed, item_of[future], future)
        finally:
            client.cancel(futures)


def _outcome(distributed: Any, item: T, future: Any) -> Outcome[T, Any]:
    try:
        return Outcome(item, future.result())
    except distributed.KilledWorker:
        return Outcome(item, None, "The workers that tried it died, of memory perhaps.")
    except CancelledError as error:
        raise DeviceError(
            f"Expected the Dask scheduler until the end, got: {error}. Start it again, "
            "and then the command."
        ) from error
    except TOLD as error:
        return Outcome(item, None, str(error) or type(error).__name__)
    except ImportError as error:
        raise DeviceError(
            "Expected this version of napari-sam-adapter on all workers, got: "
            f"{error}. Install it there."
        ) from error


def _connected(distributed: Any, scheduler: str) -> Any:
    """Return a client of a scheduler that has a worker."""
    try:
        distributed.comm.get_address_host_port(scheduler)  # or it is tried for long
    except ValueError as error:
        raise DeviceError(
            f"Expected the address of a Dask scheduler, as tcp://node1:8786, got "
            f"{scheduler!r}. Give what dask scheduler prints."
        ) from error
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except OSError as error:
        raise DeviceError(
            f"Expected a Dask scheduler at {scheduler}, got: {error}. Start one with: "
            "dask scheduler"
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        client.close()
        raise DeviceError(
            f"Expected workers of the scheduler at {scheduler}, got none in "
            f"{PATIENCE} s. Start some with: dask worker {scheduler}"
        ) from error
    return client


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as missing:
        raise DeviceError(
            "Expected Dask's distributed for work on a cluster, but it is not "
            f"installed. Run: {INSTALL}"
        ) from missing
    return distributed
