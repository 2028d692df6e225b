"""How commands get their network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from napari_sam_adapter.predictions import Predictor

if TYPE_CHECKING:
    import typer

Loader = Callable[[str, str | None, str], Predictor]
"""Model, adapter and device to a predictor."""


def load_from_disk(model: str, adapter: str | None, device: str) -> Predictor:
    """Load a network from its file; what is missing is downloaded after a question.

    Parameters
    ----------
    model : str
        Name or path.
    adapter : str or None
        Name or path.
    device : str
        ``"auto"`` or a device of this machine.

    Returns
    -------
    Predictor
        Ready to use.
    """
    from napari_sam_adapter.cli.downloading import fetch_missing

    fetch_missing(model, adapter)
    from napari_sam_adapter.inference.loading import load_predictor

    return load_predictor(model, adapter=adapter, device=device)


def loader_of(context: typer.Context) -> Loader:
    """Return the loader that `main` was called with.

    Parameters
    ----------
    context : typer.Context
        Of the running command.

    Returns
    -------
    Loader
        `load_from_disk` if nothing else was given.
    """
    return cast("Loader", context.obj or load_from_disk)
