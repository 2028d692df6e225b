"""What the document remembers of an object: as a whole, and on each plane."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.packing import PackedArray
from napari_sam_adapter.volume.results import REASONS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.volume.results import Origin, PlaneResult

NO_PROMPTS = Prompts()


@dataclass(frozen=True)
class ObjectRecord:
    """One object of the document.

    Parameters
    ----------
    accepted : bool
        Whether the user declared the object finished.
    """

    accepted: bool = False


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
        return cls(PackedArray.of(source.mask), source.score, source.logits)

    def unpack(self) -> MaskCandidate:
        """Return the candidate.

        Returns
        -------
        MaskCandidate
            With a full mask.
        """
        return MaskCandidate(self.mask.unpack(), self.score, self.logits)


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
    """

    prompts: Prompts
    chosen: PackedCandidate
    candidates: tuple[PackedCandidate, ...]
    confidence: float
    score_is_trusted: bool = True

    @classmethod
    def of(
        cls, prediction: MaskPrediction, prompts: Prompts, confidence: float
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

        Returns
        -------
        Answer
            The same, small.
        """
        candidates = tuple(PackedCandidate.of(c) for c in prediction.candidates)
        chosen, trusted = PackedCandidate.of(prediction), prediction.score_is_trusted
        return cls(prompts, chosen, candidates, confidence, trusted)

    @property
    def prediction(self) -> MaskPrediction:
        """The answer as the predictor takes it back with the next prompt."""
        chosen = self.chosen.unpack()
        return MaskPrediction(
            chosen.mask,
            chosen.score,
            chosen.logits,
            self.mask_candidates,
            self.score_is_trusted,
        )

    @property
    def mask_candidates(self) -> tuple[MaskCandidate, ...]:
        """All masks to choose from, best first."""
        return tuple(candidate.unpack() for candidate in self.candidates)


@dataclass(frozen=True)
class Derivation:
    """What the last propagation said about an object on a plane.

    Parameters
    ----------
    mask : PackedArray or None
        (H, W) bool; None if it found no mask.
    score, confidence : float
        As in `PlaneResult`.
    reason : str
        As in `PlaneResult`.
    origin : Origin or None
        Anchors it follows from; None if it follows from none any more.
    score_is_trusted : bool
        Whether the score may be shown.
    """

    mask: PackedArray | None
    score: float
    confidence: float
    reason: str
    origin: Origin | None
    score_is_trusted: bool = True

    @classmethod
    def of(cls, result: PlaneResult) -> Derivation:
        """Keep what a propagation found.

        Parameters
        ----------
        result : PlaneResult
            Of a propagation.

        Returns
        -------
        Derivation
            The same, small.
        """
        mask = PackedArray.of(result.mask) if result.is_usable else None
        return cls(
            mask,
            result.score,
            result.confidence,
            result.reason,
            result.origin,
            result.score_is_trusted,
        )

    def is_from(self, fingerprint: str) -> bool:
        """Whether a propagation from the same anchors would say the same.

        Parameters
        ----------
        fingerprint : str
            Of anchors, model and settings.

        Returns
        -------
        bool
            False for planes that could not be read: they may be readable now.
        """
        is_same = self.origin is not None and self.origin.fingerprint == fingerprint
        return is_same and self.reason in REASONS


@dataclass(frozen=True)
class PlaneRecord:
    """Everything known of one object on one plane, besides its pixels.

    Parameters
    ----------
    prompts : Prompts
        What the user asks here.
    answer : Answer or None
        Last committed mask.
    painted : PackedArray or None
        (H, W) bool: pixels that the user gave to the object or took from it by hand.
    locked : bool
        Whether the user forbade to change the object here.
    derivation : Derivation or None
        What the last propagation said; None if the user asked for the mask.
    """

    prompts: Prompts = field(default=NO_PROMPTS)
    answer: Answer | None = None
    painted: PackedArray | None = None
    locked: bool = False
    derivation: Derivation | None = None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.is_anchor and self.answer is None and self.derivation is None

    @property
    def is_pending(self) -> bool:
        """Whether the prompts are newer than the mask."""
        if self.prompts.is_empty:
            return False
        return self.answer is None or self.answer.prompts is not self.prompts

    @property
    def is_anchor(self) -> bool:
        """Whether the user worked on this object here."""
        return not self.prompts.is_empty or self.is_kept

    @property
    def is_kept(self) -> bool:
        """Whether pixels here are not to be changed by masks."""
        return self.locked or self.painted is not None

    @property
    def is_derived(self) -> bool:
        """Whether the mask came by propagation and may be replaced by another."""
        derivation = self.derivation
        return not self.is_anchor and derivation is not None and bool(derivation.mask)

    @property
    def score(self) -> float | None:
        """The network's estimate for the last mask; None without a trusted one."""
        if self.answer is not None:
            answer = self.answer
            return answer.chosen.score if answer.score_is_trusted else None
        derived = self.derivation
        return derived.score if derived and derived.score_is_trusted else None

    @property
    def confidence(self) -> float | None:
        """How far the last mask is to be trusted; None without one."""
        if self.answer is not None:
            return self.answer.confidence
        return self.derivation.confidence if self.derivation else None

    @property
    def asked(self) -> Prompts:
        """What the predictor is asked: a propagated mask is refined, not forgotten."""
        derived = self.derivation.mask if self.derivation else None
        if self.answer is not None or derived is None or self.prompts.mask is not None:
            return self.prompts
        return replace(self.prompts, mask=derived.unpack())

    @property
    def previous(self) -> MaskPrediction | None:
        """Answer to be refined: only if prompts were added and none changed."""
        if self.answer is None or not _adds(self.prompts, self.answer.prompts):
            return None
        return self.answer.prediction

    def painted_mask(self) -> npt.NDArray[np.bool_] | None:
        """Return the pixels that were edited by hand.

        Returns
        -------
        (H, W) bool array or None
            None if there are none.
        """
        return None if self.painted is None else self.painted.unpack()

    def with_painted(self, pixels: npt.NDArray[np.bool_]) -> PlaneRecord:
        """Return a copy with more pixels edited by hand.

        Parameters
        ----------
        pixels : (H, W) bool array
            The new ones.

        Returns
        -------
        PlaneRecord
            This record is unchanged.
        """
        earlier = self.painted_mask()
        together = pixels if earlier is None else pixels | earlier
        return replace(self, painted=PackedArray.of(together))


def same_prompts(prompts: Prompts, other: Prompts) -> bool:
    """Whether two sets of prompts ask the same.

    Parameters
    ----------
    prompts, other : Prompts
        Compared by value.

    Returns
    -------
    bool
        Whether nothing differs.
    """
    return prompts.extends(other) and _counts(prompts) == _counts(other)


def _adds(prompts: Prompts, earlier: Prompts) -> bool:
    return prompts.extends(earlier) and _counts(prompts) != _counts(earlier)


def _counts(prompts: Prompts) -> tuple[int, int]:
    return len(prompts.points), len(prompts.scribbles)
