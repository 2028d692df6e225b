"""What stands beside the controller and does one thing for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.controller import Controller


class Feature:
    """A `Reporter` whose errors the controller shows.

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
