"""Recipes of adapters: data sets and options in a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.training.recipes.config import TrainingConfig
from napari_sam_adapter.training.recipes.recipe import about, checked_sets, read_toml


@dataclass(frozen=True)
class AdapterRecipe:
    """What remakes an adapter.

    Parameters
    ----------
    options : dict
        Values of `TrainingConfig`, by name.
    sets : dict of str to float
        Data sets and how often each is drawn, relative to the others.
    """

    options: dict[str, Any] = field(default_factory=dict)
    sets: dict[str, float] = field(default_factory=dict)


def read_adapter_recipe(name: str) -> AdapterRecipe:
    """Read the recipe of an adapter.

    Parameters
    ----------
    name : str
        A TOML file, or a recipe of the package: ``"microscopy"`` or ``"medical"``.

    Returns
    -------
    AdapterRecipe
        With known options only.

    Raises
    ------
    TrainingError
        If there is no such recipe, an option is unknown, or a weight not above 0.
    """
    try:
        content = read_toml(name)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"Expected the recipe microscopy or medical, or a TOML file, got {name!r}: "
            f"{about(error)}."
        ) from error
    sets = checked_sets(content.pop("sets", {}))
    known = {entry.name for entry in fields(TrainingConfig)} - {"output"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise TrainingError(
            f"Expected options of an adapter training in {name}, got {unknown[0]!r}."
        )
    return AdapterRecipe(content, sets)
