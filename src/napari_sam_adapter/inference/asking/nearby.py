"""Objects that lie where their boxes say: each decoded in a part of the frame.

Networks that draw their prompts are trained on parts of their frame, and find an object
in a part as well as in the whole. Parts of one size share a pass.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_sam_adapter.inference.asking.shared_pass import predictions_of
from napari_sam_adapter.inference.frame.mask_prompts import CERTAIN
from napari_sam_adapter.inference.frame.prompt_tensors import kind_of, to_tensors
from napari_sam_adapter.inference.masks.answers import trained_masks
from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN
from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.model.steady import steady_call, steady_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.inference.network.decoding import Decoding
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.inference.network.network import Network
    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.model.prompt_tensors import PromptTensors
    from napari_sam_adapter.model.sam import Sam
    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.prompts import Prompts

SIDES = 8, 12, 16
"""Tokens along the sides of parts."""
ROOM = 2.0
"""Least side of a part, in longer sides of the box."""
_TOGETHER = 2048
"""Most tokens of one pass: more are slower on the CPU, where memory is cleared anew."""


class Part(NamedTuple):
    """A square part of the frame.

    Attributes
    ----------
    top, left, side : int
        In tokens.
    """

    top: int
    left: int
    side: int

    def of(self, grid: Tensor, cells: int = 1) -> Tensor:
        """Return the part of a grid (..., H, W) with `cells` along a token's side."""
        top, left, side = (cells * value for value in self)
        return grid[..., top : top + side, left : left + side]


@torch.inference_mode()
def ask_nearby(
    network: Network,
    family: Family,
    embedding: ImageEmbedding,
    prompts_list: Sequence[Prompts],
) -> list[MaskPrediction | None]:
    """Segment objects that lie about where their boxes are.

    Parameters
    ----------
    network : Network
        Decodes.
    family : Family
        Which masks and scores were trained.
    embedding : ImageEmbedding
        The encoded plane.
    prompts_list : sequence of Prompts
        One per object.

    Returns
    -------
    list of MaskPrediction or None
        None for who has to be looked for in the whole frame: without a box, too large
        for a part, or reaching the edge of it. If the network was not trained on parts
        that is everyone.

    Raises
    ------
    PromptError
        If a prompt lies outside the plane.
    """
    for prompts in prompts_list:
        prompts.check_inside(embedding.frame.original)
    answers: list[MaskPrediction | None] = [None] * len(prompts_list)
    with steady_call(network.device):
        for members in _passes(prompts_list, embedding.frame, network.sam):
            group = [prompts_list[number] for number, _ in members]
            parts = [part for _, part in members]
            found = _ask_together(network, family, embedding, group, parts)
            for (number, _), answer in zip(members, found, strict=True):
                answers[number] = answer
    return answers


def _passes(
    group: Sequence[Prompts], frame: Frame, sam: Sam
) -> Iterator[list[tuple[int, Part]]]:
    """Yield numbers of objects of one kind, with parts of one side."""
    if getattr(sam.prompt_encoder, "map_embed", None) is None:
        return
    alike: dict[tuple[object, ...], list[tuple[int, Part]]] = defaultdict(list)
    for number, prompts in enumerate(group):
        part = _part_around(prompts, frame, sam.prompt_encoder.grid)
        if part is not None:
            alike[part.side, *kind_of(prompts)].append((number, part))
    for members in alike.values():
        most = _TOGETHER // members[0][1].side ** 2
        for start in range(0, len(members), most):
            yield members[start : start + most]


def _part_around(prompts: Prompts, frame: Frame, grid: int) -> Part | None:
    if prompts.box is None:
        return None
    corners = frame.to_box_xy(prompts.box).numpy().reshape(2, 2) * grid / frame.size
    least = ROOM * (corners[1] - corners[0]).max()
    for side in SIDES:
        if least <= side < grid:
            corner = np.rint(corners.mean(axis=0) - side / 2)
            left, top = np.clip(corner, 0, grid - side).astype(int)
            return Part(int(top), int(left), side)
    return None


