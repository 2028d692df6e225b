"""What is measured, and how: interactive, prompt-free, propagation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_sam_adapter.errors import EvaluationError

if TYPE_CHECKING:
    from napari_sam_adapter.intensity import IntensityMapping

TARGETS = (0.8, 0.9)
"""IoU to be reached in the count of prompts."""
Start = Literal["point", "box"]


@dataclass(frozen=True)
class Interactive:
    """A simulated user asks for one object after the other and corrects the answers.

    The first prompt is the point farthest from the object's border, or its tight box;
    each correction is a click in the centre of the largest error.

    Parameters
    ----------
    start : str
        ``"point"`` or ``"box"``.
    corrections : int
        Clicks after the first prompt.
    objects : int or None
        Largest number of objects of one picture or plane, drawn at random; None for
        all.
    smallest_object : int
        Objects with fewer pixels are left out.
    plane_step : int
        Of volumes, every how many planes are looked at; of those with labels on single
        slices all of these are.
    instances : bool or None
        Whether labels number objects, so that mSA and SA50 mean something; None to
        take it from the labels: yes if an image has more than three.
    seed : int
        Of the random choices and of the bootstrap.
    intensity : IntensityMapping or None
        Through which all images are seen; by default the window of the adapter, or
        else that of each image.

    Raises
    ------
    EvaluationError
        If a number is out of range.
    """

    start: Start = "point"
    corrections: int = 7
    objects: int | None = None
    smallest_object: int = 30
    plane_step: int = 8
    instances: bool | None = None
    seed: int = 0
    intensity: IntensityMapping | None = None

    def __post_init__(self) -> None:
        _check_start(self.start)
        _check_least("corrections", self.corrections, 0)
        _check_least("plane_step", self.plane_step, 1)
        _check_objects(self.objects, self.smallest_object, self.seed)

    @property
    def name(self) -> str:
        """One word."""
        return "interactive"

    @property
    def rounds(self) -> range:
        """Numbers of prompts after which the answer is judged, from 1."""
        return range(1, self.corrections + 2)

    @property
    def object_columns(self) -> tuple[str, ...]:
        """What is known of every object."""
        counts = (f"{word}_{t}" for t in TARGETS for word in ("prompts_to", "missed"))
        return (*self._after("iou"), *self._after("dice"), *counts)

    @property
    def image_columns(self) -> tuple[str, ...]:
        """What is known of every picture or plane; `objects` counts its labels."""
        return ("objects", *self._after("iou"), *self._after("dice"),
                *self._after("msa"), *self._after("sa50"))  # fmt: skip

    def _after(self, metric: str) -> list[str]:
        return [f"{metric}_{number}" for number in self.rounds]


@dataclass(frozen=True)
class PromptFree:
    """The network marks all objects of a picture by itself.

    Parameters
    ----------
    plane_step : int
        Of volumes, every how many planes are looked at; of those with labels on single
        slices all of these are.
    stretch : bool
        Whether maps are stretched to 0..1 for S-measure, E-measure, weighted F and
        MAE, as in the papers. Dice, IoU and BER take them as they are.
    seed : int
        Of the bootstrap.
    intensity : IntensityMapping or None
        Through which all images are seen; by default the window of the adapter, or
        else that of each image.

    Raises
    ------
    EvaluationError
        If a number is out of range.
    """

    plane_step: int = 8
    stretch: bool = True
    seed: int = 0
    intensity: IntensityMapping | None = None

    def __post_init__(self) -> None:
        _check_least("plane_step", self.plane_step, 1)
        _check_least("seed", self.seed, 0)

    @property
    def name(self) -> str:
        """One word."""
        return "prompt-free"

    @property
    def object_columns(self) -> tuple[str, ...]:
        """Nothing: objects are not told apart."""
        return ()

    @property
    def image_columns(self) -> tuple[str, ...]:
        """What is known of every picture or plane."""
        return (
            "dice", "iou", "s_measure", "e_measure", "weighted_f", "mae", "ber",
        )  # fmt: skip


@dataclass(frozen=True)
class Propagation:
    """One prompt on an object's middle slice, followed through the volume.

    Parameters
    ----------
    start : str
        ``"point"`` or ``"box"``.
    objects : int or None
        Largest number of objects of one volume, drawn at random; None for all.
    smallest_object : int
        Objects with fewer voxels are left out.
    seed : int
        Of the random choices and of the bootstrap.
    intensity : IntensityMapping or None
        Through which all images are seen; by default the window of the adapter, or
        else that of each image.

    Raises
    ------
    EvaluationError
        If a number is out of range.
    """

    start: Start = "point"
    objects: int | None = None
    smallest_object: int = 30
    seed: int = 0
    intensity: IntensityMapping | None = None

    def __post_init__(self) -> None:
        _check_start(self.start)
        _check_objects(self.objects, self.smallest_object, self.seed)

    @property
    def name(self) -> str:
        """One word."""
        return "propagation"

    @property
    def object_columns(self) -> tuple[str, ...]:
        """What is known of every object."""
        return (
            "dice", "iou", "surface_dice", "stopped_early", "stopped_late",
            "seed_iou", "slices",
        )  # fmt: skip

    @property
    def image_columns(self) -> tuple[str, ...]:
        """What is known of every volume: means over its objects."""
        return ("objects", *self.object_columns)


EvaluationProtocol = Interactive | PromptFree | Propagation


def _check_start(start: str) -> None:
    if start not in ("point", "box"):
        raise EvaluationError(f"Expected to start with point or box, got {start!r}.")


def _check_objects(limit: int | None, smallest: int, seed: int) -> None:
    if limit is not None:
        _check_least("objects", limit, 1)
    _check_least("smallest_object", smallest, 1)
    _check_least("seed", seed, 0)


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise EvaluationError(f"Expected {name} from {least}, got {value}.")
