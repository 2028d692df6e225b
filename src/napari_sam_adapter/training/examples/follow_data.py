"""Examples of following objects: prompts from a slice, masks of the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.follow_rule import FollowRule, next_prompts
from napari_sam_adapter.inference.frame.mask_prompts import to_mask_prompt
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.training.examples.augmentation import fit_labels
from napari_sam_adapter.training.examples.prompt_data import (
    MIN_OBJECT,
    TARGET_STRIDE,
    halve,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.training.examples.augmentation import View
    from napari_sam_adapter.training.samples.samples import Sample

    Mask = npt.NDArray[np.bool_]


class FollowPrompts(NamedTuple):
    """What propagation asks with, in the network's frame; empty in other steps.

    Attributes
    ----------
    boxes : (N, 4) float tensor
        Corners x, y, x, y in input pixels.
    logits : (N, 1, h, w) float tensor
        Masks of the neighbouring slice.
    """

    boxes: Tensor
    logits: Tensor


ENDED_SHARE = 0.3
"""Share of the objects that have ended on this slice, where some have: without them a
network learns to copy the mask from slice to slice, and never stops."""
WEAR = 0.25
"""Part of an object's radius: what is followed is never as good as a label, and a
network that saw labels alone adds its own errors up from slice to slice."""
NOTHING_ASKED = FollowPrompts(torch.empty(0), torch.empty(0))


def check_neighbours(samples: Sequence[Sample]) -> None:
    """Raise unless following can be learned.

    Parameters
    ----------
    samples : sequence of Sample
        What to learn from.

    Raises
    ------
    TrainingError
        If no sample has a neighbour with a label.
    """
    if not any(map(can_follow, samples)):
        raise TrainingError(
            "Expected labels on neighbouring slices, as follow_share above 0 needs "
            "them, got none. Label slices that follow each other, one number an "
            "object, or set follow_share to 0."
        )


def can_follow(sample: Sample) -> bool:
    """Return whether something is labelled on a neighbouring slice.

    Parameters
    ----------
    sample : Sample
        What to learn from.

    Returns
    -------
    bool
        False, too, for slices between others that nobody labelled.
    """
    return any(neighbour.any() for neighbour in sample.neighbours)


def follow_objects(
    view: View,
    count: int,
    family: Family,
    rng: np.random.Generator,
    wear: float = WEAR,
) -> tuple[Tensor, FollowPrompts] | None:
    """Ask for objects of a neighbouring slice as propagation would.

    Parameters
    ----------
    view : View
        Of a sample; its part knows a neighbour, before or after.
    count : int
        Number N of objects wanted.
    family : Family
        How the network understands boxes.
    rng : numpy.random.Generator
        Source of all randomness.
    wear : float
        Part of an object's radius by which the outline of what is asked with may lie
        off.

    Returns
    -------
    masks : (N, S / 2, S / 2) bool tensor, or None
        Where the objects are on this slice: empty where they have ended. None if the
        neighbour shows no object of some size.
    asked : FollowPrompts
        Made from the neighbour by the rule that propagation uses.

    Notes
    -----
    Of an object in several pieces one is asked for, as the rule asks for each on its
    own; the pieces it touches on this slice are the answer.
    """
    neighbours = view.part.neighbours
    if not neighbours:
        return None
    before = neighbours[int(rng.integers(len(neighbours)))]
    numbers = _choose(_large_objects(before, view), view, count, rng)
    if not numbers:
        return None
    side = view.image.shape[0]
    frame = frame_of(before.shape, side, family.stretch, family.is_centred)
    worn = (_worn(before == number, wear * rng.uniform(-1, 1)) for number in numbers)
    pairs = [
        _ask(BoxedMask.of(last), view, number, frame, rng)
        for last, number in zip(worn, numbers, strict=True)
    ]
    masks, boxes, logits = (torch.stack(part) for part in zip(*pairs, strict=True))
    return masks, FollowPrompts(boxes, logits)


def _large_objects(labels: npt.NDArray[np.int32], view: View) -> list[int]:
    """Return the numbers of objects that are large enough in the network's frame."""
    scale = np.prod(view.valid) / labels.size
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.flatnonzero(areas * scale >= TARGET_STRIDE**2 * MIN_OBJECT).tolist()


def _choose(
    numbers: list[int], view: View, count: int, rng: np.random.Generator
) -> list[int]:
    here = set(np.unique(view.part.layers[0]).tolist())
    pools = {
        has_ended: [number for number in numbers if (number not in here) == has_ended]
        for has_ended in (True, False)
    }
    chosen = []
    for _ in range(count if numbers else 0):
        has_ended = bool(rng.random() < ENDED_SHARE)
        chosen.append(int(rng.choice(pools[has_ended] or pools[not has_ended])))
    return chosen


def _ask(
    last: BoxedMask,
    view: View,
    number: int,
    frame: Frame,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    asked = next_prompts(last, FollowRule(), 1.0, view.part.pixel)
    prompts = asked[int(rng.integers(len(asked)))]
    assert prompts.box is not None  # the rule asks with box and mask
    truth = view.part.layers[0] == number
    if len(asked) > 1:
        truth = _touched(truth, prompts)
    target = halve(fit_labels(truth, view.valid, frame.size) > 0)
    return (
        torch.from_numpy(target),
        frame.to_box_xy(prompts.box),
        to_mask_prompt(prompts, frame),
    )


def _worn(mask: Mask, inwards: float) -> Mask:
    """Return a mask with its outline moved by a part of its radius."""
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    depth = inside - ndimage.distance_transform_edt(~mask)
    radius = np.sqrt(np.count_nonzero(mask) / np.pi)
    worn: Mask = depth > inwards * radius
    return worn if worn.any() else mask


def _touched(truth: Mask, prompts: Prompts) -> Mask:
    """Return the pieces of an object that meet the piece asked for."""
    pieces, count = ndimage.label(truth, structure=np.ones((3, 3)))
    met = np.zeros(count + 1, bool)
    met[pieces[prompts.mask]] = True
    met[0] = False
    touched: Mask = met[pieces]
    return touched
