"""How messages call places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_adapter.volume.planes.plane import Plane


def name_of(plane: Plane) -> str:
    """Return how messages call a slice.

    Parameters
    ----------
    plane : Plane
        Of the image.

    Returns
    -------
    str
        Its place on the axes that are not shown, such as ``"slice 3"``.
    """
    if not plane.position:
        return "the image"
    return f"slice {','.join(map(str, plane.position))}"
