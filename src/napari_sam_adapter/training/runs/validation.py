"""Quality of a network under training, on samples that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_sam_adapter.drawings import innermost
from napari_sam_adapter.training.examples.adapter_data import NEW_VIEW, AdapterExample
from napari_sam_adapter.training.examples.augmentation import fit_view
from napari_sam_adapter.training.examples.follow_data import (
    FollowPrompts,
    follow_objects,
)
from napari_sam_adapter.training.examples.prompt_data import (
    TARGET_STRIDE,
    PromptExample,
    halve,
    network_input,
)
from napari_sam_adapter.training.network.trainee import valid_mask
from napari_sam_adapter.training.progress.progress import Validation
from napari_sam_adapter.training.steps.losses import hard_iou
from napari_sam_adapter.training.steps.prompt_sampling import sample_boxes
from napari_sam_adapter.training.steps.prompt_steps import (
    Scene,
    SimulatedPrompts,
    best_masks,
    simulated,
    upsampled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
    from napari_sam_adapter.training.examples.augmentation import View
    from napari_sam_adapter.training.network.trainee import Trainee
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

FIRST_KEY = NEW_VIEW - 1
"""Keys of validation images go down from here."""


@dataclass(frozen=True)
class Answer:
    """What the network made of one validation sample.

    Parameters
    ----------
    prompted : float or None
        Mean IoU of its objects by a point and by a box; None if all are too small.
    prompt_free : float
        IoU of all that is labelled.
    image : (S, S, 3) uint8 array
        What the network saw, at half its resolution.
    truth, mask : (S, S) bool arrays
        All that is labelled, and the answer without prompts.
    followed : float or None
        Mean IoU of objects followed from a neighbouring slice, 1 where an ended one is
        not found; None where that is not learned, or no neighbour is known.
    """

    prompted: float | None
    prompt_free: float
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.bool_]
    mask: npt.NDArray[np.bool_]
    followed: float | None = None


@torch.no_grad()
def answer(
    trainee: Trainee, sample: Sample, number: int, device: torch.device
) -> Answer:
    """Ask the network about one sample: its largest objects, and all of them.

    Parameters
    ----------
    trainee : Trainee
        The network.
    sample : Sample
        Image and labels; seen whole, as in use.
    number : int
        Of the sample among those for validation.
    device : torch.device
        Where the network is.

    Returns
    -------
    Answer
        No randomness is in it.
    """
    view = fit_view(sample, trainee.sam.image_size, trainee.family.stretch)
    foreground = torch.from_numpy(halve(view.layers[0] > 0))
    masks = _largest(view, trainee.config.objects)
    scene = Scene(trainee.sam, _encode(trainee, view, number, device), trainee.window)
    low, _ = scene.decode(SimulatedPrompts(), 1)
    valid = valid_mask(torch.tensor([view.valid]), foreground.shape[-1])
    mask = (upsampled(low)[0, 0].cpu() > 0) & valid[0]
    prompt_free = hard_iou(mask.float() - 0.5, foreground.float())
    return Answer(
        _prompted(scene, masks.to(device)) if len(masks) else None,
        float(prompt_free),
        np.ascontiguousarray(view.image[::TARGET_STRIDE, ::TARGET_STRIDE]),
        foreground.numpy(),
        mask.numpy(),
        _followed(scene, view, trainee, number)
        if trainee.config.follow_share
        else None,
    )


def judge(
    answers: Sequence[Answer], config: TrainingConfig, step: int, loss: float
) -> Validation:
    """Sum up the answers of a validation.

    Parameters
    ----------
    answers : sequence of Answer
        Of all its samples, not empty.
    config : TrainingConfig
        Shares of the kinds of prompts, by which they count.
    step : int
        Steps that were done.
    loss : float
        Running average of the training loss.

    Returns
    -------
    Validation
        Means; the score leaves out what no sample could be asked for.
    """
    prompted = [a.prompted for a in answers if a.prompted is not None]
    followed = [a.followed for a in answers if a.followed is not None]
    clicks = float(np.mean(prompted)) if prompted else 0.0
    ways = float(np.mean(followed)) if followed else 0.0
    free = float(np.mean([a.prompt_free for a in answers]))
    share = config.prompted_share if prompted else 0.0
    part = config.follow_share if followed else 0.0
    score = share * ((1 - part) * clicks + part * ways) + (1 - share) * free
    return Validation(step, loss, clicks, free, score, ways)


def _encode(
    trainee: Trainee, view: View, number: int, device: torch.device
) -> EncodedImage:
    image = network_input(view, trainee.family)[None].to(device)
    valid = torch.tensor([view.valid])
    if not trainee.is_encoder_frozen:
        return trainee.encode(image, valid)
    nothing = torch.empty(0)
    prompt = PromptExample(image, *[nothing] * 5)
    key = torch.tensor([FIRST_KEY - number])
    return trainee.recall(AdapterExample(prompt, valid, key))


def _prompted(scene: Scene, masks: Tensor) -> float:
    points = _centres(masks)[:, None]
    labels = torch.ones(points.shape[:2], dtype=torch.long, device=points.device)
    boxes = sample_boxes(masks, TARGET_STRIDE, noisy=False)
    ious = []
    for prompts in (SimulatedPrompts(points, labels), SimulatedPrompts(boxes=boxes)):
        logits, scores = scene.decode(prompts, len(masks))
        found = upsampled(best_masks(logits, scores))[:, 0]
        ious.append(float(hard_iou(found, masks.float()).mean()))
    return sum(ious) / 2


def _followed(scene: Scene, view: View, trainee: Trainee, number: int) -> float | None:
    rng = np.random.default_rng(number)
    count, family = trainee.config.objects, trainee.family
    found = follow_objects(view, count, family, rng, wear=0)
    if found is None:
        return None
    device = scene.encoded.embedding.device
    masks, asked = (
        found[0].to(device),
        FollowPrompts(*(t[None].to(device) for t in found[1])),
    )
    logits, _ = scene.decode(simulated(asked, trainee.family), len(masks))
    answers = upsampled(logits)[:, 0]
    right = hard_iou(answers, masks.float())
    is_rightly_empty = ~((answers > 0) | masks).flatten(1).any(dim=1)
    return float((right + is_rightly_empty).mean())


def _largest(view: View, count: int) -> Tensor:
    """Return the largest objects (N, S / 2, S / 2) of the first layer."""
    labels = view.layers[0]
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    numbers = np.argsort(-sizes, kind="stable")[:count]
    masks = [halve(labels == number) for number in numbers if sizes[number]]
    large = [torch.from_numpy(mask) for mask in masks if mask.any()]
    return torch.stack(large) if large else torch.zeros(0, 1, 1, dtype=torch.bool)


def _centres(masks: Tensor) -> Tensor:
    """Return the pixel of each mask that is farthest from its border, x and y."""
    points = [innermost(mask, 1)[0][::-1] for mask in masks.cpu().numpy()]
    return TARGET_STRIDE * torch.tensor(points, device=masks.device).float()
