"""``embed``: the slow part of segmentation for a whole stack, ahead of its use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli.inputs.inputs import choose_view, open_told
from napari_sam_adapter.cli.inputs.loading import loader_of
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.volume.asking.embedding_ahead import EmbeddedPlane
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes.plane import Plane

MORE_ROOM = "Give it more with --budget."


def embed(
    context: typer.Context,
    image: options.ImageArgument,
    embeddings: options.EmbeddingsOption,
    axis: options.AxisOption = None,
    channel: options.ChannelOption = None,
    level: options.LevelOption = 0,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    intensity: options.IntensityOption = None,
    batch: options.BatchOption = 4,
    budget: options.BudgetOption = 20.0,
) -> None:
    """Encode all slices of an image ahead of time.

    `segment --embeddings` uses what is kept. May be stopped at any time: run again, it
    goes on where it was.
    """
    from napari_sam_adapter.cli.inputs.coordinates import frame_of

    _check_folder(embeddings)
    opened, window = choose_view(open_told(image), channel, level, intensity)
    planes = list(frame_of(opened, axis).planes())
    store = _store(embeddings, budget)
    predictor = loader_of(context)(model, adapter, device, preprocessing=preprocessing)
    steps = _steps(opened, predictor, store, planes, batch, window)
    bar = shell_bar(steps, name="embedding", unit="slice", total=len(planes))
    _tell(list(bar), embeddings)


def _check_folder(path: Path) -> None:
    """Raise unless embeddings can be kept here, before a network is loaded."""
    from napari_sam_adapter.image_io.output.whole_files import check_output

    if path.exists() and not path.is_dir():
        raise OutputError(
            f"Expected a folder for embeddings, but {path} is a file. Choose another "
            "name."
        )
    there = next(p for p in path.absolute().parents if p.exists())
    check_output(path / "new" if path.exists() else there / path.name)


def _store(folder: Path, gigabytes: float) -> EmbeddingStore:
    from napari_sam_adapter.volume.embeddings.embedding_store import (
        GIGABYTE,
        EmbeddingStore,
    )

    store = EmbeddingStore(folder, int(gigabytes * GIGABYTE))
    if not store.keeps:
        raise OutputError(f"Expected room for embeddings, got none. {MORE_ROOM}")
    return store


def _steps(
    image: OpenedImage,
    predictor: object,
    store: EmbeddingStore,
    planes: list[Plane],
    batch: int,
    window: IntensityMapping | None,
) -> Iterator[EmbeddedPlane]:
    from napari_sam_adapter.predictions import PackingPredictor, trained_window
    from napari_sam_adapter.volume.asking.embedding_ahead import EmbeddedPlane
    from napari_sam_adapter.volume.asking.embedding_room import (
        RoomEstimate,
        steps_with_room,
    )
    from napari_sam_adapter.volume.planes.planes import Volume

    if not isinstance(predictor, PackingPredictor):
        raise SessionError(
            "Expected a model whose embeddings can be kept, got "
            f"{type(predictor).__name__}. Choose another --model."
        )
    window = window or trained_window(predictor, image.data)
    volume = Volume(image, intensity=window)
    for step in steps_with_room(volume, predictor, store, planes, MORE_ROOM, batch):
        if store.problem:
            raise OutputError(f"{store.problem} Make room, or choose another folder.")
        if isinstance(step, RoomEstimate):
            typer.echo(f"embedding {step.text}", err=True)
        elif isinstance(step, EmbeddedPlane):
            yield step


def _tell(steps: list[EmbeddedPlane], folder: Path) -> None:
    for step in steps:
        if step.problem:
            typer.echo(f"slice {step.plane.position}: {step.problem}")
    there = sum(step.was_there for step in steps)
    new = sum(not (step.was_there or step.problem) for step in steps)
    verb = "was" if there == 1 else "were"
    typer.echo(f"{folder}: {counted(new, 'slice')} embedded, {there} {verb} there")
