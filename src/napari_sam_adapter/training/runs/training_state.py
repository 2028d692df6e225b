"""The file from which a stopped training goes on, whole or not there."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import torch

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.inference.predictor.weights import find_weights
from napari_sam_adapter.model.files.weight_files import file_hash, whole_file
from napari_sam_adapter.training.progress.progress import Validation
from napari_sam_adapter.training.samples.samples import digest_of
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

    Origin = Mapping[str, str]


def origin_of(
    config: TrainingConfig, base_sha256: str, samples: Sequence[Sample]
) -> Origin:
    """Return what tells what a training is made from, beside its options.

    Parameters
    ----------
    config : TrainingConfig
        Names the adapter to start from.
    base_sha256 : str
        Hash of the base model's file.
    samples : sequence of Sample
        All that it looks at.

    Returns
    -------
    dict of str to str
        Hashes of samples, base and start; without a start that the output replaces.
    """
    origin = {"data": digest_of(samples), "base_sha256": base_sha256}
    if config.start is not None:
        start = find_weights(config.start, Kind.ADAPTER)
        if start.resolve() != config.output.resolve():
            origin["start_sha256"] = file_hash(start)
    return origin


def save_state(
    path: Path, content: dict[str, Any], config: TrainingConfig, origin: Origin
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
    origin : dict of str to str
        The same of what it is made from, see `origin_of`.

    Raises
    ------
    OutputError
        If it cannot be written; the file that was there stays.
    """
    plain = content | {
        "history": [astuple(entry) for entry in content["history"]],
        "config": config.identity,
        **origin,
    }
    with whole_file(path) as partial:
        torch.save(plain, partial)


def load_state(path: Path, config: TrainingConfig, origin: Origin) -> dict[str, Any]:
    """Read the state of a training.

    Parameters
    ----------
    path : Path
        File of `save_state`.
    config : TrainingConfig
        Has to be the one of the stopped training.
    origin : dict of str to str
        `origin_of` it, which has to be that of the stopped training.

    Returns
    -------
    dict
        As it was given to `save_state`, with all tensors on the CPU.

    Raises
    ------
    TrainingError
        If the file cannot be used, or belongs to a training with other options,
        samples or weights.
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
    _check_origin(content, config, origin)
    return content


def _check_origin(
    content: Mapping[str, Any], config: TrainingConfig, origin: Origin
) -> None:
    """Raise unless the training is made from the same; early states tell samples."""
    if content.get("data") != origin["data"]:
        raise TrainingError(
            "Expected to resume with the images, labels and window (--intensity) of "
            "the training as it was started, got others, or a state of an earlier "
            "version that held other images back. Use those, or start anew without "
            "resume (--from goes on from an adapter with other images)."
        )
    for key, name in (("base_sha256", config.base), ("start_sha256", config.start)):
        if content.get(key, origin.get(key)) != origin.get(key):
            raise TrainingError(
                f"Expected to resume with the weights in {name} as they were when "
                "the training was started, got others. Put those back, or start "
                "without resume."
            )
