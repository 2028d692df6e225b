"""SAM's interactive training step: a first prompt, then simulated corrections.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix A. Unlike there, a box is answered
by the mask for clear prompts, some steps have no prompt at all, and some start from the
box and rough mask of a neighbouring slice, as propagation does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.inference.frame.preprocessing import MASK_STRIDE
from napari_sam_adapter.inference.frame.prompt_tensors import as_mask_prompt
from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.training.examples.prompt_data import (
    TARGET_STRIDE,
    PromptExample,
)
from napari_sam_adapter.training.steps.affinities import affinity_loss
from napari_sam_adapter.training.steps.losses import hard_iou, step_loss
from napari_sam_adapter.training.steps.prompt_sampling import (
    rough_logits,
    sample_boxes,
    sample_corrections,
    sample_points,
)

if TYPE_CHECKING:
    from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.model.sam import Sam
    from napari_sam_adapter.training.examples.follow_data import FollowPrompts
    from napari_sam_adapter.training.steps.affinities import AffinityHead

FIRST_PROMPTS = ("point", "points", "box", "box and mask")
FIRST_SHARES = (0.35, 0.15, 0.3, 0.2)
MOST_POINTS = 4
"""Of each sign, where a step starts with several clicks."""
RING = 15
"""Clicks beside the object are at most this far away, in target pixels."""
LOST_SHARE = 0.2
"""Share of the steps from a neighbouring plane in which the object is gone."""


@dataclass(frozen=True)
class SimulatedPrompts:
    """Prompts of N objects, in the prompt encoder's frame.

    Parameters
    ----------
    points : (N, K, 2) float tensor or None
        Points (x, y) in input pixels.
    labels : (N, K) int tensor or None
        1 on the object, 0 beside it.
    boxes : (N, 4) float tensor or None
        Corners x, y, x, y.
    logits : (N, 1, h, w) float tensor or None
        Mask prompt.
    """

    points: Tensor | None = None
    labels: Tensor | None = None
    boxes: Tensor | None = None
    logits: Tensor | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether these are single points and nothing else."""
        alone = self.boxes is None and self.logits is None
        return alone and self.points is not None and self.points.shape[1] == 1

    def with_point(
        self, point: Tensor, label: Tensor, logits: Tensor
    ) -> SimulatedPrompts:
        """Return a copy with one more point each, and the last logits."""
        point, label = point[:, None], label[:, None]
        if self.points is not None and self.labels is not None:
            point = torch.cat([self.points, point], dim=1)
            label = torch.cat([self.labels, label], dim=1)
        return replace(self, points=point, labels=label, logits=logits)


def simulated(asked: FollowPrompts, family: Family) -> SimulatedPrompts:
    """Return the prompts of a batch as the network is asked with them.

    Parameters
    ----------
    asked : FollowPrompts
        Stacked: (B, N, 4) and (B, N, 1, h, w).
    family : Family
        Which prompts the network understands.

    Returns
    -------
    SimulatedPrompts
        Of B x N objects.
    """
    logits = as_mask_prompt(asked.logits.flatten(0, 1), family)
    return SimulatedPrompts(boxes=asked.boxes.flatten(0, 1), logits=logits)


def interactive_loss(
    sam: Sam,
    batch: PromptExample,
    corrections: int,
    no_prompt_share: float,
    affinities: AffinityHead,
) -> tuple[Tensor, Tensor]:
    """Return the loss of one batch, summed over its prompt steps.

    Parameters
    ----------
    sam : Sam
        The network, at the batch's image size.
    batch : PromptExample
        Stacked examples: (B, 3, S, S), (B, N, S/2, S/2), (B, S/2, S/2).
    corrections : int
        Simulated clicks after the first prompt.
    no_prompt_share : float
        Probability of a step without prompts.
    affinities : AffinityHead
        The second task.

    Returns
    -------
    loss, iou : scalar tensors
        To be minimised, and the mean IoU after the last step.
    """
    window = random_window(sam, batch.image.shape[-1])
    scene = Scene(sam, sam.image_encoder(batch.image, window), window)
    extra = affinity_loss(affinities(scene.encoded.skips[-1]), batch.regions)
    if torch.rand(()) < no_prompt_share:
        targets = batch.foreground
        loss, logits = scene.one_step(SimulatedPrompts(), targets)
        return extra + loss, mean_iou(logits, targets)
    loss, iou = corrected_loss(scene, *first_prompts(batch), corrections)
    return extra + loss, iou


