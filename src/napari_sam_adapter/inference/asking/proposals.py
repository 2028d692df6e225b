"""Many points to the masks that promise enough, each made in its box only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_sam_adapter.inference.masks.answers import trained_masks
from napari_sam_adapter.inference.masks.mask_pixels import MaskInBox, to_boxes
from napari_sam_adapter.inference.masks.stability import stability

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.network.decoding import Decoding
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.inference.network.network import Network
    from napari_sam_adapter.model.families.preparation import Family


class Proposal(NamedTuple):
    """A mask that a point found.

    Attributes
    ----------
    mask : MaskInBox
        Not empty.
    score : float
        As of a `MaskCandidate`.
    """

    mask: MaskInBox
    score: float


def propose(
    network: Network,
    family: Family,
    embedding: ImageEmbedding,
    points: npt.NDArray[np.float64],
    min_score: float,
) -> list[Proposal]:
    """Return the masks at some points whose score is high enough.

    Parameters
    ----------
    network : Network
        Decodes.
    family : Family
        What it was trained for.
    embedding : ImageEmbedding
        The encoded plane.
    points : (N, 2) float array
        (row, column) pixels of the plane.
    min_score : float
        Masks whose score is not higher are left out.

    Returns
    -------
    list of Proposal
        In the order of the points, the best first for each of them.
    """

    def ask(decoding: Decoding, part: slice) -> list[Proposal]:
        some = points[part]
        xy = embedding.frame.to_xy(some)[:, None]
        asked = xy, torch.ones(len(some), 1, dtype=torch.int64)
        proposals = []
        for logits, scores in _scored(decoding, family, embedding, asked, min_score):
            masks = to_boxes(logits, embedding.frame, family)
            proposals += [Proposal(*one) for one in zip(masks, scores, strict=True)]
        return [proposal for proposal in proposals if proposal.mask.pixels.size]

    parts = network.ask(ask, len(points))
    return [proposal for part in parts for proposal in part]


def _scored(
    decoding: Decoding,
    family: Family,
    embedding: ImageEmbedding,
    points: tuple[Tensor, Tensor],
    min_score: float,
) -> Iterator[tuple[Tensor, list[float]]]:
    """Yield the low-resolution logits of each point with their scores."""
    masks, count = trained_masks(family, is_ambiguous=True)
    is_trusted = family.capabilities.score_is_trusted
    # where the network cannot judge its masks, the masks are judged
    least = min_score if is_trusted else -torch.inf
    for found in decoding.decode_above(embedding, points, masks, least):
        scores = found.scores if is_trusted else stability(found.logits)
        best = scores.argsort(descending=True)[:count]
        best = best[scores[best] > min_score]
        yield found.logits[best], scores[best].tolist()
