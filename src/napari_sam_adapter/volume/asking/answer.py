"""The last mask that a predictor gave for an object on a plane, kept small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
from napari_sam_adapter.volume.asking.candidates import preferred_number
from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.asking.results import clip_score

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box
    from napari_sam_adapter.prompts import Prompts

Part: TypeAlias = (
    "tuple[tuple[int, ...], str, bytes, Box | None, float, npt.NDArray[np.float32]]"
)
"""A candidate as `Plain` is an array: its mask, score and logits in one tuple."""
NO_LOGITS = np.zeros((0, 0), np.float32)


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

    @property
    def part(self) -> Part:
        """What an answer holds of it."""
        return *self.mask.plain, self.score, self.logits

    @classmethod
    def of(cls, part: Part) -> PackedCandidate:
        """Return a candidate of an answer.

        Parameters
        ----------
        part : Part
            From `part`.

        Returns
        -------
        PackedCandidate
            The same.
        """
        return cls(PackedArray(*part[:4]), *part[4:])

    def unpack(self) -> MaskCandidate:
        """Return the candidate.

        Returns
        -------
        MaskCandidate
            With its mask.
        """
        mask = self.mask.unpack_mask()
        return MaskCandidate(mask.like_whole(), self.score, self.logits, mask.box)


@dataclass(frozen=True, slots=True)
class Answer:
    """The last mask that was committed for an object on a plane.

    Parameters
    ----------
    prompts : Prompts
        What was asked.
    parts : tuple of Part
        What `candidates` are made of when somebody asks.
    confidence : float
        0 to 1.
    score_is_trusted : bool
        Whether the score may be shown.
    window : (top, left, bottom, right) or None
        As of `MaskPrediction`.
    number : int
        Which candidate is chosen.
    own : Part or None
        The mask in use, where it is none of the candidates.
    """

    prompts: Prompts
    parts: tuple[Part, ...]
    confidence: float
    score_is_trusted: bool = True
    window: tuple[int, int, int, int] | None = None
    number: int = 0
    own: Part | None = None

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
        parts = tuple([_packed(candidate) for candidate in prediction.candidates])
        is_there = number or _has_first(prediction)
        own = None if is_there else _packed(prediction)
        trusted, window = prediction.score_is_trusted, prediction.window
        return cls(prompts, parts, confidence, trusted, window, number, own)

    @classmethod
    def preferring(
        cls, prediction: MaskPrediction, prompts: Prompts, rank: int | None
    ) -> Answer:
        """Compress a prediction of which a candidate of some size is taken.

        Parameters
        ----------
        prediction : MaskPrediction
            What the predictor said.
        prompts : Prompts
            What it was asked.
        rank : int or None
            As for `preferred_number`.

        Returns
        -------
        Answer
            The same, small.
        """
        masks = [candidate.boxed_mask for candidate in prediction.candidates]
        number = preferred_number(masks, rank)
        taken = prediction.candidates[number] if number else prediction
        return cls.of(prediction, prompts, clip_score(taken.score), number)

    def choosing_by(self, rank: int | None) -> Answer:
        """Return the same answer with the candidate of some size in use.

        Parameters
        ----------
        rank : int or None
            As for `preferred_number`.

        Returns
        -------
        Answer
            This one if there is nothing to choose.
        """
        masks = [candidate.mask.unpack_mask() for candidate in self.candidates]
        number = preferred_number(masks, rank)
        return self if number == self.number else self.choosing(number)

    @classmethod
    def from_kept(
        cls,
        chosen: PackedCandidate,
        candidates: tuple[PackedCandidate, ...],
        **others: Any,
    ) -> Answer:
        """Return what `kept` gave.

        Parameters
        ----------
        chosen : PackedCandidate
            The mask in use.
        candidates : tuple of PackedCandidate
            All masks to choose from.
        **others : Any
            As of an answer.

        Returns
        -------
        Answer
            The same one.
        """
        is_own = not any(chosen is candidate for candidate in candidates)
        own = chosen.part if is_own else None
        return cls(parts=tuple(c.part for c in candidates), own=own, **others)

    def kept(self) -> dict[str, Any]:
        """Return what a saved session holds of it: its candidates by name.

        Returns
        -------
        dict
            For `from_kept`.
        """
        candidates = self.candidates
        is_among = self.own is None
        return {
            "prompts": self.prompts,
            "chosen": candidates[self.number] if is_among else self.chosen,
            "candidates": candidates,
            "confidence": self.confidence,
            "score_is_trusted": self.score_is_trusted,
            "window": self.window,
            "number": self.number,
        }

    @property
    def chosen(self) -> PackedCandidate:
        """The mask in use."""
        return PackedCandidate.of(self.own or self.parts[self.number])

    @property
    def candidates(self) -> tuple[PackedCandidate, ...]:
        """All masks to choose from."""
        return tuple(map(PackedCandidate.of, self.parts))

    @property
    def lot(self) -> tuple[Box, npt.NDArray[np.bool_]]:
        """Box of the mask in use, and its pixels inside."""
        mask = self.chosen.mask.unpack_mask()
        return mask.box, mask.pixels

    def choosing(self, number: int) -> Answer:
        """Return the same answer with another mask in use.

        Parameters
        ----------
        number : int
            One of the candidates.

        Returns
        -------
        Answer
            With the confidence that follows from its score.
        """
        confidence = clip_score(self.candidates[number].score)
        return replace(self, number=number, own=None, confidence=confidence)

    @property
    def nbytes(self) -> int:
        """Memory of its logits; everything else is small."""
        parts = self.parts or (self.chosen.part,)
        return sum(logits.nbytes for *_, logits in parts)

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
        parts = tuple([(*part[:-1], NO_LOGITS) for part in self.parts])
        own = self.own and (*self.own[:-1], NO_LOGITS)
        return replace(self, parts=parts, own=own)

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


def _packed(source: MaskCandidate | MaskPrediction) -> Part:
    plain = PackedArray.of_mask(source.boxed_mask).plain
    return *plain, source.score, source.logits


def _has_first(prediction: MaskPrediction) -> bool:
    """Whether the first candidate is the prediction's own mask, with all it has."""
    return any(
        first.shares_mask(prediction)
        and (first.logits is prediction.logits)
        and (first.score, first.box) == (prediction.score, prediction.box)
        for first in prediction.candidates[:1]
    )
