"""How large the points are on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.plugin.layers.prompt_layers import POINT_SIZE_ON_SCREEN
from napari_sam_adapter.plugin.reporting import Feature

if TYPE_CHECKING:
    from napari.layers import Points

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace

NOTHING = 0, POINT_SIZE_ON_SCREEN[1]


class PointSize(Feature):
    """Lets points have a smallest size only where there are some.

    On a slice without points napari draws one of size 0 into the corner of the image,
    which would be seen if points had a smallest size.

    Parameters
    ----------
    controller : Controller
        Whose images have points.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.updated.connect(self._show)

    def _show(self) -> None:
        workspace = self._controller.workspace
        points = None if workspace is None else workspace.layers.points
        if workspace is not None and points is not None:
            seen = _are_seen(workspace, points)
            limits = POINT_SIZE_ON_SCREEN if seen else NOTHING
            if points.canvas_size_limits != limits:
                points.canvas_size_limits = limits


def _are_seen(workspace: Workspace, points: Points) -> bool:
    """Return whether any point lies on the slice in view."""
    plane, places = workspace.plane_or_none(), np.asarray(points.data)
    if plane is None:  # in 3-D all of them are
        return bool(len(places))
    distances = np.abs(places[:, list(plane.other_axes)] - plane.position)
    return bool((distances <= 0.5).all(axis=1).any())  # also of planes along others
