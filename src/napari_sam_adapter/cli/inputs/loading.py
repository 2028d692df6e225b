"""How commands get their network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import typer

    from napari_sam_adapter.predictions import Predictor


class Loader(Protocol):
    """What makes a predictor; see `load_from_disk`."""

    def __call__(
        self,
        model: str,
        adapter: str | None,
        device: str,
        dtype: str = "auto",
        preprocessing: str | None = None,
    ) -> Predictor:
        """Load a network."""


def load_from_disk(
    model: str,
    adapter: str | None,
    device: str,
    dtype: str = "auto",
    preprocessing: str | None = None,
) -> Predictor:
    """Load a network from its file; what is missing is downloaded after a question.

    Parameters
    ----------
    model : str
        Name or path.
    adapter : str or None
        Name or path.
    device : str
        ``"auto"`` or a device of this machine.
    dtype : str
        Number format; ``"auto"`` takes the faster one.
    preprocessing : str or None
        How the network wants its images; None where its file tells it.

    Returns
    -------
    Predictor
        Ready to use.
    """
    import typer

    from napari_sam_adapter.cli.inputs.downloading import fetch_missing

    fetch_missing(model, adapter)
    from napari_sam_adapter.inference.predictor.loading import load_predictor

    predictor = load_predictor(model, adapter, device, dtype, preprocessing)
    description = predictor.description
    if device == "auto":
        where = f"{description['device']} in {description['dtype']}"
        name = model if adapter is None else f"{model} with {adapter}"
        typer.echo(f"{name}: computing on {where}", err=True)
    if "note" in description:
        typer.echo(description["note"], err=True)
    return predictor


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
