"""Prompt-free segmentation, as the SAM-Adapter paper uses SAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.inference.predictor import SamPredictor


def segment_semantic(
    image: npt.NDArray[Any], predictor: SamPredictor
) -> npt.NDArray[np.float32]:
    """Return where the network sees objects, without any prompt.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        One plane; pixels as for `SamPredictor.encode`.
    predictor : SamPredictor
        Best with an adapter that was trained without prompts.

    Returns
    -------
    (H, W) float32 array
        Probability of each pixel to belong to an object, 0 to 1.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.

    References
    ----------
    Chen et al., *SAM Fails to Segment Anything? - SAM-Adapter*, 2023, section 3.
    """
    return predictor.foreground(predictor.encode(image))
