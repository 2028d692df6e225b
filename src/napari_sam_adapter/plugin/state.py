"""What the panels show: one evented dataclass that knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor, evented

from napari_sam_adapter.predictions import ALL_PROMPTS, Capabilities
from napari_sam_adapter.wording import stopped

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from napari.layers import Image

    from napari_sam_adapter.volume.propagation.propagation_request import Method

NO_ADAPTER = "none"
"""What the model without adapter is called."""


class Phase(Enum):
    """What the plugin is doing; every panel maps it to its own enabled state."""

    READY = "ready"
    LOADING = "loading"
    SEGMENTING = "segmenting"
    FINDING = "looking for objects"
    ENCODING = "encoding"
    PROPAGATING = "propagating"


class Tool(Enum):
    """What the mouse draws; `switch_tool` goes through them in this order."""

    NONE = "none"
    POINTS = "points"
    BOXES = "boxes"
    SCRIBBLES = "scribbles"
    POLYGONS = "polygons"
    LASSO = "lasso"

    @property
    def hint(self) -> str:
        """What to do with it."""
        return {
            Tool.NONE: "Press Points or Box, then mark an object in the image.",
            Tool.POINTS: "Click on an object. Right click or Shift: background.",
            Tool.BOXES: "Draw a box around an object.",
            Tool.SCRIBBLES: "Drag along an object. Right button or Shift: background.",
            Tool.POLYGONS: "Click around an object, double click ends. "
            "Right button or Shift at the first click: background.",
            Tool.LASSO: "Drag around an object. Right button or Shift: background.",
        }[self]


@dataclass(frozen=True)
class Press:
    """How the mouse was pressed.

    Parameters
    ----------
    right : bool
        Whether with the right button.
    shift : bool
        Whether with Shift held.
    """

    right: bool = False
    shift: bool = False


class BackgroundPress(Enum):
    """What makes a click mark background; else it marks what a left click does."""

    EITHER = "right or Shift"
    RIGHT = "right click"
    SHIFT = "Shift"

    def fits(self, press: Press) -> bool:
        """Return whether a press marks background.

        Parameters
        ----------
        press : Press
            How the mouse was pressed.

        Returns
        -------
        bool
            True if it has what is asked for.
        """
        right = press.right and self is not BackgroundPress.SHIFT
        return right or (press.shift and self is not BackgroundPress.RIGHT)


@dataclass(frozen=True)
class Message:
    """One line for the user.

    Parameters
    ----------
    text : str
        The sentence.
    is_error : bool
        Whether something went wrong.
    """

    text: str = ""
    is_error: bool = False


NOTHING_OPEN = Message("Open an image, or take one from File > Open Sample.")


@dataclass(frozen=True)
class Progress:
    """How far the running work is.

    Parameters
    ----------
    done : int
        Steps that are finished.
    total : int
        Steps in all; 0 if nobody knows.
    unit : str
        What the steps are.
    """

    done: int = 0
    total: int = 0
    unit: str = "slices"

    def stopped(self, outcome: str) -> str:
        """Say that the work was stopped here, and what is left of it.

        Parameters
        ----------
        outcome : str
            A sentence.

        Returns
        -------
        str
            For the status line.
        """
        return stopped(self.done, self.total, self.unit, outcome)


@dataclass(frozen=True)
class ModelChoice:
    """Which network the user wants.

    Parameters
    ----------
    model : str
        Name of a model or path of a checkpoint.
    adapter : str or None
        Name or path of an adapter.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    preprocessing : str or None
        How the network wants its images; None where its file tells it.
    dtype : str
        Number format; ``"auto"`` takes the faster one.
    """

    model: str = "tiny"
    adapter: str | None = None
    device: str = "auto"
    preprocessing: str | None = None
    dtype: str = "auto"


@dataclass(frozen=True)
class FollowChoice:
    """How objects are to be followed.

    Parameters
    ----------
    axis : int or None
        Axis of the image; None for the last one that is not shown.
    first, last : int or None
        Range on the axis, both included; None for its ends.
    method : str
        As in `PropagationSettings`.
    everything : bool
        Follow all open objects, not only the one under work.
    """

    axis: int | None = None
    first: int | None = None
    last: int | None = None
    method: Method = "model"
    everything: bool = False


@dataclass(frozen=True, eq=False)
class Choice:
    """One of the masks that fit an ambiguous prompt.

    Parameters
    ----------
    score : float or None
        The network's own estimate; None where it is not to be trusted.
    thumbnail : (T, T) bool array
        The mask, small.
    """

    score: float | None
    thumbnail: npt.NDArray[np.bool_]


@evented
@dataclass
class PluginState:
    """Everything that the panels show.

    Parameters
    ----------
    phase : Phase
        What is going on.
    is_splitting : bool
        Whether the pieces of an object are being looked for.
    is_tidying : bool
        Whether holes and specks of objects are being looked for.
    is_measuring : bool
        Whether the images of a series are being measured, beside all other work.
    measured : Progress
        How far that is.
    images : tuple of Image
        The image layers of the viewer.
    image : Image or None
        The chosen one.
    tool : Tool
        What the mouse draws.
    positive : bool
        Whether a plain left click marks the object.
    background_press : BackgroundPress
        How background is marked without switching.
    object_id : int
        The object under work; 0 if no image is chosen.
    object_ids : tuple of int
        All objects of the image.
    has_slices : bool
        Whether the image is more than one picture.
    one_per_click : bool
        Whether every click on an object makes a new one.
    preview : bool
        Whether to show what a click would give.
    choices : tuple of Choice
        The masks that fit an ambiguous prompt on the plane in view.
    chosen : int
        Which of them is the mask.
    score : float or None
        The network's own estimate for the object on the plane in view.
    model : ModelChoice
        What the pickers say.
    loaded : ModelChoice or None
        What is in memory.
    capabilities : Capabilities
        What the network in memory understands.
    follow : FollowChoice
        How objects are to be followed.
    can_undo, can_redo : bool
        Whether there is a step to take back or to do again.
    progress : Progress
        How far the running work is.
    message : Message
        The status line.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    phase: Phase = Phase.READY
    is_splitting: bool = False
    is_tidying: bool = False
    is_measuring: bool = False
    measured: Progress = Progress()
    images: tuple[Image, ...] = ()
    image: Image | None = None
    tool: Tool = Tool.NONE
    positive: bool = True
    background_press: BackgroundPress = BackgroundPress.EITHER
    object_id: int = 0
    object_ids: tuple[int, ...] = ()
    has_slices: bool = False
    one_per_click: bool = False
    preview: bool = False
    choices: tuple[Choice, ...] = ()
    chosen: int = 0
    score: float | None = None
    model: ModelChoice = ModelChoice()
    loaded: ModelChoice | None = None
    capabilities: Capabilities = ALL_PROMPTS
    follow: FollowChoice = FollowChoice()
    can_undo: bool = False
    can_redo: bool = False
    progress: Progress = Progress()
    message: Message = NOTHING_OPEN

    @property
    def is_busy(self) -> bool:
        """Whether objects are being changed, or something is computed for them."""
        return self.phase is not Phase.READY or self.is_searching

    @property
    def is_searching(self) -> bool:
        """Whether pieces, holes or specks are being looked for."""
        return self.is_splitting or self.is_tidying

    @property
    def can_stop(self) -> bool:
        """Whether there is something to stop."""
        return self.is_busy or self.is_measuring

    @property
    def shown_progress(self) -> Progress:
        """How far the work is that the bar tells of: of a series, what is left over."""
        only_measures = self.is_measuring and not self.is_busy
        return self.measured if only_measures else self.progress

    @property
    def has_image(self) -> bool:
        """Whether there is an image to click on."""
        return self.object_id > 0

    @property
    def understood(self) -> Capabilities:
        """What the chosen network understands; everything until it is loaded."""
        return self.capabilities if self.loaded == self.model else ALL_PROMPTS
