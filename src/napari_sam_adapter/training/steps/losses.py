"""SAM's training losses.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix A: 20 focal + dice, and the squared
error of the predicted IoU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TINY_AREA = 1e-6
"""Keeps the soft IoU of two empty masks defined."""
FOCAL_WEIGHT, DICE_WEIGHT, SCORE_WEIGHT = 20.0, 1.0, 1.0


def focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Return the sigmoid focal loss of each mask, averaged over its pixels.

    Parameters
    ----------
    logits, target : (..., H, W) tensors
        Logits, and 0 or 1.
    alpha, gamma : float
        Weight of the positives, and focusing strength.

    Returns
    -------
    (...) tensor
        One value per mask.
    """
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = logits.sigmoid()
    miss = p + target - 2 * p * target  # 1 - p of the true class
    weight = alpha * target + (1 - alpha) * (1 - target)
    return (weight * miss**gamma * plain).mean(dim=(-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the soft Dice coefficient of each mask.

    Parameters
    ----------
    logits, target : (..., H, W) tensors
        Logits, and 0 or 1.

    Returns
    -------
    (...) tensor
        One value per mask; 1 is added above and below the fraction.
    """
    p = logits.sigmoid()
    overlap = (p * target).sum(dim=(-2, -1))
    total = p.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1 - (2 * overlap + 1) / (total + 1)


def hard_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Return the IoU of each mask cut at logit 0.

    Parameters
    ----------
    logits, target : (..., H, W) tensors
        Logits, and 0 or 1.

    Returns
    -------
    (...) tensor
        One value per mask; the union counts at least one pixel.
    """
    mask, truth = logits > 0, target > 0.5
    overlap = (mask & truth).sum(dim=(-2, -1)).float()
    union = (mask | truth).sum(dim=(-2, -1)).clamp(min=1).float()
    return overlap / union


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return 20 focal + dice of each mask.

    Parameters
    ----------
    logits, target : (..., H, W) tensors
        Logits, and 0 or 1.

    Returns
    -------
    (...) tensor
        One value per mask.
    """
    focal = FOCAL_WEIGHT * focal_loss(logits, target)
    return focal + DICE_WEIGHT * dice_loss(logits, target)


def soft_iou_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the soft IoU of each mask.

    Parameters
    ----------
    logits, target : (..., H, W) tensors
        Logits, and 0 or 1. Pixels that do not count have a logit of minus infinity.

    Returns
    -------
    (...) tensor
        One value per mask; 0 where both are empty.
    """
    p = logits.sigmoid()
    overlap = (p * target).sum(dim=(-2, -1))
    total = p.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1 - (overlap + TINY_AREA) / (total - overlap + TINY_AREA)


def bce_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the binary cross-entropy of each mask, averaged over what counts.

    Parameters
    ----------
    logits, target, valid : (N, H, W) tensors
        Logits, 0 or 1, and 1 where a pixel counts.

    Returns
    -------
    (N,) tensor
        One value per mask.
    """
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (plain * valid).sum(dim=(-2, -1)) / valid.sum(dim=(-2, -1))


def balanced_bce_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the cross-entropy in which object and background weigh alike.

    Parameters
    ----------
    logits, target, valid : (N, H, W) tensors
        Logits, 0 or 1, and 1 where a pixel counts.

    Returns
    -------
    (N,) tensor
        One value per mask; each has its own balance.
    """
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    count = valid.sum(dim=(-2, -1), keepdim=True)
    inside = (target * valid).sum(dim=(-2, -1), keepdim=True) / count
    weight = target * (1 - inside) + (1 - target) * inside
    return (weight * plain * valid).sum(dim=(-2, -1)) / count[..., 0, 0]


def prompt_free_loss(
    logits: Tensor, target: Tensor, valid: Tensor, kind: str
) -> Tensor:
    """Return the loss of masks of everything that is labelled.

    Parameters
    ----------
    logits, target : (N, H, W) tensors
        Logits, and 0 or 1.
    valid : (N, H, W) bool tensor
        Where a pixel counts.
    kind : str
        ``"iou"`` is BCE + soft IoU, ``"balanced"`` the balanced BCE.

    Returns
    -------
    (N,) tensor
        One value per mask.
    """
    if kind == "balanced":
        return balanced_bce_loss(logits, target, valid.float())
    inside = logits.masked_fill(~valid, -torch.inf)
    return bce_loss(logits, target, valid.float()) + soft_iou_loss(inside, target)


def step_loss(logits: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """Return the loss of one prompt step, averaged over the objects.

    Parameters
    ----------
    logits : (N, M, H, W) tensor
        M masks that compete; the best one is trained.
    scores : (N, M) tensor
        Predicted IoU; all of them are trained.
    target : (N, H, W) tensor
        Reference masks.

    Returns
    -------
    scalar tensor
        The loss.
    """
    truth = target[:, None].expand_as(logits)
    masks = mask_loss(logits, truth).amin(dim=1)
    with torch.no_grad():
        actual = hard_iou(logits, truth)
    quality = ((scores - actual) ** 2).mean(dim=1)
    return (masks + SCORE_WEIGHT * quality).mean()
