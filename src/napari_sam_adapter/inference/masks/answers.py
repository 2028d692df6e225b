"""Which of the decoder's masks to look at, and what they are on the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.inference.masks.mask_pixels import to_pixels
from napari_sam_adapter.inference.masks.specks import drop_specks
from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.model.families.preparation import Family


def trained_masks(family: Family, is_ambiguous: bool) -> tuple[slice, int]:
    """Say which masks of the decoder to look at, and how many to give.

    Parameters
    ----------
    family : Family
        Which masks were trained.
    is_ambiguous : bool
        Whether the prompt is.

    Returns
    -------
    masks : slice
        Among the decoder's masks.
    count : int
        The best so many are candidates.
    """
    if family.answers == "first":
        return slice(0, 1), 1
    if family.answers == "best_of_three":
        return slice(1, None), 3 if is_ambiguous else 1
    return (slice(1, None), 3) if is_ambiguous else (slice(0, 1), 1)


def to_prediction(
    logits: Tensor,
    scores: Tensor,
    frame: Frame,
    family: Family,
    count: int,
    points: npt.NDArray[np.float64],
    trusted: bool = True,
) -> MaskPrediction:
    """Turn the masks of one object into an answer.

    Parameters
    ----------
    logits : (M, h, w) float32 tensor
        Of the square, on the CPU.
    scores : (M,) float32 tensor
        By which the best are chosen.
    frame : Frame
        How the plane lies in the square.
    family : Family
        How masks are scaled.
    count : int
        Number of candidates.
    points : (N, 2) float array
        (row, column) pixels on the object.
    trusted : bool
        Whether the scores were trained.

    Returns
    -------
    MaskPrediction
        The best, and the candidates.
    """
    order = scores.argsort(descending=True)[:count]
    masks = to_pixels(logits[order], frame, family)
    if least := family.least_piece:
        masks = [drop_specks(mask, points, least) for mask in masks]
    low, values = logits[order].numpy(), scores[order].tolist()
    candidates = tuple(
        MaskCandidate(mask.like_whole(), value, logit, mask.box)
        for mask, value, logit in zip(masks, values, low, strict=True)
    )
    best, box = masks[0].like_whole(), masks[0].box
    return MaskPrediction(best, values[0], low[0], candidates, trusted, box=box)
