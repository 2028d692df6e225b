"""Which of the masks that fit an ambiguous prompt to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.boxed_mask import nothing, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction

FAR_BELOW = 0.25
"""A score that much lower than the best is that of a mask nobody wants to see."""
SPECK = 0.05
"""A piece of this part of the largest one is none of the object."""
SHARED = 0.5
"""Part of the smaller of two masks that both have, if both fit one click."""


def size_rank(masks: Sequence[BoxedMask], number: int) -> int:
    """Return the place of a mask among others by size.

    Parameters
    ----------
    masks : sequence of BoxedMask
        The candidates.
    number : int
        One of them.

    Returns
    -------
    int
        0 for the smallest; of equal ones the earlier counts as smaller.
    """
    return _by_size(masks).index(number)


def preferred_number(masks: Sequence[BoxedMask], rank: int | None) -> int:
    """Return which candidate a user takes who took one of some size before.

    Parameters
    ----------
    masks : sequence of BoxedMask
        The candidates, best score first.
    rank : int or None
        Place by size, from `size_rank`; None without a preference.

    Returns
    -------
    int
        The best if there is no preference, no choice, or nothing in the mask that
        is preferred.
    """
    if rank is None or len(masks) < 2:
        return 0
    number = _by_size(masks)[min(rank, len(masks) - 1)]
    return number if masks[number].pixels.size else 0


def preferred_mask(
    prediction: MaskPrediction, rank: int | None
) -> MaskCandidate | MaskPrediction:
    """Return the mask that a prediction gives a user who took one of some size before.

    Parameters
    ----------
    prediction : MaskPrediction
        The answer to a prompt.
    rank : int or None
        As for `preferred_number`.

    Returns
    -------
    MaskCandidate or MaskPrediction
        The candidate with the same place by size; the prediction if it is the best.
    """
    masks = [candidate.boxed_mask for candidate in prediction.candidates]
    number = preferred_number(masks, rank)
    return prediction.candidates[number] if number else prediction


def outlined(
    candidates: Sequence[MaskCandidate], chosen: int, is_trusted: bool = True
) -> list[BoxedMask]:
    """Return what is worth an outline of each candidate.

    Parameters
    ----------
    candidates : sequence of MaskCandidate
        The best score first.
    chosen : int
        The one that is taken, which always is worth one.
    is_trusted : bool
        Whether scores mean anything.

    Returns
    -------
    list of BoxedMask
        In the same order, without specks; empty for a score far below the best, and for
        one that lies elsewhere than the one that is taken.
    """
    least = candidates[0].score - FAR_BELOW if is_trusted else -np.inf
    masks = [candidate.boxed_mask for candidate in candidates]
    return [
        _without_specks(mask)
        if number == chosen
        or (candidates[number].score >= least and _fit_one_click(mask, masks[chosen]))
        else nothing(mask.shape)
        for number, mask in enumerate(masks)
    ]


def _fit_one_click(mask: BoxedMask, other: BoxedMask) -> bool:
    shared = np.count_nonzero(mask.pixels & other.window(mask.box))
    return bool(shared >= SHARED * min(mask.area, other.area))


def _without_specks(mask: BoxedMask) -> BoxedMask:
    """Return the pieces of a mask that are large beside the largest one."""
    pieces, count = ndimage.label(mask.pixels)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept = (sizes >= SPECK * sizes.max())[pieces]
    return place(kept, mask.box, mask.shape)


def _by_size(masks: Sequence[BoxedMask]) -> list[int]:
    return sorted(range(len(masks)), key=lambda i: masks[i].area)
