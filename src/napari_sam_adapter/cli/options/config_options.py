"""Options of a command made from the fields of `TrainingConfig`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = {"output": ("--output", "-o"), "start": ("--from",)}
"""Options that are not called as their field."""


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every field of `TrainingConfig`.

    Parameters
    ----------
    command : callable
        Its first argument receives the values that were given, by name.

    Returns
    -------
    callable
        For typer; options that are not given are not passed on, so that a recipe's
        values or the defaults hold.
    """
    from napari_sam_adapter.training.recipes.config import TrainingConfig

    hints = get_type_hints(TrainingConfig)
    options = [_option(entry, hints[entry.name]) for entry in fields(TrainingConfig)]
    names = [option.name for option in options]

    def run(**given: Any) -> None:
        values = {name: given.pop(name) for name in names}
        chosen = {name: value for name, value in values.items() if value is not None}
        command(chosen, **given)

    own = _own_parameters(command)
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    return run


def _own_parameters(command: Callable[..., None]) -> list[inspect.Parameter]:
    hints = get_type_hints(command, include_extras=True)
    _, *parameters = inspect.signature(command).parameters.values()
    return [
        p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for p in parameters
    ]


def _option(entry: Field[Any], hint: Any) -> inspect.Parameter:
    about = entry.metadata.get("help", "The adapter to write, NAME.safetensors.")
    choices = entry.metadata.get("choices")
    if choices:
        about = f"{about}: {', '.join(choices)}."
    default = entry.default
    if isinstance(default, tuple):  # names, with commas between
        default = ",".join(default)
    if get_origin(hint) is Literal or isinstance(default, str):
        hint = str
    required = default is MISSING
    if not required and default is not None:
        about = f"{about} [default: {default}]"
    names = NAMES.get(entry.name, ())
    kind = Path if required else hint | None
    return inspect.Parameter(
        entry.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind, typer.Option(*names, help=about)],
    )
