"""What the training panel shows: one evented dataclass that knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor, evented

from napari_sam_adapter.plugin.state import Message

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels

    from napari_sam_adapter.training.progress.progress import TrainingProgress
    from napari_sam_adapter.volume.planes.planes import Plane

HINT = Message("Paint or click some objects, then train on them.")


@evented
@dataclass
class TrainingState:
    """Everything that the training panel shows.

    Parameters
    ----------
    is_running : bool
        Whether a training is in the queue.
    is_stopping : bool
        Whether it ends with the step that is under way, once that is judged.
    label_layers : tuple of Labels
        Layers that could be learned from, beside the masks of the widget.
    labels : Labels or None
        The chosen one; None takes the masks of the widget.
    finished : tuple of Plane
        Slices of the image in use that the user marked as finished.
    is_finished : bool
        Whether the slice in view is one of them.
    progress : TrainingProgress or None
        The last that was told.
    result : Path or None
        An adapter that can be used, and is better than what was there before.
    message : Message
        One line for the user.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    is_running: bool = False
    is_stopping: bool = False
    label_layers: tuple[Labels, ...] = ()
    labels: Labels | None = None
    finished: tuple[Plane, ...] = ()
    is_finished: bool = False
    progress: TrainingProgress | None = None
    result: Path | None = None
    message: Message = HINT
