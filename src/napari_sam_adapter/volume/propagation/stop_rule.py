"""What tells whether the mask on the next plane is still the same object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import ndimage

from napari_sam_adapter.boxed_mask import BoxedMask, common_box
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plain_numbers import check_numbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box

AROUND = 3
"""Width in pixels of what counts as the surroundings of a mask."""
FAINT = 8.0
"""Grey values: weaker contrast between inside and surroundings tells nothing."""
FAINT_IN_NOISE = 0.5
"""Nor does contrast below this part of the spread of the surroundings."""
PRIOR, EVIDENCE = -5.81, (5.30, 3.13, -8.13)
"""Logistic regression on score, likeness and the logarithm of growth, made by
``benchmarks/calibration.py``; sets weigh the same."""
LARGEST_GROWTH = 2.0
"""Logarithm beyond which growth says nothing more."""
ADAPTATION = 0.1
"""Share of the newest plane in how an object is expected to look: brightness may fade
over many planes, but an object that fades away within a few is noticed."""


@dataclass(frozen=True)
class StopRule:
    """When to stop following an object.

    Parameters
    ----------
    min_score : float
        A mask fails if the network's own estimate of its IoU is lower; 0 to 1.
    max_slope : float
        How far the outline may move sideways per length of way: this says how much
        area and place may change, more for small objects and wide steps.
    tolerance : float
        Factor, at least 1, by which change and overlap may be worse than that, and by
        which an object that gets smaller from anchor to anchor may be larger beyond
        the last one than a cone.
    min_likeness : float
        A mask fails if it stands out from its surroundings by less than this part of
        what it did before; 0 to 1.
    patience : int
        Failures in a row that end the object. If it is found again before, the planes
        in between are interpolated. An empty mask ends it at once.
    min_level : float
        A mask is cut where it stands out from its surroundings by less than this part
        of what the object did before, or does at its core on this plane if that is
        less; 0 for never, to 1. Not cut are objects that are not evenly bright, or
        dark, where they begin, planes along time, and those beyond the last of
        several anchors if the object gets smaller towards it.

    Raises
    ------
    SessionError
        If something is no number or out of range.
    """

    min_score: float = 0.5
    max_slope: float = 1.5
    tolerance: float = 1.5
    min_likeness: float = 0.2
    patience: int = 2
    min_level: float = 0.35

    def __post_init__(self) -> None:
        check_numbers(self, SessionError)
        if not (0 < self.max_slope < math.inf and 1 <= self.tolerance < math.inf):
            raise SessionError(
                "Expected max_slope above 0 and tolerance from 1, both finite, got "
                f"{self.max_slope} and {self.tolerance}."
            )
        if not (0 <= self.min_score <= 1 and 0 <= self.min_likeness <= 1):
            raise SessionError(
                "Expected min_score and min_likeness from 0 to 1, got "
                f"{self.min_score} and {self.min_likeness}."
            )
        if not 0 <= self.min_level <= 1:
            raise SessionError(f"Expected min_level from 0 to 1, got {self.min_level}.")
        if self.patience < 1:
            raise SessionError(f"Expected patience from 1, got {self.patience}.")

    def reason(self, cues: Cues) -> str:
        """Return why a mask is not to be trusted.

        Parameters
        ----------
        cues : Cues
            What was measured.

        Returns
        -------
        str
            ``"empty"``, ``"low score"``, ``"jump"``, ``"other image"``, or ``""``
            if the mask is good.
        """
        if cues.is_empty:
            return "empty"
        if not cues.score >= self.min_score:
            return "low score"
        room = self.tolerance / cues.steadiness
        if cues.change > room or cues.overlap * room < 1:
            return "jump"
        if cues.excess > self.tolerance:
            return "jump"
        return "other image" if cues.likeness < self.min_likeness else ""


@dataclass(frozen=True)
class Cues:
    """What can be measured about a mask and the one on the plane before.

    Parameters
    ----------
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    overlap : float
        IoU with the mask before; 0 for an empty mask.
    change : float
        Larger of both areas divided by the smaller; infinite for an empty mask.
    likeness : float
        1 if the mask stands out from its surroundings as on the planes before, 0 if it
        does not.
    steadiness : float
        IoU that an object of this size still has if its outline moves as far as the
        rule allows on this way; 0 to 1.
    growth : float
        Area divided by that at the anchor, or the reverse; from 1.
    excess : float
        Area divided by that of a cone that goes on beyond the last anchor; 0 where the
        object does not get smaller towards it.
    """

    score: float
    overlap: float
    change: float
    likeness: float
    steadiness: float
    growth: float = 1.0
    excess: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there is no mask."""
        return math.isinf(self.change)

    @property
    def confidence(self) -> float:
        """How probable a good mask is, IoU above 0.7: all cues together, 0 to 1."""
        cues = (
            min(max(float(self.score), 0.0), 1.0),
            self.likeness,
            min(math.log(self.growth), LARGEST_GROWTH),
        )
        evidence = sum(weight * cue for weight, cue in zip(EVIDENCE, cues, strict=True))
        return 1 / (1 + math.exp(-(PRIOR + evidence)))


