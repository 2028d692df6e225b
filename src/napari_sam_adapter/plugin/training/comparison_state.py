"""What the comparison panel shows: one evented dataclass that knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from psygnal import SignalGroupDescriptor, evented

from napari_sam_adapter.plugin.state import NO_ADAPTER, Message

NO_MESSAGE = Message()


@dataclass(frozen=True)
class Agreement:
    """Two answers to the same prompts, in numbers.

    Parameters
    ----------
    names : (str, str)
        Of the adapter in use and of the other.
    scores : (float or None, float or None)
        The network's own estimates; None where it was not trained for them.
    iou : float
        Of the two masks.
    """

    names: tuple[str, str]
    scores: tuple[float | None, float | None]
    iou: float


@evented
@dataclass
class ComparisonState:
    """Everything that the comparison panel shows.

    Parameters
    ----------
    is_on : bool
        Whether the prompts in view are given to both adapters.
    choices : tuple of str
        Names and paths of adapters to choose from.
    other : str
        The chosen one.
    answer : Agreement or None
        For the prompts in view.
    message : Message
        One line for the user.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    is_on: bool = False
    choices: tuple[str, ...] = (NO_ADAPTER,)
    other: str = NO_ADAPTER
    answer: Agreement | None = None
    message: Message = NO_MESSAGE
