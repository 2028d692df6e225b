"""What goes into a worker and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam_adapter.mask_fields import HasMask
from napari_sam_adapter.volume.asking.reasons import CONFLICT

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box, BoxedMask
    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.stop_rule import Cues

AGREEMENT = 0.6
"""Share of agreement below which directions or objects are in conflict."""


@dataclass(frozen=True, eq=False)
class MaskRequest:
    """Everything a worker needs to compute one mask.

    Parameters
    ----------
    object_id : int
        Object to segment.
    plane : Plane
        Where.
    prompts : Prompts
        What is asked; not empty.
    previous : MaskPrediction or None
        Answer to be refined.
    revision : int
        State of the object on this plane when it was asked.
    predictor : PlanePredictor
        Reads, embeds and segments planes; safe in any thread.
    """

    object_id: int
    plane: Plane
    prompts: Prompts
    previous: MaskPrediction | None
    revision: int
    predictor: PlanePredictor


@dataclass(frozen=True, eq=False)
class JointResult:
    """The masks of several objects on one plane, computed in one pass.

    Parameters
    ----------
    requests : tuple of MaskRequest
        What was asked.
    results : tuple of PlaneResult
        One for each.
    spared_from : int or None
        Objects with this number or a greater one lose no pixel to the others; None
        where the overlap rule alone decides.
    """

    requests: tuple[MaskRequest, ...]
    results: tuple[PlaneResult, ...]
    spared_from: int | None = None


@dataclass(frozen=True)
class Origin:
    """Where the mask of a propagated plane comes from.

    Parameters
    ----------
    anchors : tuple of Plane
        One or two planes on which the user worked.
    distances : tuple of float
        How far away they are, in the unit of the session's spacing.
    fingerprint : str
        The same only if the masks of the anchors, model and settings are.
    """

    anchors: tuple[Plane, ...]
    distances: tuple[float, ...]
    fingerprint: str


@dataclass(frozen=True, eq=False)
class PlaneResult(HasMask):
    """The mask of one object on one plane, not yet in the labels.

    Parameters
    ----------
    object_id : int
        Object it belongs to.
    plane : Plane
        Where.
    mask : (H, W) bool array
        The object. `boxed_mask` is the same without the plane around it.
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    confidence : float
        0 to 1: the score; in a propagation lower where the mask changed fast, where
        the image inside changed, and where both directions disagree.
    reason : str
        ``""`` for a good mask, ``"end"`` for one on the last plane asked for. Why a
        mask is doubtful: ``"disagreement"`` of both directions, ``"one side"`` only
        got here, ``"interpolated"``, ``"conflict"`` with another object. Why there
        is none: ``"empty"``, ``"beyond"`` the new end, ``"low score"``, ``"jump"``,
        ``"other image"``, ``"blank"`` plane, or a sentence about a plane that cannot
        be read. A mask with one of these reasons is interpolated.
    prediction : MaskPrediction or None
        What the predictor said; None in a propagation.
    revision : int
        State of the object on this plane when it was asked.
    propagation : int
        Number of the propagation it belongs to, 0 for none.
    is_usable : bool
        Whether the mask may be written into the labels.
    origin : Origin or None
        Where it comes from; None if the user asked for it.
    cues : Cues or None
        All that was measured, where only one direction got here.
    score_is_trusted : bool
        Whether the score may be shown: a network gave it that was trained to.
    box : (row_start, column_start, row_stop, column_stop) or None
        As of `MaskPrediction`.
    """

    object_id: int
    plane: Plane
    mask: npt.NDArray[np.bool_]
    score: float
    confidence: float
    reason: str
    prediction: MaskPrediction | None
    revision: int
    propagation: int = 0
    is_usable: bool = True
    origin: Origin | None = None
    cues: Cues | None = None
    score_is_trusted: bool = True
    box: Box | None = None

    @classmethod
    def of(cls, prediction: MaskPrediction, request: MaskRequest) -> PlaneResult:
        """Return the answer to a request.

        Parameters
        ----------
        prediction : MaskPrediction
            What the predictor said.
        request : MaskRequest
            What it was asked.

        Returns
        -------
        PlaneResult
            Ready to be committed.
        """
        score = prediction.score
        return cls(
            request.object_id,
            request.plane,
            prediction.boxed_mask.like_whole(),
            score,
            clip_score(score),
            "",
            prediction,
            request.revision,
            score_is_trusted=prediction.score_is_trusted,
            box=prediction.box,
        )

    def less(self, mask: BoxedMask) -> PlaneResult:
        """Return what is left where other objects have pixels of the mask.

        Parameters
        ----------
        mask : BoxedMask
            A part of it.

        Returns
        -------
        PlaneResult
            Of lower confidence; with the reason ``"conflict"`` if little is left.
        """
        share = mask.area / max(self.boxed_mask.area, 1)
        return replace(
            self,
            mask=mask.like_whole(),
            box=mask.box,
            confidence=self.confidence * share,
            reason=self.reason if share > AGREEMENT else CONFLICT,
            is_usable=bool(mask.pixels.size),
        )

    @property
    def trusted_score(self) -> float | None:
        """The score; None for interpolated masks and where it is not to be trusted."""
        return float(self.score) if self.score_is_trusted else None


def clip_score(score: float) -> float:
    """Return a score as a confidence: networks go a little beyond 0 and 1.

    Parameters
    ----------
    score : float
        Estimated IoU.

    Returns
    -------
    float
        0 to 1.
    """
    return min(max(float(score), 0.0), 1.0)
