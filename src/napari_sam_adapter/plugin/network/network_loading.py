"""How the plugin gets the network that the user chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.plugin.network.weights_state import check_here
from napari_sam_adapter.plugin.state import ModelChoice
from napari_sam_adapter.plugin.torch_import import torch_on_its_way
from napari_sam_adapter.volume.saving.described import DescribedPredictors

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
    with torch_on_its_way():
        from napari_sam_adapter.inference.predictor.loading import load_predictor
    return load_predictor(
        choice.model,
        adapter=choice.adapter,
        device=choice.device,
        dtype=choice.dtype,
        preprocessing=choice.preprocessing,
    )


class NetworkLoader:
    """Loads networks; one that differs only by its adapter shares the last one's base.

    One call at a time, on the worker thread.
    """

    def __init__(self) -> None:
        self._last: tuple[ModelChoice, Predictor] | None = None

    def __call__(self, choice: ModelChoice) -> Predictor:
        """Load the network that the user chose, or change its adapter.

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
        known = self._last
        if known is not None and replace(known[0], adapter=choice.adapter) == choice:
            predictor = with_adapter(known[1], choice.adapter)
        else:
            self._last = known = None  # two large networks may not fit
            predictor = load_from_disk(choice)
        self._last = choice, predictor
        return predictor


def with_adapter(predictor: Predictor, adapter: str | None) -> Predictor:
    """Return a predictor with another adapter on the same base; the base is shared.

    Parameters
    ----------
    predictor : Predictor
        The network in use.
    adapter : str or None
        Name or path.

    Returns
    -------
    Predictor
        A second one.

    Raises
    ------
    CheckpointError
        If the network takes no adapters, or not this one.
    """
    change = getattr(predictor, "with_adapter", None)
    if change is None:
        raise CheckpointError("Expected a model that takes adapters. Choose another.")
    changed: Predictor = change(adapter)
    return changed


def described_predictors(load: Loader, known: Predictor | None) -> DescribedPredictors:
    """Return what finds the predictors that a journal names.

    Parameters
    ----------
    load : Loader
        Loads what is not known; called on the worker thread.
    known : Predictor or None
        The network in use.

    Returns
    -------
    DescribedPredictors
        For one journal.
    """

    def load_described(
        model: str,
        adapter: str | None,
        device: str,
        dtype: str,
        preprocessing: str | None,
    ) -> Predictor:
        return load(ModelChoice(model, adapter, device, preprocessing, dtype))

    return DescribedPredictors(load_described, [known] if known else [])
