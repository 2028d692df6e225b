"""The last mask that a predictor gave for an object on a plane, kept small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
from napari_sam_adapter.volume.packing import PackedArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.prompts import Prompts


@dataclass(frozen=True)
class PackedCandidate:
    """A mask candidate with its mask compressed.

    Parameters
    ----------
    mask : PackedArray
        The mask.
    score : float
        The network's estimate.
    logits : (h, w) float32 array
        Low-resolution logits.
    """

    mask: PackedArray
    score: float
    logits: npt.NDArray[np.float32]

    @classmethod
    def of(cls, source: MaskCandidate | MaskPrediction) -> PackedCandidate:
        """Compress the mask of a candidate or prediction.

        Parameters
        ----------
        source : MaskCandidate or MaskPrediction
            What to keep.

        Returns
        -------
        PackedCandidate
            The same, small.
        """
        mask = PackedArray.of_mask(source.boxed_mask)
        return cls(mask, source.score, source.logits)

    def unpack(self) -> MaskCandidate:
        """Return the candidate.

        Returns
        -------
        MaskCandidate
            With its mask.
        """
        mask = self.mask.unpack_mask()
        return MaskCandidate(mask.like_whole(), self.score, self.logits, mask.box)


@dataclass(frozen=True)
class Answer:
    """The last mask that was committed for an object on a plane.

    Parameters
    ----------
    prompts : Prompts
        What was asked.
    chosen : PackedCandidate
        The mask in use.
    candidates : tuple of PackedCandidate
        All masks to choose from.
    confidence : float
        0 to 1.
    score_is_trusted : bool
        Whether the score may be shown.
    window : (top, left, bottom, right) or None
        As of `MaskPrediction`.
    number : int
        Which candidate is chosen.
    """

    prompts: Prompts
    chosen: PackedCandidate
    candidates: tuple[PackedCandidate, ...]
    confidence: float
    score_is_trusted: bool = True
    window: tuple[int, int, int, int] | None = None
    number: int = 0

    @classmethod
    def of(
        cls,
        prediction: MaskPrediction,
        prompts: Prompts,
        confidence: float,
        number: int = 0,
    ) -> Answer:
        """Compress a prediction.

        Parameters
        ----------
        prediction : MaskPrediction
            What the predictor said.
        prompts : Prompts
            What it was asked.
        confidence : float
            0 to 1.
        number : int
            Which candidate is in use; the prediction's own mask is the first.

        Returns
        -------
        Answer
            The same, small.
        """
        candidates = tuple(PackedCandidate.of(c) for c in prediction.candidates)
        is_there = number or _has_first(prediction)
        chosen = candidates[number] if is_there else PackedCandidate.of(prediction)
        trusted, window = prediction.score_is_trusted, prediction.window
        return cls(prompts, chosen, candidates, confidence, trusted, window, number)

    @property
    def nbytes(self) -> int:
        """Memory of its logits; everything else is small."""
        return sum(c.logits.nbytes for c in self.candidates or (self.chosen,))

    @property
    def can_be_refined(self) -> bool:
        """Whether its logits are still there."""
        return self.chosen.logits.size > 0

    def without_logits(self) -> Answer:
        """Return the masks and scores alone.

        Returns
        -------
        Answer
            A hundredth of the size; the next prompt does not refine it.
        """
        nothing = np.zeros((0, 0), np.float32)
        chosen = replace(self.chosen, logits=nothing)
        candidates = tuple(replace(c, logits=nothing) for c in self.candidates)
        return replace(self, chosen=chosen, candidates=candidates)

    @property
    def prediction(self) -> MaskPrediction:
        """The answer as the predictor takes it back with the next prompt."""
        chosen = self.chosen.unpack()
        return MaskPrediction(
            chosen.boxed_mask.like_whole(),
            chosen.score,
            chosen.logits,
            self.mask_candidates,
            self.score_is_trusted,
            self.window,
            chosen.box,
        )

    @property
    def mask_candidates(self) -> tuple[MaskCandidate, ...]:
        """All masks to choose from, best first."""
        return tuple(candidate.unpack() for candidate in self.candidates)


def _has_first(prediction: MaskPrediction) -> bool:
    """Whether the first candidate is the prediction's own mask, with all it has."""
    return any(
        first.shares_mask(prediction)
        and (first.logits is prediction.logits)
        and (first.score, first.box) == (prediction.score, prediction.box)
        for first in prediction.candidates[:1]
    )
