"""Clicks that wait for a network, and go on waiting if it cannot be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.plane import Plane


class Click(NamedTuple):
    """Prompts of an object on a plane that have no answer.

    Attributes
    ----------
    workspace : Workspace
        Whose session has the prompts.
    object_id : int
        The object.
    plane : Plane
        The plane.
    """

    workspace: Workspace
    object_id: int
    plane: Plane


class Unanswered:
    """Clicks in their order; for the main thread."""

    def __init__(self) -> None:
        self._clicks: list[Click] = []

    def put(self, click: Click) -> None:
        """Add a click, unless it waits already.

        Parameters
        ----------
        click : Click
            Whose network is not loaded yet.
        """
        if click not in self._clicks:
            self._clicks.append(click)

    def take(self) -> list[Click]:
        """Remove all clicks.

        Returns
        -------
        list of Click
            Those that still have prompts, and have not been undone.
        """
        clicks, self._clicks = self._clicks, []
        return [click for click in clicks if _has_prompts(click)]

    def forget(self, workspace: Workspace) -> None:
        """Remove the clicks of a workspace.

        Parameters
        ----------
        workspace : Workspace
            Whose layers are gone.
        """
        self._clicks = [c for c in self._clicks if c.workspace is not workspace]

    def clear(self) -> None:
        """Remove all clicks for good."""
        self._clicks.clear()


def _has_prompts(click: Click) -> bool:
    session = click.workspace.session
    return not session.prompts(click.object_id, click.plane).is_empty
