"""The network that a session was made with: chosen again, or told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_adapter.model.families.preparation import PREPROCESSINGS
from napari_sam_adapter.volume.saving.described import is_same_predictor
from napari_sam_adapter.weight_store.entries import Kind, find_entry
from napari_sam_adapter.weight_store.folder import file_sum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.state import ModelChoice
    from napari_sam_adapter.volume.saving.replaying import ReplayStep


class SessionNetwork:
    """The last network of a session that is being opened.

    Its files are looked for on the worker thread, with the last step of the opening.
    """

    def __init__(self) -> None:
        self._description: dict[str, str] = {}
        self._is_here = False

    def looked_for(self, steps: Iterator[ReplayStep]) -> Iterator[ReplayStep]:
        """Pass the steps of an opening on, and look for the files of the network.

        Parameters
        ----------
        steps : iterator of ReplayStep
            From `replay_steps` or `open_session_steps`.

        Yields
        ------
        ReplayStep
            The same.
        """
        for step in steps:
            if step.done == step.total and step.session.log.descriptions:
                self._description = step.session.log.descriptions[-1]
                self._is_here = all(_is_here(self._description, kind) for kind in Kind)
            yield step

    def choose(self, controller: Controller) -> str:
        """Choose the network for the next click, if its files are what they were.

        Parameters
        ----------
        controller : Controller
            Whose network it becomes; it is not loaded yet.

        Returns
        -------
        str
            A sentence if another network was chosen, or is used from now on.
        """
        about, state = self._description, controller.state
        predictor = controller.segmenter.predictor
        in_use = predictor.description if predictor is not None else {}
        is_loaded = controller.segmenter.is_loaded
        if "model" not in about:  # a predictor of somebody's own
            return ""
        if is_loaded and is_same_predictor(about, in_use):
            return ""
        adapter = about.get("adapter")
        made_with = f"It was made with {_named(about['model'], adapter)}"
        if not self._is_here:
            now = _named(state.model.model, state.model.adapter)
            return f"{made_with}, whose files of then are not here: clicks use {now}."
        wanted = replace(
            state.model,
            model=about["model"],
            adapter=adapter,
            preprocessing=_preprocessing(about, state.model),
        )
        if wanted == state.model:
            return ""
        controller.choose_model(wanted)
        return f"{made_with}, which the next click uses."


def _is_here(description: Mapping[str, str], kind: Kind) -> bool:
    """Return whether the file of a part, if there is one, is the same as then."""
    name = description.get(kind.value)
    if name is None:
        return True
    entry = find_entry(name, kind)
    path = Path(name) if entry is None else entry.path
    try:
        return file_sum(path) == description.get(f"{kind.value}_sha256")
    except OSError:
        return False


def _preprocessing(description: Mapping[str, str], choice: ModelChoice) -> str | None:
    """Return what has to be said of a file that may not tell it by itself."""
    model, told = description["model"], description.get("preprocessing")
    if model == choice.model:
        return choice.preprocessing
    is_file = find_entry(model, Kind.MODEL) is None
    return told if is_file and told in PREPROCESSINGS else None


def _named(model: str, adapter: str | None) -> str:
    name = Path(model).name
    return name if adapter is None else f"{name} and the adapter {Path(adapter).name}"
