"""What a predictor answers and understands, and what the volume code needs of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from napari_sam_adapter.drawings import SCRIBBLE_POINTS
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.mask_fields import HasMask
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.prompts import Prompts


LARGE = 2
"""Planes longer than this times the side of the network's input are cut."""


@dataclass(frozen=True)
class MaskCandidate(HasMask):
    """One of several masks that fit an ambiguous prompt.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on the plane.
    score : float
        The network's own estimate of the IoU, about 0 to 1.
    logits : (h, w) float32 array
        Low-resolution logits, to be fed back with the next prompt.
    box : (row_start, column_start, row_stop, column_stop) or None
        As of `MaskPrediction`.
    """

    mask: npt.NDArray[np.bool_]
    score: float
    logits: npt.NDArray[np.float32]
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class MaskPrediction(HasMask):
    """The answer to the prompts of one object on one plane.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on the plane. `boxed_mask` is the same without the plane around it.
    score : float
        The network's own estimate of the IoU, about 0 to 1. Where that is not trusted,
        the stability of the mask: its area at a higher threshold, divided by its area
        at a lower one.
    logits : (h, w) float32 array
        Low-resolution logits of this mask.
    candidates : tuple of MaskCandidate
        All masks for an ambiguous prompt, best score first; else one.
    score_is_trusted : bool
        Whether the score may be shown as a quality. It may not for networks that were
        tuned without it, such as published SAM-Adapters.
    window : (top, left, bottom, right) or None
        Part of a large plane that the network looked at, half-open; None for all.
    box : (row_start, column_start, row_stop, column_stop) or None
        Half-open, in pixels: no pixel outside belongs to the mask, so that nobody has
        to look there. None where nothing is known.
    """

    mask: npt.NDArray[np.bool_]
    score: float
    logits: npt.NDArray[np.float32]
    candidates: tuple[MaskCandidate, ...] = ()
    score_is_trusted: bool = True
    window: tuple[int, int, int, int] | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Capabilities:
    """Which prompts a network understands, and whether its score means anything.

    Parameters
    ----------
    negative_points : bool
        Whether points and scribbles beside the object are understood.
    mask_prompts : bool
        Whether a rough mask is understood; without, earlier answers do not go in again.
    max_points : int or None
        Most points of one object, of which a box counts two; None for no limit.
    score_is_trusted : bool
        Whether the network was trained to judge its masks.
    """

    negative_points: bool = True
    mask_prompts: bool = True
    max_points: int | None = None
    score_is_trusted: bool = True

    @property
    def scribbles(self) -> bool:
        """Whether there is room for the points that stand for a scribble."""
        return self.max_points is None or self.max_points >= SCRIBBLE_POINTS

    def check(self, prompts: Prompts) -> None:
        """Raise unless the network understands these prompts.

        Parameters
        ----------
        prompts : Prompts
            What is asked.

        Raises
        ------
        PromptError
            If a prompt is of a kind that the network was not made for.
        """
        points, signs = prompts.all_points()
        if not self.negative_points and not signs.all():
            raise PromptError(
                "Expected only points on the object, because this network does not "
                "understand points on the background. Remove them, or draw a box."
            )
        if not self.mask_prompts and prompts.boxed_mask is not None:
            raise PromptError(
                "Expected points or a box, because this network does not understand "
                "mask prompts. Give the box of the mask instead."
            )
        count = len(points) + 2 * (prompts.box is not None)
        if self.max_points is not None and count > self.max_points:
            raise PromptError(
                f"Expected at most {counted(self.max_points, 'point')} for this "
                f"network, got {count}. A box counts two, a scribble up to eight. "
                "Remove some."
            )

    def understood(self, prompts: Prompts) -> Prompts:
        """Return prompts that stand for an earlier mask, as far as they are understood.

        Parameters
        ----------
        prompts : Prompts
            A mask, its box, points in it and beside it.

        Returns
        -------
        Prompts
            With a box, without the mask, the points beside the object, and the points
            that are too many; without a box, unchanged.
        """
        if prompts.box is None or self == ALL_PROMPTS:
            return prompts
        points, signs = prompts.points, prompts.signs
        kept = signs | self.negative_points
        room = None if self.max_points is None else self.max_points - 2
        return replace(
            prompts,
            points=points[kept][:room],
            polarities=signs[kept][:room],
            mask=prompts.boxed_mask if self.mask_prompts else None,
        )


ALL_PROMPTS = Capabilities()
"""What SAM understands."""