def corrected_loss(
    scene: Scene, prompts: SimulatedPrompts, targets: Tensor, corrections: int
) -> tuple[Tensor, Tensor]:
    """Return the loss of a first prompt and some corrections, summed.

    Parameters
    ----------
    scene : Scene
        The encoded images of the batch.
    prompts : SimulatedPrompts
        The first of each object.
    targets : (B * N, S / 2, S / 2) bool tensor
        The masks to answer with.
    corrections : int
        Simulated clicks after the first prompt.

    Returns
    -------
    loss, iou : scalar tensors
        To be minimised, and the mean IoU after the last step.
    """
    total, logits = scene.one_step(prompts, targets)
    for _ in range(corrections):
        masks = upsampled(logits.detach())[:, 0] > 0
        point, label = sample_corrections(masks, targets, TARGET_STRIDE)
        prompts = prompts.with_point(point, label, logits.detach())
        loss, logits = scene.one_step(prompts, targets)
        total = total + loss
    return total, mean_iou(logits, targets)


def first_prompts(batch: PromptExample) -> tuple[SimulatedPrompts, Tensor]:
    """Draw the first prompt of each object; one kind for the whole batch.

    Parameters
    ----------
    batch : PromptExample
        Stacked examples.

    Returns
    -------
    prompts : SimulatedPrompts
        Points, a box, or what propagation gives: box and mask of the object on a
        neighbouring plane.
    targets : (B * N, S / 2, S / 2) bool tensor
        The masks to answer with; empty where propagation arrives after the end of an
        object.
    """
    targets = batch.masks.flatten(0, 1)
    kind = FIRST_PROMPTS[int(torch.multinomial(torch.tensor(FIRST_SHARES), 1))]
    if kind == "point":
        inwards = 2.0 * float(torch.rand(()))
        points = sample_points(targets, TARGET_STRIDE, inwards)[:, None]
        labels = torch.ones(points.shape[:2], dtype=torch.long, device=points.device)
        return SimulatedPrompts(points=points, labels=labels), targets
    if kind == "points":
        return _several_points(targets), targets
    if kind == "box":
        return SimulatedPrompts(boxes=sample_boxes(targets, TARGET_STRIDE)), targets
    priors, targets = _lose_some(batch.priors.flatten(0, 1), targets)
    coarse = F.avg_pool2d(priors[:, None].float(), MASK_STRIDE // TARGET_STRIDE)[:, 0]
    logits = rough_logits(coarse, batch.has_prior.flatten())
    boxes = sample_boxes(priors, TARGET_STRIDE)
    return SimulatedPrompts(boxes=boxes, logits=logits), targets


def _several_points(targets: Tensor) -> SimulatedPrompts:
    """Draw clicks on the objects and beside them, as after some corrections."""
    grown = _grown(targets.float()) > 0
    inside, beside = (int(torch.randint(low, MOST_POINTS, ())) for low in (1, 0))
    points = [sample_points(targets, TARGET_STRIDE) for _ in range(inside)]
    points += [sample_points(grown & ~targets, TARGET_STRIDE) for _ in range(beside)]
    order = torch.arange(inside + beside, device=targets.device)
    labels = (order < inside).long()
    return SimulatedPrompts(
        points=torch.stack(points, dim=1), labels=labels.expand(len(targets), -1)
    )


def _grown(maps: Tensor) -> Tensor:
    """Return the largest value within `RING`, along one axis after the other."""
    reach = 2 * RING + 1
    rows = F.max_pool2d(maps, (reach, 1), stride=1, padding=(RING, 0))
    return F.max_pool2d(rows, (1, reach), stride=1, padding=(0, RING))


def _lose_some(priors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Move some priors to where no part of the object is, and empty their targets."""
    side = priors.shape[-1]
    rows, columns = (int(torch.randint(side // 4, 3 * side // 4, ())) for _ in "yx")
    moved = priors.roll((rows, columns), dims=(1, 2))
    apart = ~(moved & targets).flatten(1).any(dim=1)
    lost = apart & (torch.rand(len(priors), device=priors.device) < LOST_SHARE)
    lost = lost[:, None, None]
    return torch.where(lost, moved, priors), targets & ~lost


def random_window(sam: Sam, size: int) -> Window:
    """Draw where in the frame an image of this size lies.

    Parameters
    ----------
    sam : Sam
        The network.
    size : int
        Side of the image in pixels; the frame's own side leaves no choice.

    Returns
    -------
    Window
        Aligned with the tokens.
    """
    patch = sam.prompt_encoder.patch
    room = (sam.image_size - size) // patch
    top, left = (patch * int(torch.randint(0, room + 1, ())) for _ in range(2))
    return Window(top, left, size)


@dataclass(frozen=True)
class Scene:
    """Encoded images, ready to be asked.

    Parameters
    ----------
    sam : Sam
        Its prompt encoder and decoder answer.
    encoded : EncodedImage
        Of B images.
    window : Window
        The part of the frame that the images fill.
    """

    sam: Sam
    encoded: EncodedImage
    window: Window

    def decode(self, prompts: SimulatedPrompts, count: int) -> tuple[Tensor, Tensor]:
        """Ask for masks.

        Parameters
        ----------
        prompts : SimulatedPrompts
            Of N objects, those of one image together.
        count : int
            N.

        Returns
        -------
        logits : (N, M, h, w) float tensor
            Three masks for lone points, else one.
        scores : (N, M) float tensor
            Predicted IoU.
        """
        points = None
        if prompts.points is not None and prompts.labels is not None:
            points = (prompts.points, prompts.labels)
        encoder = self.sam.prompt_encoder
        sparse, dense, maps = encoder(
            points, prompts.boxes, prompts.logits, count, self.window
        )
        positions = encoder.dense_positions(self.window)
        logits, scores = self.sam.mask_decoder(
            self.encoded.embedding, positions, sparse, dense, self.encoded.skips, maps
        )
        chosen = slice(1, None) if prompts.is_ambiguous else slice(0, 1)
        logits, scores = logits[:, chosen].float(), scores[:, chosen].float()
        return logits, self.sam.judged(logits, scores, chosen)

    def one_step(
        self, prompts: SimulatedPrompts, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode once; return the loss and the logits to go on with, (N, 1, h, w)."""
        logits, scores = self.decode(prompts, len(targets))
        loss = step_loss(upsampled(logits), scores, targets.float())
        return loss, best_masks(logits, scores)


def best_masks(logits: Tensor, scores: Tensor) -> Tensor:
    """Return the mask with the best score of each object, (N, 1, h, w)."""
    best = scores.argmax(dim=1)
    return logits[torch.arange(len(logits), device=best.device), best][:, None]


def upsampled(logits: Tensor) -> Tensor:
    """Scale masks of the decoder to the resolution of the targets."""
    return F.interpolate(
        logits, scale_factor=MASK_STRIDE / TARGET_STRIDE, mode="bilinear"
    )


def mean_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean IoU of masks (N, 1, h, w) of the decoder with the targets."""
    return hard_iou(upsampled(logits.detach())[:, 0], targets).mean()
