"""How much of a large plane the first prompt of an object looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.predictions import is_large
from napari_sam_adapter.volume.asking.window_search import first_side

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane


def reduction_on(workspace: Workspace, axes: tuple[int, int]) -> float:
    """Return how much to look at: as in `Prompts`.

    Parameters
    ----------
    workspace : Workspace
        Of the image.
    axes : (int, int)
        Of the plane in view.

    Returns
    -------
    float
        Of a multiscale image, told by the level in view; of large planes of others by
        the objects before, since most objects of an image are of a size.
    """
    predictor = workspace.session.predictor
    if predictor is None or not workspace.level.is_alone:
        return workspace.level.reduction(axes)
    session, size = workspace.session, predictor.image_size
    rows, columns = (session.labels.shape[axis] for axis in axes)
    side = session.objects.usual_window(axes)
    if side is None or not is_large((rows, columns), size):
        return 1.0
    return side / first_side(size, 1.0)


def first_prompts(workspace: Workspace, prompts: Prompts, plane: Plane) -> Prompts:
    """Return the first prompts of an object on a plane with how much to look at.

    Parameters
    ----------
    workspace : Workspace
        Of the image.
    prompts : Prompts
        In pixels of the plane.
    plane : Plane
        In view.

    Returns
    -------
    Prompts
        The same at the same places.
    """
    return replace(prompts, reduction=reduction_on(workspace, plane.axes))
