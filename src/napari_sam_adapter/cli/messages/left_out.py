"""What commands say about pairs of a data set that they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_REFUSALS = 10


def tell_refused(refused: Sequence[str], strict: bool = False) -> None:
    """Name what is left out on the standard error.

    Parameters
    ----------
    refused : sequence of str
        One line for each.
    strict : bool
        Whether to refuse all because of it.

    Raises
    ------
    TrainingError
        If that is asked for, and there is some.
    """
    if not refused:
        return
    shown = list(refused[:SHOWN_REFUSALS])
    more = len(refused) - len(shown)
    if more:
        shown.append(f"and {more} more")
    if strict:
        raise TrainingError(
            f"Expected usable pairs with --strict, got {len(refused)} broken: "
            f"{'; '.join(shown)}. Repair them, or leave out --strict."
        )
    for line in shown:
        typer.echo(f"left out: {line}", err=True)
