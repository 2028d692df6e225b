"""The file from which a stopped training goes on, whole or not there."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import torch

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.model.weight_files import whole_file
from napari_sam_adapter.training.progress import Validation

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.training.config import TrainingConfig


def save_state(
    path: Path, content: dict[str, Any], config: TrainingConfig, data: str
) -> None:
    """Write the state of a training.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    content : dict
        Tensors, numbers and text, and the list of `Validation` as ``"history"``.
    config : TrainingConfig
        Written along, so that only the same training goes on.
    data : str
        The same of its samples, see `digest_of`.

    Raises
    ------
    OutputError
        If it cannot be written; the file that was there stays.
    """
    plain = content | {
        "history": [astuple(entry) for entry in content["history"]],
        "config": config.identity,
        "data": data,
    }
    with whole_file(path) as partial:
        torch.save(plain, partial)


def load_state(path: Path, config: TrainingConfig, data: str) -> dict[str, Any]:
    """Read the state of a training.

    Parameters
    ----------
    path : Path
        File of `save_state`.
    config : TrainingConfig
        Has to be the one of the stopped training.
    data : str
        `digest_of` its samples, which have to be those of the stopped training.

    Returns
    -------
    dict
        As it was given to `save_state`, with all tensors on the CPU.

    Raises
    ------
    TrainingError
        If the file cannot be used, or belongs to a training with other options
        or samples.
    """
    if not (path.is_file() and config.output.is_file()):
        raise TrainingError(
            f"Expected a stopped training at {path} and its adapter beside it, found "
            "none. Start without resume."
        )
    try:
        # optimisers count steps on the CPU, and move the rest themselves
        content: dict[str, Any] = torch.load(
            path, map_location="cpu", weights_only=True
        )
        other = content["config"]
        content["history"] = [Validation(*entry) for entry in content["history"]]
    except Exception as error:
        raise TrainingError(
            f"Expected a training state at {path}, but it cannot be used "
            f"({type(error).__name__}). Start without resume."
        ) from error
    identity = config.identity
    changed = [name for name in identity if identity[name] != other.get(name)]
    if changed:
        name = changed[0]
        raise TrainingError(
            f"Expected to resume with {name} = {other.get(name)}, as it was started, "
            f"got {identity[name]}. Use that, or start without resume."
        )
    if content.get("data") != data:
        raise TrainingError(
            "Expected to resume with the images, labels and window (--intensity) of "
            "the training as it was started, got others. Use those, or start anew "
            "without resume (--from goes on from an adapter with other images)."
        )
    return content
