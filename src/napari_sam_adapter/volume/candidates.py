"""Which of the masks that fit an ambiguous prompt to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


def size_rank(masks: Sequence[Mask], number: int) -> int:
    """Return the place of a mask among others by size.

    Parameters
    ----------
    masks : sequence of (H, W) bool arrays
        The candidates.
    number : int
        One of them.

    Returns
    -------
    int
        0 for the smallest; of equal ones the earlier counts as smaller.
    """
    return _by_size(masks).index(number)


def preferred_number(masks: Sequence[Mask], rank: int | None) -> int:
    """Return which candidate a user takes who took one of some size before.

    Parameters
    ----------
    masks : sequence of (H, W) bool arrays
        The candidates, best score first.
    rank : int or None
        Place by size, from `size_rank`; None without a preference.

    Returns
    -------
    int
        The best if there is no preference, no choice, or nothing in the mask that
        is preferred.
    """
    if rank is None or len(masks) < 2:
        return 0
    number = _by_size(masks)[min(rank, len(masks) - 1)]
    return number if masks[number].any() else 0


def _by_size(masks: Sequence[Mask]) -> list[int]:
    return sorted(range(len(masks)), key=lambda i: np.count_nonzero(masks[i]))
