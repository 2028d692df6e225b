"""Where the user of a session worked last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.plugin.viewing.viewer_planes import show_slice

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam_adapter.plugin.layers.workspace import Workspace


def go_to_last_edit(viewer: ViewerModel, workspace: Workspace) -> bool:
    """Show the slice of the last edit.

    Parameters
    ----------
    viewer : ViewerModel
        Its slices move; the camera stays.
    workspace : Workspace
        The image with its session.

    Returns
    -------
    bool
        Whether it shows another slice now.

    Raises
    ------
    ImageError
        If that slice cannot be read.
    """
    session, before = workspace.session, tuple(viewer.dims.point)
    place = session.objects.last_edit
    if place is None:
        return False
    object_id, plane = place
    points, _ = session.prompts(object_id, plane).all_points()
    voxel = np.array(session.labels.shape) // 2
    voxel[list(plane.other_axes)] = plane.position
    if len(points):
        voxel[list(plane.axes)] = np.rint(points[-1])
    show_slice(viewer, workspace.frame, voxel.tolist())
    return tuple(viewer.dims.point) != before