class Predictor(Protocol):
    """What the volume code needs: pixels to an embedding, prompts to masks.

    The embedding is opaque: whatever `encode` returns goes back into `predict`.
    Both are stateless and may be called from several threads at once.
    """

    @property
    def description(self) -> dict[str, str]:
        """Model, adapter, their hashes, device and number format."""

    @property
    def capabilities(self) -> Capabilities:
        """Which prompts are understood, and whether the score means anything."""

    @property
    def image_size(self) -> int:
        """Longest side that a plane has inside the network, in pixels."""

    def encode(self, image: npt.NDArray[Any]) -> Any:
        """Embed one plane, (H, W) or (H, W, 3)."""

    def predict(
        self, embedding: Any, prompts: Prompts, previous: MaskPrediction | None = None
    ) -> MaskPrediction:
        """Segment one object; `previous` is its last answer on this plane."""

    def predict_many(
        self, embedding: Any, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Segment several objects in one pass."""


@runtime_checkable
class ReducingPredictor(Predictor, Protocol):
    """A predictor that may be shown a plane with fewer pixels than it has."""

    def encode_reduced(self, image: npt.NDArray[Any], shape: tuple[int, int]) -> Any:
        """Embed a plane of some shape from a smaller picture of it."""


@runtime_checkable
class PackingPredictor(Predictor, Protocol):
    """A predictor whose embeddings can be kept: as plain arrays, and back."""

    def encode_batch(self, images: Sequence[npt.NDArray[Any]]) -> list[Any]:
        """Embed several planes of one size."""

    def encode_rounded(self, image: npt.NDArray[Any], shape: tuple[int, int]) -> Any:
        """Embed a plane of some shape as `unpack` will give it back, bit for bit."""

    def pack(self, embedding: Any) -> dict[str, npt.NDArray[np.float16]]:
        """Return what is to be kept of an embedding, in half precision."""

    def unpack(
        self,
        arrays: Mapping[str, npt.NDArray[np.float16]],
        image: npt.NDArray[Any],
        shape: tuple[int, int],
    ) -> Any:
        """Return the embedding of a plane of some shape from arrays and pixels.

        `image` is what was embedded, (H, W) or (H, W, 3): what follows from it quickly
        need not be among the arrays.
        """


@runtime_checkable
class NearbyPredictor(Predictor, Protocol):
    """A predictor with a shorter way for objects that lie where their boxes are."""

    def predict_nearby(
        self, embedding: Any, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Segment several objects, each in the surroundings of its box."""


@runtime_checkable
class ForegroundPredictor(Predictor, Protocol):
    """A predictor that can be asked without a prompt."""

    @property
    def marks_objects(self) -> bool:
        """Whether it was trained to mark all objects then."""

    def foreground(self, embedding: Any) -> npt.NDArray[np.float32]:
        """Return for each pixel the probability that it belongs to an object."""


def named(predictor: Predictor) -> str:
    """Return what people call a predictor.

    Parameters
    ----------
    predictor : Predictor
        Described by what it is made of.

    Returns
    -------
    str
        Such as ``"tiny with microscopy"``.
    """
    about = predictor.description
    return " with ".join(about[k] for k in ("model", "adapter") if k in about)


def learned_window(predictor: object) -> IntensityMapping | None:
    """Return the window to 8 bits that an adapter was trained through.

    Parameters
    ----------
    predictor : Predictor or None
        May tell it as its `intensity`.

    Returns
    -------
    IntensityMapping or None
        None if each image has its own.
    """
    found = getattr(predictor, "intensity", None)
    return found if isinstance(found, IntensityMapping) else None


def trained_window(predictor: object, image: object) -> IntensityMapping | None:
    """Return the window to 8 bits that an image should be seen through.

    Parameters
    ----------
    predictor : Predictor or None
        As for `learned_window`.
    image : array
        The image.

    Returns
    -------
    IntensityMapping or None
        None where each image has its own, as those of 8 bits.
    """
    is_8_bits = getattr(image, "dtype", None) == np.uint8
    return None if is_8_bits else learned_window(predictor)


def learned_from(predictor: object) -> frozenset[str]:
    """Return fingerprints of the labels that a predictor's adapter was trained on.

    Parameters
    ----------
    predictor : Predictor
        May tell them as its `learned_from`.

    Returns
    -------
    frozenset of str
        See `datasets.fingerprints`; empty where nothing is known.
    """
    found = getattr(predictor, "learned_from", None)
    return found if isinstance(found, frozenset) else frozenset()


def is_large(shape: tuple[int, int], side: int) -> bool:
    """Return whether a plane is to be looked at in parts.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the network's input.

    Returns
    -------
    bool
        True if the plane is more than `LARGE` times as long.
    """
    return max(shape) > LARGE * side
