"""Prompts of several objects, as networks take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class PromptTensors(NamedTuple):
    """Prompts of N objects; None where there are none of a kind.

    Attributes
    ----------
    points : ((N, K, 2) float tensor, (N, K) int tensor) or None
        Positions (x, y) in pixels of the padded image, and labels.
    boxes : (N, 4) float tensor or None
        Corners x, y, x, y in pixels of the padded image.
    masks : (N, 1, 4h, 4w) float tensor or None
        Logits.
    """

    points: tuple[Tensor, Tensor] | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def count(self, without: int = 1) -> int:
        """Return N, or another number where there is no prompt to tell it."""
        given = (self.points and self.points[0], self.boxes, self.masks)
        return next((len(prompt) for prompt in given if prompt is not None), without)

    def of(self, part: slice) -> PromptTensors:
        """Return the prompts of some of the objects."""
        points = self.points and (self.points[0][part], self.points[1][part])
        boxes = None if self.boxes is None else self.boxes[part]
        masks = None if self.masks is None else self.masks[part]
        return PromptTensors(points, boxes, masks)
