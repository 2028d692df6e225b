"""Find the predictors that a journal names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam_adapter.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_adapter.predictions import Predictor

INCIDENTAL = {"version", "note"}
"""Parts of a description that do not change what a predictor says."""
OF_MACHINE = {"device", "dtype"}
"""Parts that change the last bits only."""


class DescribedLoader(Protocol):
    """Makes a predictor of the parts of its description; None where nothing is told."""

    def __call__(
        self,
        model: str,
        adapter: str | None,
        device: str,
        dtype: str,
        preprocessing: str | None,
    ) -> Predictor:
        """Load a network."""


class DescribedPredictors:
    """The predictors of a session, each loaded once.

    Parameters
    ----------
    load : DescribedLoader
        Loads what is not known yet.
    known : iterable of Predictor
        Loaded already.
    device : str or None
        Where to load to; by default where the session was made, which its exact
        repetition needs.
    """

    def __init__(
        self,
        load: DescribedLoader,
        known: Iterable[Predictor] = (),
        device: str | None = None,
    ) -> None:
        self._load = load
        self._known = list(known)
        self._device = device

    def __call__(self, description: dict[str, str]) -> Predictor:
        """Return the predictor of a description.

        Parameters
        ----------
        description : dict of str to str
            `Predictor.description`, as a journal keeps it.

        Returns
        -------
        Predictor
            The same, if its files still are.

        Raises
        ------
        CheckpointError
            If a file is missing, or cannot be used.
        DeviceError
            If this machine does not have the device of the session.
        """
        device = self._device or description.get("device", "auto")
        wanted = description | {"device": device}
        for predictor in self._known:
            if _without(predictor.description, INCIDENTAL) == _without(
                wanted, INCIDENTAL
            ):
                return predictor
        self._known.append(self._find(description, device))
        return self._known[-1]

    def _find(self, description: dict[str, str], device: str) -> Predictor:
        # Files mostly tell their preprocessing, and adapters bring their own:
        # only if the outcome is another one it has to be asked for.
        told = description.get("preprocessing")
        try:
            found = self._of(description, device, None)
        except CheckpointError:
            if told is None:
                raise
            return self._of(description, device, told)
        if told in {None, found.description.get("preprocessing")}:
            return found
        return self._of(description, device, told)

    def _of(
        self, description: dict[str, str], device: str, preprocessing: str | None
    ) -> Predictor:
        is_there = device == description.get("device")
        return self._load(
            description["model"],
            description.get("adapter"),
            device,
            description.get("dtype", "auto") if is_there else "auto",
            preprocessing,
        )


def is_same_predictor(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two descriptions mean the same network with the same weights.

    Parameters
    ----------
    one, other : mapping of str to str
        `Predictor.description`.

    Returns
    -------
    bool
        True even on another device or in another number format.
    """
    left_out = INCIDENTAL | OF_MACHINE
    return _without(one, left_out) == _without(other, left_out)


def _without(description: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {key: value for key, value in description.items() if key not in names}


def is_predictor(source: Any) -> bool:
    """Whether something is a predictor, which may be callable, and not what loads one.

    Parameters
    ----------
    source : Predictor or callable
        As in `replay`.

    Returns
    -------
    bool
        False for a class, too.
    """
    return isinstance(getattr(source, "description", None), Mapping)


def predictor_for(source: Any, description: dict[str, str]) -> Predictor:
    """Return a predictor that is given, or load the one of a description.

    Parameters
    ----------
    source : Predictor or callable
        As in `replay`.
    description : dict
        Of the one that was used.

    Returns
    -------
    Predictor
        May be another one.
    """
    predictor: Predictor = source if is_predictor(source) else source(description)
    return predictor
