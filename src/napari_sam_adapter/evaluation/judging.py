"""What all protocols share: the choice of objects, and judged answers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.reference import BrokenPair
from napari_sam_adapter.evaluation.tables import Row
from napari_sam_adapter.evaluation.user import box_of, centre_of
from napari_sam_adapter.prompts import Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.evaluation.protocols import (
        Interactive,
        Propagation,
        Start,
    )


@dataclass(frozen=True, eq=False)
class Case:
    """An answer beside the truth, to be looked at.

    Parameters
    ----------
    name : str
        Of image and object.
    image : (H, W) or (H, W, 3) array
        The plane.
    truth, answer : (H, W) bool arrays
        Reference and answer.
    score : float
        IoU on the object or image; low is bad.
    """

    name: str
    image: npt.NDArray[Any]
    truth: npt.NDArray[np.bool_]
    answer: npt.NDArray[np.bool_]
    score: float


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was measured, and perhaps the answer itself.

    Parameters
    ----------
    row : Row
        The numbers.
    case : Case or None
        The last answer.
    """

    row: Row
    case: Case | None = None


Step = Judgement | BrokenPair | None
"""A result, an image that cannot be used, or only work done."""


def choose_objects(
    labels: npt.NDArray[np.int32], name: str, protocol: Interactive | Propagation
) -> list[int]:
    """Return the objects to be asked for.

    Parameters
    ----------
    labels : int array
        Of a plane or a volume.
    name : str
        Of the image; the choice depends on it and on the seed, not on other images.
    protocol : Interactive or Propagation
        Smallest object, number of objects, and seed.

    Returns
    -------
    list of int
        Label numbers, rising.
    """
    numbers, sizes = np.unique(labels, return_counts=True)
    large = numbers[(numbers > 0) & (sizes >= protocol.smallest_object)]
    if protocol.objects is not None:
        rng = np.random.default_rng((protocol.seed, zlib.crc32(name.encode())))
        large = rng.permutation(large)[: protocol.objects]
    return sorted(int(number) for number in large)


def first_prompt(truth: npt.NDArray[np.bool_], start: Start) -> Prompts:
    """Return the prompt that a user begins with.

    Parameters
    ----------
    truth : (H, W) bool array
        The object, not empty.
    start : str
        ``"point"`` or ``"box"``.

    Returns
    -------
    Prompts
        One point, or one box.
    """
    if start == "box":
        return Prompts(box=box_of(truth))
    return Prompts(np.array([centre_of(truth)], dtype=np.float64))


def mean_row(source: str, place: str, rows: Sequence[Row]) -> Row:
    """Return the row of an image: how many objects, and their mean values.

    Parameters
    ----------
    source, place : str
        Of the image.
    rows : sequence of Row
        Of its objects.

    Returns
    -------
    Row
        The number of objects comes first.
    """
    means = np.mean([row.values for row in rows], axis=0)
    return Row(source, place, None, (float(len(rows)), *map(float, means)))
