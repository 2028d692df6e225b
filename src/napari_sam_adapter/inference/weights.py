"""From the name of a model or adapter to its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.weight_files import download

if TYPE_CHECKING:
    from napari_sam_adapter.model.variants import ModelVariant

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"


def find_weights(name: str, table: dict[str, ModelVariant], kind: str) -> Path:
    """Return the file of a named or given set of weights.

    Parameters
    ----------
    name : str
        A name of the table, or a path.
    table : dict of str to ModelVariant
        What has a name.
    kind : str
        How messages call it: model or adapter.

    Returns
    -------
    Path
        Shipped, in the cache folder, or the given one.

    Raises
    ------
    CheckpointError
        If there is no such name or file, or it cannot be downloaded.
    """
    variant = table.get(name)
    if variant is None:
        path = Path(name)
        if path.is_file():
            return path
        names = ", ".join(table) or "none yet"
        raise CheckpointError(
            f"Expected the name of a {kind} ({names}) or a file, got {name!r}. "
            "Check the spelling or the path."
        )
    return WEIGHTS_FOLDER / variant.file if variant.file else download(variant)
