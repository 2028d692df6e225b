"""Which planes will probably be in view next."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.planes.planes import Plane
    from napari_sam_adapter.volume.planes.windows import Focus

REACH = 2


class Travel:
    """Remembers where the user came from."""

    def __init__(self) -> None:
        self._seen: Plane | None = None

    def ahead(self, plane: Plane, shape: tuple[int, ...]) -> list[Plane]:
        """Return the neighbours of a plane that is in view now.

        Parameters
        ----------
        plane : Plane
            Where the user arrived.
        shape : tuple of int
            Spatial shape of the volume.

        Returns
        -------
        list of Plane
            Along the last axis that is not shown; those in the direction of travel
            first.
        """
        earlier, self._seen = self._seen, plane
        if not plane.other_axes:
            return []
        axis = plane.other_axes[-1]
        here = plane.index_along(axis)
        is_same_view = earlier is not None and earlier.axes == plane.axes
        came_from = earlier.index_along(axis) if earlier and is_same_view else here
        sign = -1 if came_from > here else 1
        steps = [sign * way for way in range(1, REACH + 1)]
        found = [here + step for step in (*steps, *(-step for step in steps))]
        return [plane.at(axis, index) for index in found if 0 <= index < shape[axis]]


def encode_planes(
    workspace: Workspace, planes: list[Plane], focus: Focus | None
) -> Iterator[None]:
    """Encode planes ahead of clicks; for any thread.

    Parameters
    ----------
    workspace : Workspace
        Whose session has the network.
    planes : list of Plane
        The most likely first; one that cannot be read is told when it is clicked.
    focus : Focus or None
        What is seen of them.

    Yields
    ------
    None
        After each plane.
    """
    for plane in planes:
        with contextlib.suppress(ImageError):
            workspace.session.encode_plane(plane, focus)
        yield
