"""What cannot be done is told to the user, a bug is not swallowed."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.plugin.state import Message, Progress, Tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_sam_adapter.plugin.controller import Controller


class Reporter(Protocol):
    """Whatever can tell the user."""

    def report(self, error: SamAdapterError) -> None:
        """Tell the user what cannot be done."""


Self = TypeVar("Self", bound=Reporter)
Arguments = ParamSpec("Arguments")


def reporting(
    command: Callable[Concatenate[Self, Arguments], Any],
) -> Callable[Concatenate[Self, Arguments], None]:
    """Make a method report the errors of this package instead of raising them.

    Parameters
    ----------
    command : method
        Of a `Reporter`.

    Returns
    -------
    method
        Other exceptions pass: they are bugs, and napari shows their traceback.
    """

    @wraps(command)
    def run(self: Self, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(self, *args, **kwargs)
        except SamAdapterError as error:
            self.report(error)

    return run


class Feature:
    """What does one thing for the user beside the controller, which shows its errors.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def report(self, error: SamAdapterError) -> None:
        """Tell the user what cannot be done.

        Parameters
        ----------
        error : SamAdapterError
            The reason.
        """
        self._controller.report(error)

    def say(self, text: str) -> None:
        """Show a sentence in the status line.

        Parameters
        ----------
        text : str
            What was done, or is under way.
        """
        self._controller.state.message = Message(text)

    def take_up_again(self, image: Image, tool: Tool) -> None:
        """Use another session of an image, and go on with the tool in hand.

        Parameters
        ----------
        image : Image
            Of another level, with other channels, or with other pixels than before.
        tool : Tool
            The one that was in hand; nothing is done if the image cannot be segmented.
        """
        self._controller.choose_image(image)
        if self._controller.workspace is not None and tool is not Tool.NONE:
            self._controller.use(tool)

    def end_progress(self) -> None:
        """Let the bar stand still."""
        self._controller.state.progress = Progress()