def measure(
    mask: BoxedMask,
    last: BoxedMask,
    score: float,
    likeness: float,
    steadiness: float,
    anchor_area: int = 0,
) -> Cues:
    """Return what can be said about a mask and the one before.

    Parameters
    ----------
    mask, last : BoxedMask
        On this plane and on the one before; the latter not empty.
    score, likeness, steadiness : float
        As in `Cues`.
    anchor_area : int
        Pixels of the object at the anchor; 0 if they shall not count.

    Returns
    -------
    Cues
        For a `StopRule`.
    """
    change = _ratio(mask.area, last.area)
    growth = _ratio(mask.area, anchor_area or mask.area)
    overlap = mask.overlap(last)
    return Cues(score, overlap, change, likeness, steadiness, growth)


def _ratio(area: int, other: int) -> float:
    return max(area, other) / min(area, other) if area else math.inf


def surroundings(mask: BoxedMask) -> Box:
    """Return the part of a plane that says how an object looks.

    Parameters
    ----------
    mask : BoxedMask
        The object, not empty.

    Returns
    -------
    (row_start, column_start, row_stop, column_stop)
        Half-open, inside the plane.
    """
    return common_box([mask], AROUND)


def expected_overlap(
    last: BoxedMask, distance: float, pixel: tuple[float, float], slope: float
) -> float:
    """Return the IoU of a disk with one whose outline moved as far as allowed.

    Parameters
    ----------
    last : BoxedMask
        Mask on the plane before, not empty; the disk has its area.
    distance : float
        Way between the planes, in the unit of `pixel`.
    pixel : (float, float)
        Height and width of a pixel.
    slope : float
        Way of the outline per length of way.

    Returns
    -------
    float
        Above 0, at most 1.
    """
    radius = math.sqrt(last.area * pixel[0] * pixel[1] / math.pi)
    return (1 + slope * distance / radius) ** -2


@dataclass(frozen=True)
class Look:
    """Mean grey values of an object on one plane.

    Parameters
    ----------
    inside, around : float
        Mean inside the mask and in a narrow belt around it.
    spread : float
        Standard deviation in the belt.
    """

    inside: float
    around: float
    spread: float = 0.0

    @classmethod
    def of(cls, image: npt.NDArray[np.uint8], mask: BoxedMask) -> Look:
        """Measure an object.

        Parameters
        ----------
        image : (H, W) or (H, W, 3) uint8 array
            The plane as the predictor sees it.
        mask : BoxedMask
            The object, not empty.

        Returns
        -------
        Look
            If nothing is around it, both are the mean inside.
        """
        top, left, bottom, right = surroundings(mask)
        return cls.of_part(image[top:bottom, left:right], mask)

    @classmethod
    def of_part(cls, grey: npt.NDArray[np.uint8], mask: BoxedMask) -> Look:
        """Measure an object on the part of a plane that is its `surroundings`.

        Parameters
        ----------
        grey : (h, w) or (h, w, 3) uint8 array
            That part as the predictor sees it.
        mask : BoxedMask
            The object, not empty.

        Returns
        -------
        Look
            As `of` does.
        """
        if grey.ndim == 3:
            grey = grey.mean(axis=-1)
        inside = mask.window(surroundings(mask))
        belt = ndimage.binary_dilation(inside, iterations=AROUND) & ~inside
        mean = float(grey[inside].mean())
        if not belt.any():
            return cls(mean, mean)
        return cls(mean, float(grey[belt].mean()), float(grey[belt].std()))

    def adapted(self, later: Look) -> Look:
        """Return how an object is expected to look after one more plane.

        Parameters
        ----------
        later : Look
            The object on that plane.

        Returns
        -------
        Look
            Mostly as before.
        """
        old, new = 1 - ADAPTATION, ADAPTATION
        return Look(
            old * self.inside + new * later.inside,
            old * self.around + new * later.around,
            old * self.spread + new * later.spread,
        )

    def likeness(self, later: Look) -> float:
        """Return whether an object stands out on a later plane as it does here.

        Parameters
        ----------
        later : Look
            The object there.

        Returns
        -------
        float
            0 to 1; 1 if it never stood out. Planes that are brighter or darker as a
            whole do not count.
        """
        contrast = self.inside - self.around
        if abs(contrast) < max(FAINT, FAINT_IN_NOISE * self.spread):
            return 1.0
        return min(max((later.inside - later.around) / contrast, 0.0), 1.0)
