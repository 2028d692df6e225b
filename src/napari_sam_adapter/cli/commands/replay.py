"""``replay``: a saved session in, its labels out, without a display."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli.inputs.inputs import check_apart, choose_channels, open_told
from napari_sam_adapter.cli.inputs.loading import loader_of
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.volume.planes.planes import Volume
    from napari_sam_adapter.volume.saving.described import DescribedPredictors
    from napari_sam_adapter.volume.session.session import Session


def replay(
    context: typer.Context,
    session: options.SessionArgument,
    image: options.SessionImageOption,
    output: options.OptionalLabelsOption = None,
    channel: options.ChannelOption = None,
    device: options.RecordedDeviceOption = None,
    overwrite: options.OverwriteOption = False,
    methods: options.MethodsOption = False,
) -> None:
    """Do a saved session again: the same labels on the same device."""
    from napari_sam_adapter.errors import OutputError
    from napari_sam_adapter.image_io import save_labels
    from napari_sam_adapter.image_io.files.opening import check_labels_path
    from napari_sam_adapter.image_io.image.opened_image import AXES_BY_NDIM
    from napari_sam_adapter.volume.planes.planes import Volume
    from napari_sam_adapter.volume.saving.described import DescribedPredictors
    from napari_sam_adapter.volume.saving.methods import methods_sentence
    from napari_sam_adapter.volume.saving.session_folder import SUFFIX

    if output is None and not methods:
        raise OutputError("Expected something to do. Give --output, --methods or both.")
    if output is not None:
        check_apart("image", image, "labels", output)
        check_apart("session", session, "labels", output)
        if session.resolve().parent.suffix == SUFFIX:  # a file of a session
            check_apart("session", session.resolve().parent, "labels", output)
        check_labels_path(output, overwrite)
    shape = _recorded_shape(session)
    opened = _level_of(shape, choose_channels(open_told(image), channel))
    volume = Volume(opened, _axes(shape, opened))
    like = opened if volume.shape == opened.label_shape else None
    known = AXES_BY_NDIM.get(volume.ndim, "yx")
    if output is not None:
        check_labels_path(output, overwrite, like.label_axes if like else known)
    predictors = DescribedPredictors(loader_of(context), device=device)
    done = _repeat(session, volume, predictors)
    if output is not None:
        save_labels(output, done.labels, like, overwrite)
        count = counted(len(done.object_ids), "object")
        typer.echo(f"{output}: {count}", err=methods)
    if methods:
        typer.echo(methods_sentence(done))


def _repeat(path: Path, volume: Volume, predictors: DescribedPredictors) -> Session:
    from napari_sam_adapter.volume.saving.replaying import replay_steps

    steps = replay_steps(path, volume, predictors)
    first = next(steps)
    bar = shell_bar(steps, name="replaying", unit="edit", total=first.total)
    for _ in bar:
        pass
    return first.session


def _recorded_shape(path: Path) -> list[int]:
    """Return the shape of the image on which a session was made."""
    from napari_sam_adapter.volume.journal.journal_file import (
        find_journal,
        read_journal,
    )

    header, _ = read_journal(find_journal(path))
    shape: list[int] = header.image["shape"]
    return shape


def _level_of(shape: list[int], image: OpenedImage) -> OpenedImage:
    """Return the level of a pyramid that has a shape."""
    for number in range(len(image.levels) + 1):
        level = image.level(number)
        if shape in (list(level.data.shape), list(level.label_shape)):
            return level
    return image


def _axes(shape: list[int], image: OpenedImage) -> str:
    """Return what the axes mean: napari gives channels a slider of their own."""
    from napari_sam_adapter.volume.planes.axes import SPATIAL_LETTERS

    all_spatial = shape == list(image.data.shape)
    return SPATIAL_LETTERS[-len(image.data.shape) :] if all_spatial else image.axes
