"""Prompts of several objects as tensors in the network's frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam_adapter.inference.frame.mask_prompts import to_mask_prompt
from napari_sam_adapter.model.prompt_tensors import PromptTensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.prompts import Prompts


def kind_of(prompts: Prompts) -> tuple[object, ...]:
    """Return what prompts must share to be decoded in one pass.

    Parameters
    ----------
    prompts : Prompts
        Of one object.

    Returns
    -------
    tuple
        Equal for prompts that `to_tensors` can stack.
    """
    points, _ = prompts.all_points()
    return (
        len(points),
        prompts.box is None,
        prompts.boxed_mask is None,
        prompts.is_ambiguous,
    )


def to_tensors(
    group: Sequence[Prompts],
    previous: Sequence[npt.NDArray[np.float32] | None],
    frame: Frame,
    family: Family,
    device: torch.device,
) -> PromptTensors:
    """Stack the prompts of objects whose prompts have the same kind.

    Parameters
    ----------
    group : sequence of Prompts
        In pixels of the plane.
    previous : sequence of (h, w) float32 arrays or None
        Logits to go on from, for all objects or for none.
    frame : Frame
        How the plane lies in the square.
    family : Family
        Whether and how the network understands mask prompts.
    device : torch.device
        Where the tensors go.

    Returns
    -------
    PromptTensors
        Of the objects.
    """
    collected = [prompts.all_points() for prompts in group]
    points = None
    if len(collected[0][0]):
        xy = torch.stack([frame.to_xy(p) for p, _ in collected])
        signs = np.stack([s.astype(np.int64) for _, s in collected])
        points = xy.to(device), torch.from_numpy(signs).to(device)
    boxes = None
    if group[0].box is not None:
        boxes = torch.stack([frame.to_box_xy(p.box) for p in group if p.box])
        boxes = boxes.to(device)
    masks = None
    if previous[0] is not None:
        masks = torch.stack([torch.as_tensor(p)[None] for p in previous]).to(device)
    elif group[0].boxed_mask is not None:
        drawn = [to_mask_prompt(prompts, frame) for prompts in group]
        masks = torch.stack(drawn).to(device)
    return PromptTensors(points, boxes, as_mask_prompt(masks, family))


def as_mask_prompt(logits: Tensor | None, family: Family) -> Tensor | None:
    """Return mask prompts in the form that a network was trained with.

    Parameters
    ----------
    logits : (N, 1, h, w) tensor or None
        Mask prompts.
    family : Family
        What the network understands.

    Returns
    -------
    (N, 1, h, w) tensor or None
        None for networks without mask prompts.
    """
    if logits is None or not family.capabilities.mask_prompts:
        return None
    return logits if family.mask_prompt == "logits" else logits.sigmoid()
