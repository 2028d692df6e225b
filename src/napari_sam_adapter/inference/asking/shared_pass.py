"""Objects that share a pass through the decoder: their prompts in, their masks out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.inference.frame.nearness import tokens_near
from napari_sam_adapter.inference.frame.prompt_tensors import kind_of, to_tensors
from napari_sam_adapter.inference.masks.answers import to_prediction, trained_masks
from napari_sam_adapter.inference.masks.mask_pixels import scaled_logits
from napari_sam_adapter.inference.masks.stability import stability
from napari_sam_adapter.model.prompt_tensors import PromptTensors
from napari_sam_adapter.model.steady import steady_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.network.decoding import Decoding
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.inference.network.network import Network
    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.prompts import Prompts


@torch.inference_mode()
def ask_alike(
    network: Network,
    family: Family,
    embedding: ImageEmbedding,
    group: Sequence[Prompts],
    previous: Sequence[npt.NDArray[np.float32] | None],
) -> list[MaskPrediction]:
    """Segment objects whose prompts have the same kind.

    Parameters
    ----------
    network : Network
        Decodes.
    family : Family
        Which prompts it understands, which masks and scores were trained.
    embedding : ImageEmbedding
        The encoded plane.
    group : sequence of Prompts
        One per object, without polygons; all of one kind, see `kind_of`.
    previous : sequence of (h, w) float32 array or None
        Logits of the last answer for each, to be refined.

    Returns
    -------
    list of MaskPrediction
        In the same order.

    Raises
    ------
    PromptError
        If there is no prompt, one lies outside the plane, or is not understood.
    """
    frame, capabilities = embedding.frame, family.capabilities
    for prompts in group:
        if prompts.is_empty:
            raise PromptError("Expected a point, box or mask to segment, got none.")
        prompts.check_inside(frame.original)
        capabilities.check(prompts)
    ambiguous = group[0].is_ambiguous and previous[0] is None
    chosen, count = trained_masks(family, ambiguous)
    is_refined = previous[0] is not None
    near = [None if is_refined else tokens_near(p, frame) for p in group]

    def decode(decoding: Decoding, part: slice) -> tuple[Tensor, Tensor]:
        some, device = group[part], decoding.device
        prompts = to_tensors(some, previous[part], frame, family, device)
        return decoding.decode(embedding, prompts, chosen, near[part])

    with steady_call(network.device):
        logits, scores = network.decode(decode, len(group))
        return predictions_of(group, logits, scores, embedding, family, count)


def ask_all(
    network: Network,
    family: Family,
    embedding: ImageEmbedding,
    prompts_list: Sequence[Prompts],
) -> list[MaskPrediction]:
    """Segment objects with prompts of any kind; those of one kind share a pass.

    Parameters
    ----------
    network, family, embedding
        As in `ask_alike`.
    prompts_list : sequence of Prompts
        One per object.

    Returns
    -------
    list of MaskPrediction
        In the same order.

    Raises
    ------
    PromptError
        As `ask_alike`.
    """
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, prompts in enumerate(prompts_list):
        alike[kind_of(prompts)].append(number)
    answers: dict[int, MaskPrediction] = {}
    for numbers in alike.values():
        group = [prompts_list[number] for number in numbers]
        unrefined = [None] * len(group)
        found = ask_alike(network, family, embedding, group, unrefined)
        answers.update(zip(numbers, found, strict=True))
    return [answers[number] for number in range(len(prompts_list))]


def predictions_of(
    group: Sequence[Prompts],
    logits: Tensor,
    scores: Tensor,
    embedding: ImageEmbedding,
    family: Family,
    count: int,
) -> list[MaskPrediction]:
    """Turn what the decoder says of several objects into answers.

    Parameters
    ----------
    group : sequence of Prompts
        One per object.
    logits : (N, M, h, w) tensor
        Of the square.
    scores : (N, M) tensor
        Predicted IoU.
    embedding : ImageEmbedding
        The encoded plane.
    family : Family
        How masks are scaled, and whether scores were trained.
    count : int
        Number of candidates.

    Returns
    -------
    list of MaskPrediction
        In the same order.
    """
    frame, trusted = embedding.frame, family.capabilities.score_is_trusted
    if not trusted:
        scores = stability(logits)
    logits, scores = logits.float().cpu(), scores.float().cpu()  # of all, at once
    return [
        to_prediction(low, values, frame, family, count, _on_object(prompts), trusted)
        for prompts, low, values in zip(group, logits, scores, strict=True)
    ]


def _on_object(prompts: Prompts) -> npt.NDArray[np.float64]:
    points, signs = prompts.all_points()
    return points[signs]


@torch.inference_mode()
def ask_nothing(
    network: Network, family: Family, embedding: ImageEmbedding
) -> npt.NDArray[np.float32]:
    """Run the decoder without a prompt.

    Parameters
    ----------
    network : Network
        Decodes.
    family : Family
        What it was trained for.
    embedding : ImageEmbedding
        The encoded plane.

    Returns
    -------
    (H, W) float32 array
        Probability of each pixel to belong to an object.
    """
    chosen, _ = trained_masks(family, is_ambiguous=False)
    logits, scores = network.decode(
        lambda decoding, _: decoding.decode(embedding, PromptTensors(), chosen), 1
    )
    best = logits[:, int(scores[0].argmax())]
    full = scaled_logits(best.float(), embedding.frame, family)
    return torch.sigmoid(full[0]).cpu().numpy()
