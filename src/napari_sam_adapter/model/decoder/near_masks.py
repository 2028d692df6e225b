"""Masks near a box of image tokens: the rest is made only where they reach further.

Each token gives its own pixels of a mask, so that a part of them can be made alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

OUTSIDE = -8.0
"""Logit of what was not looked at."""
_MARGINS = 2, 8
"""Tokens around the box that are looked at first, and next."""


class TokenBox(NamedTuple):
    """A half-open box of image tokens."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, margin: int, grid: tuple[int, int]) -> TokenBox:
        """Return the box with more tokens on each side, as far as the grid reaches."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        bottom = min(self.bottom + margin, grid[0])
        return TokenBox(top, left, bottom, min(self.right + margin, grid[1]))

    def within(self, other: TokenBox) -> TokenBox:
        """Return the box as counted from the first token of another."""
        top, left = other.top, other.left
        return TokenBox(
            self.top - top, self.left - left, self.bottom - top, self.right - left
        )

    def slices(self, factor: int = 1) -> tuple[slice, slice]:
        """Return its rows and columns in a map of so many cells per token."""
        top, left, bottom, right = (factor * side for side in self)
        return slice(top, bottom), slice(left, right)


def whole_grid(grid: tuple[int, int]) -> TokenBox:
    """Return the box of all tokens of a grid of h rows and w columns."""
    return TokenBox(0, 0, *grid)


def masks_near(
    make: Callable[[TokenBox], Tensor], near: TokenBox | None, grid: tuple[int, int]
) -> Tensor:
    """Make masks in a box and what hangs together with it.

    Parameters
    ----------
    make : callable
        Returns the logits (M, 4 rows, 4 columns) of a box.
    near : TokenBox or None
        Where the masks are looked for; None for everywhere.
    grid : (int, int)
        Rows h and columns w of all tokens.

    Returns
    -------
    (M, 4h, 4w) tensor
        Logits; `OUTSIDE` where nobody looked. Nobody looks further when no mask
        touches the border of what was looked at: only pieces that lie apart from the
        box can be missing.
    """
    for margin in _MARGINS if near else ():
        assert near is not None
        box = near.grown(margin, grid)
        if box == whole_grid(grid):
            break
        logits = make(box)
        if not _touches(logits, box, grid):
            rows, columns = (PER_TOKEN * side for side in grid)
            placed = logits.new_full((len(logits), rows, columns), OUTSIDE)
            placed[:, *box.slices(PER_TOKEN)] = logits
            return placed
    return make(whole_grid(grid))


def _touches(logits: Tensor, box: TokenBox, grid: tuple[int, int]) -> bool:
    """Whether a mask reaches a side of the box that is no side of the image."""
    sides = (
        (box.top > 0, logits[:, 0]),
        (box.left > 0, logits[:, :, 0]),
        (box.bottom < grid[0], logits[:, -1]),
        (box.right < grid[1], logits[:, :, -1]),
    )
    return any(is_inner and bool((side > 0).any()) for is_inner, side in sides)