def _ask_together(
    network: Network,
    family: Family,
    embedding: ImageEmbedding,
    group: Sequence[Prompts],
    parts: Sequence[Part],
) -> list[MaskPrediction | None]:
    """Segment objects in parts of one side; None for those that reach the edge."""
    chosen, count = trained_masks(family, is_ambiguous=False)
    unrefined = [None] * len(group)

    def decode(decoding: Decoding, some: slice) -> tuple[Tensor, Tensor]:
        frame, device = embedding.frame, decoding.device
        prompts = to_tensors(group[some], unrefined[some], frame, family, device)
        grids = (embedding.features, *embedding.skips)
        grids = tuple(grid.to(decoding.device) for grid in grids)
        with steady_step(device):
            found, scores = _decode(network.sam, grids, prompts, parts[some])
            found, scores = found[:, chosen], scores[:, chosen]
            return found, network.sam.judged(found, scores, chosen)

    logits, scores = network.decode(decode, len(group))
    logits = logits.cpu()
    is_cut = _reach_edge(logits[:, 0], parts, network.sam.prompt_encoder.grid)
    whole = _placed(logits, parts, network.sam.prompt_encoder.grid)
    answers = predictions_of(group, whole, scores, embedding, family, count)
    return [None if cut else p for cut, p in zip(is_cut, answers, strict=True)]


def _decode(
    sam: Sam,
    grids: tuple[Tensor, ...],
    prompts: PromptTensors,
    parts: Sequence[Part],
) -> tuple[Tensor, Tensor]:
    """Ask about parts of the image embedding and of the finer maps after it.

    Returns
    -------
    logits : (N, M, 4s, 4s) tensor
        Of the parts.
    scores : (N, M) tensor
        Predicted IoU.
    """
    encoder, side = sam.prompt_encoder, parts[0].side
    points, boxes, masks = prompts
    corners = encoder.patch * torch.tensor([[p.left, p.top] for p in parts])
    corners = corners.to(grids[0])
    if points is not None:
        points = points[0] - corners[:, None], points[1]
    if boxes is not None:
        boxes = boxes - corners.repeat(1, 2)
    if masks is not None:
        pairs = zip(parts, masks, strict=True)
        masks = torch.stack([part.of(mask, PER_TOKEN) for part, mask in pairs])
    window = Window(0, 0, side * encoder.patch)
    encoded = encoder(points, boxes, masks, len(parts), window, corners)
    positions = encoder.dense_positions()
    features, positions, *skips = (
        _cut(grid, parts, grid.shape[-1] // encoder.grid)
        for grid in (grids[0], positions, *grids[1:])
    )
    found: tuple[Tensor, Tensor] = sam.mask_decoder(
        features, positions, encoded.sparse, encoded.dense, tuple(skips), encoded.maps
    )
    return found


def _cut(grid: Tensor, parts: Sequence[Part], cells: int) -> Tensor:
    """Cut parts out of a grid (1, C, H, W).

    Returns
    -------
    (N, C, cells * s, cells * s) tensor
        Channels last in memory, so that the tokens of all parts are rows.
    """
    rows = [part.of(grid[0], cells).permute(1, 2, 0) for part in parts]
    return torch.stack(rows).permute(0, 3, 1, 2)


def _reach_edge(logits: Tensor, parts: Sequence[Part], grid: int) -> list[bool]:
    """Say which masks (N, 4s, 4s) touch an edge that is not one of the frame."""
    inside = logits > 0
    top, bottom = inside[:, 0].any(1), inside[:, -1].any(1)
    left, right = inside[:, :, 0].any(1), inside[:, :, -1].any(1)
    corner = torch.tensor([[part.top, part.left] for part in parts])
    low, high = corner > 0, corner + parts[0].side < grid
    cut = (top & low[:, 0]) | (bottom & high[:, 0])
    cut |= (left & low[:, 1]) | (right & high[:, 1])
    return cut.tolist()


def _placed(logits: Tensor, parts: Sequence[Part], grid: int) -> Tensor:
    """Return logits (N, M, 4s, 4s) of parts in the whole square, (N, M, 4h, 4w)."""
    side = PER_TOKEN * grid
    whole = logits.new_full((*logits.shape[:2], side, side), -CERTAIN)
    for square, part, own in zip(whole, parts, logits, strict=True):
        part.of(square, PER_TOKEN).copy_(own)
    return whole
