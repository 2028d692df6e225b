"""What goes into a worker and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.plane_predictor import PlanePredictor

END = "end"
"""Reason of a good mask on the last plane that was asked for."""


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
class PlaneResult:
    """The mask of one object on one plane, not yet in the labels.

    Parameters
    ----------
    object_id : int
        Object it belongs to.
    plane : Plane
        Where.
    mask : (H, W) bool array
        The object.
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    confidence : float
        0 to 1: the score; in a propagation times the IoU with the last plane's mask.
    reason : str
        ``""``, or why a propagation stops here: ``"end"`` of the range (the mask is
        good), ``"empty"``, ``"jump"``, ``"low score"``, ``"anchor"``, or a sentence
        about a plane that cannot be read (the mask is not to be used).
    prediction : MaskPrediction or None
        What the predictor said; None if it was not asked.
    revision : int
        State of the object on this plane when it was asked.
    propagation : int
        Number of the propagation it belongs to, 0 for none.
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
            prediction.mask,
            score,
            clip_score(score),
            "",
            prediction,
            request.revision,
        )

    @property
    def trusted_score(self) -> float | None:
        """The score; None where the predictor says that it is not to be trusted."""
        if self.prediction is not None and not self.prediction.score_is_trusted:
            return None
        return float(self.score)

    @property
    def is_usable(self) -> bool:
        """Whether the mask may be written into the labels."""
        return self.reason in {"", END} and self.prediction is not None


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
