"""What a training on layers works on, and the work itself; knows no layers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SamAdapterError, TrainingError
from napari_sam_adapter.intensity import CONTRAST, LEARNED, IntensityMapping
from napari_sam_adapter.plugin.torch_import import torch_on_its_way
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.planes.spoken import name_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.training.progress.progress import TrainingProgress
    from napari_sam_adapter.training.samples.samples import Sample
    from napari_sam_adapter.volume.planes.planes import Volume

LabelPlanes = dict[Plane, "npt.NDArray[Any]"]


@dataclass(frozen=True)
class TrainingTask:
    """What a training works on; independent of all layers.

    Parameters
    ----------
    volume : Volume
        The image.
    labels : dict of Plane to (H, W) int array
        Copies of the slices to learn from.
    output : Path
        Where the adapter goes.
    base, device : str
        Which model, and where it computes.
    spacing : tuple of float
        Distance between neighbours along each axis of the labels.
    options : dict
        More values of `TrainingConfig`.
    stop : threading.Event
        Set when the training is to end: the step under way is finished and judged.
    """

    volume: Volume
    labels: LabelPlanes
    output: Path
    base: str
    device: str
    spacing: tuple[float, ...]
    options: dict[str, Any] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)


Trainer = Callable[[TrainingTask], Iterator["TrainingProgress | None"]]


def train_on_layers(task: TrainingTask) -> Iterator[TrainingProgress | None]:
    """Train an adapter; runs on the worker thread.

    Parameters
    ----------
    task : TrainingTask
        What to learn from.

    Yields
    ------
    TrainingProgress or None
        Often, so that clicks are served in between; None before the first step.

    Raises
    ------
    TrainingError
        If no slice can be used, or training cannot go on.
    """
    with torch_on_its_way():
        from napari_sam_adapter.training.recipes.config import TrainingConfig
        from napari_sam_adapter.training.runs.adapter_training import training_turns

    samples: list[Sample] = []
    left_out: list[str] = []
    numbered = _numbered(task.labels)
    for plane in task.labels:
        try:
            samples += _samples_of(task, plane, numbered)
        except SamAdapterError as error:
            left_out.append(str(error))
        yield None
    if not samples:
        raise TrainingError(
            f"Expected a slice to learn from, got none: {'; '.join(left_out[:3])}"
        )
    config = TrainingConfig(
        task.output,
        base=task.base,
        device=task.device,
        **{"micro_batch": 1, **task.options},
    )
    stop = task.stop.is_set
    for progress in training_turns(config, samples, resumable=False, stop=stop):
        yield progress and replace(progress, left_out=tuple(left_out))
        if stop() and not (progress and progress.step):  # there is nothing to judge
            return


def _numbered(labels: LabelPlanes) -> LabelPlanes:
    """Return the slices with small numbers, the same on all of them."""
    numbers = np.unique(np.concatenate([np.unique(part) for part in labels.values()]))
    numbers = numbers[numbers > 0]
    return {plane: _numbers_in(numbers, part) for plane, part in labels.items()}


def _numbers_in(
    numbers: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> npt.NDArray[np.int32]:
    found = np.searchsorted(numbers, labels) + 1
    return np.where(labels > 0, found, 0).astype(np.int32)


def _samples_of(task: TrainingTask, plane: Plane, labels: LabelPlanes) -> list[Sample]:
    """Return a slice with its labels, seen as the network sees it in use."""
    from napari_sam_adapter.training.samples.array_samples import samples_from_arrays

    found = samples_from_arrays(
        task.volume.read_uint8(plane),
        task.labels[plane],
        name=name_of(plane),
        intensity=IntensityMapping(),
    )
    window = task.volume.intensity
    if window.rule == LEARNED:  # of an adapter before this one
        window = replace(window, rule=CONTRAST)
    own = (labels[plane],)
    known = [replace(s, layers=own, group="image", intensity=window) for s in found]
    if not plane.other_axes:
        return known
    axis = plane.other_axes[-1]
    before, after = (
        labels.get(plane.at(axis, plane.index_along(axis) + step)) for step in (-1, 1)
    )
    height, width = (task.spacing[i] / task.spacing[axis] for i in plane.axes)
    return [replace(s, prior=before, after=after, pixel=(height, width)) for s in known]
