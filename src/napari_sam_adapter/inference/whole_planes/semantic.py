"""Prompt-free segmentation, as the SAM-Adapter paper uses SAM."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.opened_image import pixels_of
from napari_sam_adapter.inference.whole_planes.views import (
    as_one_image,
    plane_shape,
    views_of_side,
    weights_of,
)
from napari_sam_adapter.intensity import check_pixels
from napari_sam_adapter.predictions import is_large

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.inference.predictor.predictor import SamPredictor


def segment_semantic(
    image: npt.NDArray[Any] | OpenedImage, predictor: SamPredictor
) -> npt.NDArray[np.float32]:
    """Return where the network sees objects, without any prompt.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array, or OpenedImage
        One plane; pixels as for `SamPredictor.encode`.
    predictor : SamPredictor
        Best with an adapter that was trained without prompts.

    Returns
    -------
    (H, W) float32 array
        Probability of each pixel to belong to an object, 0 to 1. A plane much larger
        than the network's input is seen in overlapping views of full resolution, whose
        maps fade into each other.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.

    References
    ----------
    Chen et al., *SAM Fails to Segment Anything? - SAM-Adapter*, 2023, section 3.
    """
    image = pixels_of(image)
    shape = plane_shape(image)
    if not is_large(shape, predictor.image_size):
        return predictor.foreground(predictor.encode(image))
    pixels = as_one_image(image, predictor)
    check_pixels(pixels)
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for view in views_of_side(shape, predictor.image_size):
        own, place = weights_of(view), (view.rows, view.columns)
        with contextlib.suppress(ImageError):  # nothing is shown there
            part = predictor.encode(pixels[place])
            total[place] += own * predictor.foreground(part)
            weight[place] += own
    return np.divide(total, weight, out=total, where=weight > 0)
