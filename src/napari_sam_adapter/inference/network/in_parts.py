"""Work on many things at once: on fewer where memory runs out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.model.memory import tells_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Things(Protocol):
    """A tensor, a range, or a sequence that gives parts of itself."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, part: slice, /) -> Any:
        """Return some of them."""


def in_parts(
    work: Callable[[Any], Result],
    things: Things,
    fall_back: Callable[[], None],
    what: str,
) -> list[Result]:
    """Work on things in as few parts as the device's memory allows.

    Parameters
    ----------
    work : callable
        Works on some of them.
    things : tensor, range or sequence
        At least one.
    fall_back : callable
        Makes `work` use the CPU from then on; called when not even one fits.
    what : str
        What they are, for messages.

    Returns
    -------
    list
        What came of each part, in order.

    Raises
    ------
    DeviceError
        If one does not fit on the CPU either.
    """
    done = _attempt(work, things)
    if done is None and len(things) == 1:
        fall_back()
        done = _attempt(work, things)
        if done is None:
            raise DeviceError(
                f"Expected enough memory for one of the {what}, got too little on the "
                "device and on the CPU. Close other programs or use a smaller model."
            )
    if done is not None:
        return list(done)
    half = (len(things) + 1) // 2
    _log.warning("Out of memory: working on %d %s at a time.", half, what)
    first = in_parts(work, things[:half], fall_back, what)
    return first + in_parts(work, things[half:], fall_back, what)


def _attempt(work: Callable[[Any], Result], things: Things) -> tuple[Result] | None:
    """Return None if memory ran out; what the attempt held is free again by then."""
    try:
        return (work(things),)
    except (RuntimeError, MemoryError) as error:
        if not tells_of_memory(error):
            raise
    return None
