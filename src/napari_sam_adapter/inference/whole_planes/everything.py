"""Automatic masks: ask at every point of a grid, keep the answers that hold.

References
----------
Kirillov et al., *Segment Anything*, 2023, appendix B (automatic mask generation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.errors import ImageError, PromptError
from napari_sam_adapter.image_io.image.opened_image import pixels_of
from napari_sam_adapter.inference.whole_planes.views import (
    View,
    as_one_image,
    plane_shape,
    views_of,
)
from napari_sam_adapter.seeds import grid_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.inference.predictor.predictor import SamPredictor


@dataclass(frozen=True)
class EverythingSettings:
    """Where to ask, and which answers to keep.

    Parameters
    ----------
    points_per_side : int
        Points of the grid along each side of the plane, or of each view of a plane much
        larger than the network's input; points of views that overlap count once.
    min_score : float or None
        Masks whose score is not higher are dropped. None is what fits the network: 0.88
        as published, and 0.6 for the scores of ``tiny``.
    min_stability : float or None
        Masks that change more when the threshold moves are dropped; 0 to 1. None is
        0.95 as published, and 0.8 for ``tiny``.
    max_overlap : float
        Of two masks whose boxes have a higher IoU, the one with the lower score is
        dropped; 0 to 1.
    min_area : int
        Smallest mask in pixels.
    max_share : float
        Largest part of the plane that a mask may cover; larger ones are background.
    batch : int
        Points in one pass of the decoder.

    Raises
    ------
    PromptError
        If a number is out of range.
    """

    points_per_side: int = 32
    min_score: float | None = None
    min_stability: float | None = None
    max_overlap: float = 0.7
    min_area: int = 1
    max_share: float = 0.5
    batch: int = 64

    def __post_init__(self) -> None:
        for name in ("points_per_side", "min_area", "batch"):
            if getattr(self, name) < 1:
                raise PromptError(f"Expected {name} from 1, got {getattr(self, name)}.")
        for name in ("min_stability", "max_overlap", "max_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise PromptError(f"Expected {name} from 0 to 1, got {value}.")

    def least_of(self, predictor: SamPredictor) -> tuple[float, float]:
        """Return the least score and stability, for a network where none are given.

        Parameters
        ----------
        predictor : SamPredictor
            The network.

        Returns
        -------
        (float, float)
            `min_score` and `min_stability`.
        """
        score, stability = predictor.thresholds
        return (
            score if self.min_score is None else self.min_score,
            stability if self.min_stability is None else self.min_stability,
        )


@dataclass(frozen=True, eq=False)
class EverythingProgress:
    """Where the search stands.

    Parameters
    ----------
    done, total : int
        Points asked, and all.
    labels : (H, W) int32 array or None
        With the last one.
    """

    done: int
    total: int
    labels: npt.NDArray[np.int32] | None = None


class _Found(NamedTuple):
    """A mask that passed, in its box.

    Attributes
    ----------
    box : (int, int, int, int)
        Top, left, bottom, right; half-open.
    bits : (h, w / 8) uint8 array
        Its pixels, eight to a byte: there may be thousands of masks.
    area : int
        Number of its pixels.
    score : float
        By which duplicates are chosen.
    """

    box: tuple[int, int, int, int]
    bits: npt.NDArray[np.uint8]
    area: int
    score: float

    @property
    def place(self) -> tuple[slice, slice]:
        """The box as rows and columns."""
        top, left, bottom, right = self.box
        return slice(top, bottom), slice(left, right)


def segment_everything(
    image: npt.NDArray[Any] | OpenedImage,
    predictor: SamPredictor,
    settings: EverythingSettings | None = None,
) -> npt.NDArray[np.int32]:
    """Segment all objects of a plane: ask on a grid of points.

    A network that marks objects by itself, such as ``tiny``, finds them better, and in
    less time, through `find_objects`.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array, or OpenedImage
        One plane; pixels as for `SamPredictor.encode`.
    predictor : SamPredictor
        The network.
    settings : EverythingSettings or None
        Grid and filters.

    Returns
    -------
    (H, W) int32 array
        0 for background, 1 to N for objects; small ones lie on top of large ones.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.
    PromptError
        If the predictor is none of `load_predictor`.
    """
    *_, last = everything_steps(image, predictor, settings)
    assert last.labels is not None  # as everything_steps promises
    return last.labels


def everything_steps(
    image: npt.NDArray[Any] | OpenedImage,
    predictor: SamPredictor,
    settings: EverythingSettings | None = None,
) -> Iterator[EverythingProgress]:
    """Do the same step by step.

    Parameters
    ----------
    image, predictor, settings
        As in `segment_everything`.

    Yields
    ------
    EverythingProgress
        After every pass of the decoder; the last one has the labels.

    Raises
    ------
    ImageError
        If the pixels cannot be segmented.
    PromptError
        If the predictor is none of `load_predictor`.
    """
    if not hasattr(predictor, "propose"):
        raise PromptError(
            "Expected a network to ask at many points, got "
            f"{type(predictor).__name__}. Use load_predictor."
        )
    settings = settings or EverythingSettings()
    image = pixels_of(image)
    shape = plane_shape(image)
    views = views_of(shape, predictor.image_size)
    pixels = image if len(views) == 1 else as_one_image(image, predictor)
    asked = [_points_in(view, views, settings.points_per_side) for view in views]
    total, done = sum(map(len, asked)), 0
    found: list[_Found] = []
    for view, points in zip(views, asked, strict=True):
        for part, answers in _look(view, points, pixels, predictor, settings):
            found += answers
            done += part
            yield EverythingProgress(done, total)
    labels = _paint(_without_duplicates(found, settings.max_overlap), shape)
    yield EverythingProgress(total, total, labels)


def _look(
    view: View,
    points: npt.NDArray[np.float64],
    pixels: npt.NDArray[Any],
    predictor: SamPredictor,
    settings: EverythingSettings,
) -> Iterator[tuple[int, list[_Found]]]:
    """Yield the number of points asked, and what they found in one view."""
    try:
        embedding = predictor.encode(pixels[view.rows, view.columns])
    except ImageError:  # nothing is shown there
        if view.is_whole:
            raise
        yield len(points), []
        return
    for start in range(0, len(points), settings.batch):
        part = points[start : start + settings.batch]
        answers = [
            _moved(one, view) for one in _ask(predictor, embedding, part, settings)
        ]
        yield len(part), [one for one in answers if not view.cuts(one.box)]


def _points_in(
    view: View, views: Sequence[View], per_side: int
) -> npt.NDArray[np.float64]:
    """Return points of a view, in its pixels, that lie in its middle."""
    points = grid_points(view.size, per_side)
    alike = np.array([other.corner for other in views if other.size == view.size])
    half = np.array(view.size) / 2
    away = np.abs(points[:, None] + view.corner - alike - half).max(axis=-1)
    is_mine = away.argmin(axis=1) == alike.tolist().index(list(view.corner))
    mine: npt.NDArray[np.float64] = points[is_mine]
    return mine


def _moved(found: _Found, view: View) -> _Found:
    top, left = view.corner
    box = found.box
    return found._replace(
        box=(box[0] + top, box[1] + left, box[2] + top, box[3] + left)
    )


def _ask(
    predictor: SamPredictor,
    embedding: ImageEmbedding,
    points: npt.NDArray[np.float64],
    settings: EverythingSettings,
) -> Iterator[_Found]:
    """Yield the masks at some points that pass all filters for single masks."""
    largest = settings.max_share * math.prod(embedding.frame.original)
    min_score, min_stability = settings.least_of(predictor)
    for mask, score in predictor.propose(embedding, points, min_score):
        area = int(np.count_nonzero(mask.pixels))
        is_good = mask.stability >= min_stability
        if is_good and settings.min_area <= area <= largest:
            rows, columns = mask.pixels.shape
            box = mask.top, mask.left, mask.top + rows, mask.left + columns
            yield _Found(box, np.packbits(mask.pixels, axis=1), area, score)


def _without_duplicates(found: Sequence[_Found], max_overlap: float) -> list[_Found]:
    """Drop masks whose box is almost that of a mask with a better score."""
    order = sorted(range(len(found)), key=lambda i: -found[i].score)
    boxes = np.array([entry.box for entry in found]).reshape(-1, 4)
    kept: list[int] = []
    for i in order:
        if not kept or _box_ious(boxes[i], boxes[kept]).max() <= max_overlap:
            kept.append(i)
    return [found[i] for i in kept]


def _box_ious(
    box: npt.NDArray[np.int64], others: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the IoU of a box with others."""
    # sides from pixel middle to pixel middle, as in the published code
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) - 1
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2] - 1).prod(axis=1)
    union = (box[2:] - box[:2] - 1).prod() + areas - shared
    overlaps: npt.NDArray[np.float64] = shared / union.clip(min=1)
    return overlaps


def _paint(found: Sequence[_Found], shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Paint large masks first, and number what can still be seen."""
    labels = np.zeros(shape, np.int32)
    ordered = sorted(found, key=lambda entry: -entry.area)
    for number, entry in enumerate(ordered, start=1):
        part = labels[entry.place]
        bits = np.unpackbits(entry.bits, axis=1, count=part.shape[1])
        part[bits.view(bool)] = number
    seen = [
        number
        for number, entry in enumerate(ordered, start=1)
        if (labels[entry.place] == number).any()
    ]
    if len(seen) == len(found):
        return labels
    numbers = np.zeros(len(found) + 1, np.int32)
    numbers[seen] = np.arange(1, len(seen) + 1)
    return numbers[labels]
