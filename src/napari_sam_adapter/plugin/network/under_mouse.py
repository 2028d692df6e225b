"""What a click under the mouse would ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.plugin.layers.closeness import first_prompts
from napari_sam_adapter.plugin.state import Press

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.asking.results import MaskRequest
    from napari_sam_adapter.volume.planes.plane import Plane


def point_of(workspace: Workspace, plane: Plane, event: Any) -> tuple[float, float]:
    """Return where on a plane a mouse event happened.

    Parameters
    ----------
    workspace : Workspace
        Of the image.
    plane : Plane
        In view.
    event : event
        napari's, with a world position.

    Returns
    -------
    (row, column)
        In pixels of the plane; it may lie outside.
    """
    data = np.asarray(workspace.frame.world_to_data(event.position))
    row, column = data[-plane.ndim :][list(plane.axes)]
    return float(row), float(column)


def request_of_click(
    controller: Controller,
    workspace: Workspace,
    plane: Plane,
    point: tuple[float, float],
    modifiers: Any,
) -> MaskRequest:
    """Return what a click would ask, only to look at.

    Parameters
    ----------
    controller : Controller
        Knows what a click means.
    workspace : Workspace
        Of the image.
    plane : Plane
        In view.
    point : (row, column)
        In pixels of the plane.
    modifiers : collection of str
        Keys that are held.

    Returns
    -------
    MaskRequest
        Never committed.

    Raises
    ------
    SamAdapterError
        If the click would be refused.
    """
    state, session = controller.state, workspace.session
    press = Press(shift="Shift" in modifiers)
    positive = state.positive and not state.background_press.fits(press)
    object_id = workspace.object_id
    if controller.is_new_object(positive) and workspace.known_prompts():
        object_id = workspace.next_id
    known = session.prompts(object_id, plane)
    if known.is_empty:
        known = first_prompts(workspace, known, plane)
    prompts = known.with_point(point, positive)
    prompts.check_inside(plane.shape(session.labels.shape))
    state.understood.check(prompts)
    return session.request(object_id, plane, prompts)
