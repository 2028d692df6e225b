"""What a user asks on one plane: points, a box, scribbles, outlines and a mask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.drawings import (
    Polygon,
    Scribble,
    as_points,
    box_around,
    innermost,
)
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.mask_fields import PromptMask
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask

__all__ = ["Polygon", "Prompts", "Scribble"]

POINTS_BESIDE = 1
"""Points that stand for an outline of background at the network; more did worse."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Everything a user asks about one object on one plane.

    Parameters
    ----------
    points : (N, 2) float array
        Pixel positions as (row, column); pixel centres are whole numbers.
    polarities : (N,) bool array
        True where the point belongs to the object; defaults to all True.
    box : (row_min, column_min, row_max, column_max) or None
        Corners in pixels, through the centres of the outermost pixels; sorted if given
        the other way round.
    scribbles : tuple of Scribble
        Free-hand lines.
    mask : (H, W) bool array, BoxedMask or None
        A rough mask of the object, beside a point or a box: networks answer a mask
        alone poorly, and with scores that say nothing. Only its box is kept, as
        `boxed_mask`; the array of the whole plane is made when it is read.
    polygons : tuple of Polygon
        Outlines; see `without_polygons` for how they are asked.
    reduction : float
        How much of a plane to look at where nothing else tells the size. Of a large
        plane: how many pixels made one on the screen when it was asked, or below and
        above 1 what showed the objects before. Of another one, below 1: a window of
        that part of its longer side.

    Raises
    ------
    PromptError
        If a shape is wrong, a number is not finite, the box has no area, or polarities
        or mask are neither true nor false.
    """

    points: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    polarities: npt.NDArray[np.bool_] | None = None
    box: tuple[float, float, float, float] | None = None
    scribbles: tuple[Scribble, ...] = ()
    mask: PromptMask = PromptMask()  # noqa: RUF009
    polygons: tuple[Polygon, ...] = ()
    reduction: float = 1.0

    def __post_init__(self) -> None:
        points = as_points(self.points, "points")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "polarities", _as_polarities(self.polarities, points))
        object.__setattr__(self, "scribbles", tuple(self.scribbles))
        object.__setattr__(self, "polygons", tuple(self.polygons))
        if self.box is not None:
            object.__setattr__(self, "box", _as_box(self.box))
        if not 0 < self.reduction < np.inf:
            message = "Expected a reduction above 0 and finite, 1 for all, got "
            raise PromptError(f"{message}{self.reduction}.")

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is asked."""
        return not len(self.points) and self._has_points_only

    @property
    def is_ambiguous(self) -> bool:
        """Whether this is one positive point and nothing else."""
        is_one = len(self.points) == 1 and bool(self.signs[0])
        return is_one and self._has_points_only

    @property
    def _has_points_only(self) -> bool:
        drawn = self.scribbles or self.polygons
        return not drawn and self.box is None and self.boxed_mask is None

    @property
    def mark_object(self) -> bool:
        """Whether any prompt says where the object is, not only where it is not."""
        signs = [part.positive for part in self.scribbles]
        signs += [part.positive for part in self.polygons]
        marked = self.signs.any() or any(signs)
        is_marked = self.box is not None or self.boxed_mask is not None
        return bool(marked) or is_marked

    @property
    def signs(self) -> npt.NDArray[np.bool_]:
        """Polarities as an array, never None."""
        assert self.polarities is not None  # set by __post_init__
        return self.polarities

    @property
    def boxed_mask(self) -> BoxedMask | None:
        """The mask cut to its box."""
        boxed: BoxedMask | None = vars(self)["boxed_mask"]
        return boxed

    def all_points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the points together with those that stand for the scribbles.

        Returns
        -------
        points : (M, 2) float array
            (row, column) pixels.
        polarities : (M,) bool array
            True for the object.
        """
        points, polarities = [self.points], [self.signs]
        for scribble in self.scribbles:
            sampled = scribble.sample()
            points.append(sampled)
            polarities.append(np.full(len(sampled), scribble.positive))
        return np.concatenate(points), np.concatenate(polarities)

    def without_polygons(self, shape: tuple[int, int]) -> Prompts:
        """Return prompts that stand for the outlines at the network.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        Prompts
            What is outlined as object joins the mask, and the box is that of the mask:
            `tiny` makes little of a mask alone. What is outlined as background is
            taken out of the mask, and its middle is marked.
        """
        if not self.polygons:
            return self
        mask = np.zeros(shape, dtype=bool) if self.mask is None else self.mask
        points, signs, box = self.points, self.signs, self.box
        for polygon in self.polygons:
            inside = polygon.pixels(shape)
            mask = mask | inside if polygon.positive else mask & ~inside
            if not polygon.positive:
                beside = np.reshape(innermost(inside, POINTS_BESIDE), (-1, 2))
                points = np.concatenate([points, beside])
                signs = np.append(signs, np.zeros(len(beside), dtype=bool))
        if any(polygon.positive for polygon in self.polygons) and mask.any():
            box = box_around(mask)
        return replace(
            self,
            points=points,
            polarities=signs,
            box=box,
            mask=mask if mask.any() else None,
            polygons=(),
        )

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Raise unless every prompt fits a plane of this shape.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the plane.

        Raises
        ------
        PromptError
            If a point lies outside, the box misses the plane, or the mask has
            another shape.
        """
        if len(outside := self.points_outside(shape)):
            row, column = outside[0]
            raise PromptError(
                f"Expected points inside a plane of {shape[0]} x {shape[1]} pixels, "
                f"got ({row:g}, {column:g}), outside of the image. Give (row, column) "
                "in pixels of the data."
            )
        for polygon in self.polygons:
            polygon.pixels(shape)
        if self.box is not None:
            _check_box_inside(self.box, shape)
        mask = self.boxed_mask
        if mask is not None and mask.shape != tuple(shape):
            raise PromptError(
                f"Expected a mask prompt of shape {tuple(shape)}, "
                f"got {mask.shape}. Give a mask of the whole plane."
            )

    def points_outside(self, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Return the points, those of scribbles too, that lie beside a plane.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the plane.

        Returns
        -------
        (N, 2) float array
            As (row, column).
        """
        limits = np.asarray(shape, dtype=float) - 0.5
        points, _ = self.all_points()
        return points[np.any((points < -0.5) | (points > limits), axis=1)]

    def with_point(self, point: tuple[float, float], positive: bool = True) -> Prompts:
        """Return a copy with one more point.

        Parameters
        ----------
        point : (row, column)
            Position in pixels.
        positive : bool
            Whether the point belongs to the object.

        Returns
        -------
        Prompts
            The new prompts; this one is unchanged.
        """
        return replace(
            self,
            mask=self.boxed_mask,
            points=np.concatenate([self.points, np.reshape(point, (1, -1))]),
            polarities=np.append(self.signs, positive),
        )

    def extends(self, other: Prompts) -> bool:
        """Whether these prompts are `other` plus more points.

        Parameters
        ----------
        other : Prompts
            The earlier prompts.

        Returns
        -------
        bool
            True if only points, scribbles or outlines were appended.
        """
        count, lines = len(other.points), len(other.scribbles)
        outlines = len(other.polygons)
        return (
            np.array_equal(self.points[:count], other.points)
            and np.array_equal(self.signs[:count], other.signs)
            and _same_scribbles(self.scribbles[:lines], other.scribbles)
            and _same_polygons(self.polygons[:outlines], other.polygons)
            and self.box == other.box
            and _same_mask(self.boxed_mask, other.boxed_mask)
        )


def _same_scribbles(mine: tuple[Scribble, ...], others: tuple[Scribble, ...]) -> bool:
    return len(mine) == len(others) and all(
        a.positive == b.positive and np.array_equal(a.path, b.path)
        for a, b in zip(mine, others, strict=True)
    )


def _same_polygons(mine: tuple[Polygon, ...], others: tuple[Polygon, ...]) -> bool:
    return len(mine) == len(others) and all(
        a.positive == b.positive and np.array_equal(a.corners, b.corners)
        for a, b in zip(mine, others, strict=True)
    )


def _same_mask(mine: BoxedMask | None, other: BoxedMask | None) -> bool:
    if mine is None or other is None or mine is other:
        return mine is other
    alike = mine.shape == other.shape and mine.box == other.box
    return alike and np.array_equal(mine.pixels, other.pixels)


def _as_polarities(
    values: object, points: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    if values is None:
        polarities = np.ones(len(points), dtype=bool)
    else:
        given = np.array(values).reshape(-1)
        if given.dtype != bool and not np.isin(given, (False, True)).all():
            raise PromptError(
                "Expected polarities True for the object and False for the background, "
                f"got {given.tolist()}."
            )
        polarities = given.astype(bool)
    if len(polarities) != len(points):
        raise PromptError(
            "Expected one polarity per point, got "
            f"{counted(len(polarities), 'polarity')} for "
            f"{counted(len(points), 'point')}."
        )
    polarities.setflags(write=False)
    return polarities


def _as_box(values: object) -> tuple[float, float, float, float]:
    try:
        corners = np.array(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise PromptError(f"Expected a box of four numbers, got {values!r}.") from error
    if corners.size != 4 or not np.isfinite(corners).all():
        raise PromptError(
            "Expected a box as four finite numbers (row_min, column_min, row_max, "
            f"column_max), got {corners.tolist()}."
        )
    (row_a, column_a), (row_b, column_b) = corners.reshape(2, 2)
    if row_a == row_b or column_a == column_b:
        raise PromptError(
            f"Expected a box with an area, got {corners.tolist()}. Draw a larger box."
        )
    return (
        float(min(row_a, row_b)),
        float(min(column_a, column_b)),
        float(max(row_a, row_b)),
        float(max(column_a, column_b)),
    )


def _check_box_inside(
    box: tuple[float, float, float, float], shape: tuple[int, int]
) -> None:
    row_min, column_min, row_max, column_max = box
    if row_max < 0 or column_max < 0 or row_min >= shape[0] or column_min >= shape[1]:
        raise PromptError(
            f"Expected a box that touches a plane of {shape[0]} x {shape[1]} pixels, "
            f"got {box}. Draw the box over the image."
        )
