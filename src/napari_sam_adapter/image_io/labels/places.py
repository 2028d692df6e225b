"""Where an image and its labels lie in a patient."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import ImageError

if TYPE_CHECKING:
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

NEAR = 1.0
"""Voxels by which labels may lie beside their image."""


def check_same_place(image: OpenedImage, labels: OpenedImage) -> None:
    """Raise if labels lie elsewhere in a patient than their image.

    Parameters
    ----------
    image, labels : OpenedImage
        Of one shape.

    Raises
    ------
    ImageError
        If both files tell where their voxels lie, and those of the same index lie more
        than a voxel apart.
    """
    if image.affine is None or labels.affine is None or _says_nothing(labels):
        return
    lengths = dict(zip(image.label_axes, image.label_shape, strict=True))
    corners = [
        (*corner, 1) for corner in product(*((0, lengths.get(a, 1) - 1) for a in "xyz"))
    ]
    apart = np.array(corners) @ (image.affine - labels.affine).T
    farthest = float(np.linalg.norm(apart[:, :3], axis=1).max())
    if farthest > NEAR * float(np.linalg.norm(image.affine[:3, :3], axis=0).min()):
        raise ImageError(
            f"Expected labels that lie where {image.name} lies, got {labels.name}: by "
            f"the affines of both files its voxels are up to {farthest:.3g} mm away. "
            "Bring it into the grid of the image; perhaps an axis runs the other way."
        )


def _says_nothing(labels: OpenedImage) -> bool:
    """Whether an affine is what a file has that was written without one."""
    assert labels.affine is not None
    sizes = np.abs(np.diag(labels.affine))
    return bool(np.allclose(labels.affine, np.diag(sizes)))
