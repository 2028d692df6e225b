"""What the panel about sessions shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor, evented

from napari_sam_adapter.volume.saving.autosave_files import last_edit

if TYPE_CHECKING:
    from pathlib import Path


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


def offer_of(unfinished: list[Path]) -> str:
    """Say what can be restored.

    Parameters
    ----------
    unfinished : list of Path
        Journals that were left, the newest first.

    Returns
    -------
    str
        Empty if there is none.
    """
    if not unfinished:
        return ""
    more = f" (and {len(unfinished) - 1} more)" if len(unfinished) > 1 else ""
    when = last_edit(unfinished[0])
    left = f"A session of this image was left without being saved on {when}"
    return f"{left}{more}. Go on with it?"
