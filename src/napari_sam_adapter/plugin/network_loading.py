"""How the plugin gets the network that the user chose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.state import ModelChoice
from napari_sam_adapter.plugin.weights_state import check_here

if TYPE_CHECKING:
    from napari_sam_adapter.predictions import Predictor

Loader = Callable[[ModelChoice], "Predictor"]


def load_from_disk(choice: ModelChoice) -> Predictor:
    """Load the network that the user chose; runs on the worker thread.

    Parameters
    ----------
    choice : ModelChoice
        Model, adapter, device and preprocessing.

    Returns
    -------
    Predictor
        Ready to use.

    Raises
    ------
    CheckpointError
        If something has to be downloaded first, or a file cannot be used.
    """
    check_here(choice)
    from napari_sam_adapter.inference.loading import load_predictor

    return load_predictor(
        choice.model,
        adapter=choice.adapter,
        device=choice.device,
        dtype=choice.dtype,
        preprocessing=choice.preprocessing,
    )
