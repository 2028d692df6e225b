"""The recipe of a base model: one frozen, validated value, read from a TOML file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.plain_numbers import check_numbers

WARM_UP_STEPS = 100


@dataclass(frozen=True)
class Phase:
    """A stretch of training at one image size.

    Parameters
    ----------
    image_size : int
        Side of the network input in pixels, a multiple of 64.
    steps : int
        Optimiser steps.
    batch : int
        Images per step.
    objects : int
        Objects per image.
    corrections : int
        Simulated clicks after the first prompt.
    learning_rate : (float, float)
        At the start and at the end, joined by half a cosine.
    trains : str
        ``"everything"``, or ``"quality"``: how the averaged network judges its masks,
        which stay as they are.
    """

    image_size: int
    steps: int
    batch: int
    objects: int = 4
    corrections: int = 2
    learning_rate: tuple[float, float] = (5e-4, 1e-5)
    trains: Literal["everything", "quality"] = "everything"

    def __post_init__(self) -> None:
        check_numbers(self, TrainingError)
        first, last = self.learning_rate
        object.__setattr__(self, "learning_rate", (float(first), float(last)))
        if self.image_size % 64 or self.image_size <= 0:
            raise TrainingError(
                f"Expected an image size that 64 divides, got {self.image_size}."
            )
        if min(self.steps, self.batch, self.objects) < 1 or self.corrections < 0:
            raise TrainingError(
                f"Expected positive steps, batch and objects, got {self}."
            )
        if self.trains not in ("everything", "quality"):
            raise TrainingError(
                'Expected a phase that trains "everything" or "quality", got '
                f"{self.trains!r}."
            )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the weights become.

    Parameters
    ----------
    phases : tuple of Phase
        Run one after the other.
    model : str
        Name of the shape; only ``"tiny"`` is known.
    sets : dict of str to float
        Data sets and how often each is drawn, relative to the others.
    synthetic_share : float
        Share of images that a program draws, 0 to 1.
    no_prompt_share : float
        Share of steps without any prompt; the target is then the whole foreground.
    weight_decay : float
        Of matrices; vectors have none.
    ema_decay : float
        Of the running average of the weights, which is what is saved.
    seed : int
        Start of all randomness.
    """

    phases: tuple[Phase, ...]
    model: str = "tiny"
    sets: dict[str, float] = field(default_factory=dict)
    synthetic_share: float = 0.3
    no_prompt_share: float = 0.1
    weight_decay: float = 0.05
    ema_decay: float = 0.998
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, TrainingError)
        object.__setattr__(self, "sets", checked_sets(self.sets))
        if self.model != "tiny":
            raise TrainingError(f'Expected the model "tiny", got {self.model!r}.')
        if not self.phases:
            raise TrainingError("Expected a recipe with at least one phase, got none.")
        if not self.sets and self.synthetic_share < 1:
            raise TrainingError(
                "Expected data sets or a synthetic share of 1, got neither."
            )

    @property
    def total_steps(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def locate(self, step: int) -> tuple[int, int]:
        """Return the phase of a step and the step within it."""
        for number, phase in enumerate(self.phases):
            if step < phase.steps:
                return number, step
            step -= phase.steps
        raise IndexError("the step lies beyond the last phase")

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted over all phases."""
        number, within = self.locate(step)
        phase = self.phases[number]
        start, end = phase.learning_rate
        half_cosine = 0.5 * (1 + math.cos(math.pi * within / phase.steps))
        warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
        return warm_up * (end + (start - end) * half_cosine)


def checked_sets(sets: object) -> dict[str, float]:
    """Return how often each data set of a recipe is drawn.

    Parameters
    ----------
    sets : dict of str to number
        As the recipe has it.

    Returns
    -------
    dict of str to float
        The same.

    Raises
    ------
    TrainingError
        If it is no table, or a weight is no number above 0.
    """
    if not isinstance(sets, dict):
        raise TrainingError(f"Expected sets with their weights, got {sets!r}.")
    for name, weight in sets.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and 0 < weight < math.inf):
            raise TrainingError(
                f"Expected a weight above 0 for the set {name}, got {weight!r}."
            )
    return {name: float(weight) for name, weight in sets.items()}


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : str or Path
        A TOML file, or the name of a recipe in the package, such as ``"tiny"``.

    Returns
    -------
    Recipe
        The validated recipe.

    Raises
    ------
    TrainingError
        If there is no such recipe or a key is unknown.
    """
    try:
        return _to_recipe(read_toml(name))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(
            f"Expected the recipe tiny or a TOML file, got {name!r}: {about(error)}."
        ) from error


def read_toml(name: str | Path) -> dict[str, Any]:
    """Read the content of a recipe.

    Parameters
    ----------
    name : str or Path
        A TOML file, or the name of a recipe in the package.

    Returns
    -------
    dict
        Nothing in it is checked. Errors are left to the caller.
    """
    path = Path(name)
    package = resources.files("napari_sam_adapter.training") / "recipes"
    source = path if path.suffix == ".toml" else package / f"{name}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def about(error: Exception) -> str:
    """Say why a recipe cannot be read.

    Parameters
    ----------
    error : Exception
        What reading it raised.

    Returns
    -------
    str
        Without the path of a file inside the package.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _to_recipe(content: dict[str, Any]) -> Recipe:
    phases = tuple(Phase(**phase) for phase in content.pop("phases", []))
    return Recipe(phases=phases, **content)
