"""What the panel about sessions shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from psygnal import SignalGroupDescriptor, evented


@evented
@dataclass
class SafekeepingState:
    """What the panel about sessions shows.

    Parameters
    ----------
    has_session : bool
        Whether there is an image in use.
    offer : str
        A session that was left and can be restored; empty if there is none.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    has_session: bool = False
    offer: str = ""
