"""``find``: an image in, all its objects out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.cli.bars import shell_bar
from napari_sam_adapter.cli.inputs import check_apart, open_channel, session_of
from napari_sam_adapter.cli.loading import loader_of
from napari_sam_adapter.errors import ImageError, PlaneError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.cli.coordinates import Frame
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.session import Session

NOTHING_FOUND = (
    "Nothing found. An adapter that was trained on such images finds more: {}."
)
SlicesOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|FIRST:LAST[:STEP]",
        help="Slices to look at, from 0; LAST is included, : means all. "
        "[default: the middle one]",
    ),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--propagate",
        help="Follow what is found on a slice through the others, before the next "
        "slice is looked at for what is not found yet.",
    ),
]


def find(
    context: typer.Context,
    image: options.ImageArgument,
    output: options.LabelsOption,
    slices: SlicesOption = None,
    propagate: FollowOption = False,
    axis: options.AxisOption = None,
    channel: options.ChannelOption = None,
    level: options.LevelOption = 0,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    overwrite: options.OverwriteOption = False,
    embeddings: options.KnownEmbeddingsOption = None,
) -> None:
    """Find all objects of an image without a prompt.

    Without --propagate each slice has objects of its own. Look over the result:
    every object can be missed, cut in two, or joined with its neighbour.
    """
    from napari_sam_adapter.cli.coordinates import frame_of
    from napari_sam_adapter.image_io import save_labels
    from napari_sam_adapter.image_io.formats import check_labels_path
    from napari_sam_adapter.volume.axes import spacing_of

    started = time.monotonic()
    check_apart("image", image, "labels", output)
    opened = open_channel(image, channel, level)
    check_labels_path(output, overwrite, len(opened.label_shape))
    frame = frame_of(opened, axis)
    planes = _chosen(frame, slices, propagate)
    predictor = loader_of(context)(model, adapter, device, preprocessing=preprocessing)
    spacing = spacing_of(opened.label_axes, opened.scale, opened.units)
    session = session_of(opened, predictor, embeddings, spacing)
    steps = _steps(session, planes, frame.sliced if propagate else None)
    bar = shell_bar(steps, name="finding", unit="slice", total=len(planes))
    _tell(list(bar))
    save_labels(output, session.labels, opened, overwrite)
    count, seconds = len(session.object_ids), time.monotonic() - started
    typer.echo(f"{output}: {counted(count, 'object')} in {seconds:.1f} s")
    if not count:
        typer.echo(_nothing_found(model, adapter), err=True)


def _nothing_found(model: str, adapter: str | None) -> str:
    from napari_sam_adapter.model.variants import other_adapters

    names = " or ".join(other_adapters(model, adapter))
    advice = f"try --adapter {names}, or train your own" if names else "train your own"
    without = f" Without {adapter} it may find more, too." if adapter else ""
    return NOTHING_FOUND.format(advice) + without


def _chosen(frame: Frame, slices: str | None, propagate: bool) -> list[Plane]:
    """Return the slices to look at, in rising order."""
    if frame.sliced is None:
        if propagate:
            raise PlaneError("Expected a volume to propagate through, got a 2-D image.")
        if slices is not None:
            raise PlaneError("Expected no --slices for a 2-D image. Leave it out.")
        return list(frame.planes())
    axis = frame.sliced
    wanted = _indices(slices, frame.shape[axis])
    return [plane for plane in frame.planes() if plane.index_along(axis) in wanted]


def _indices(text: str | None, length: int) -> range:
    if text is None:
        return range(length // 2, length // 2 + 1)
    first, *more = text.split(":")
    try:
        start = int(first or 0)
        last = int((more or [first])[0] or length - 1)
        step = int(more[1]) if more[1:] else 1
    except ValueError:
        step = 0
    if len(more) > 2 or step < 1 or not 0 <= start <= last < length:
        raise PlaneError(
            f"Expected --slices as N or FIRST:LAST or FIRST:LAST:STEP, from 0 to "
            f"{length - 1}, got {text!r}."
        )
    return range(start, last + 1, step)


def _steps(
    session: Session, planes: Sequence[Plane], axis: int | None
) -> Iterator[tuple[Plane, int, str]]:
    """Yield each slice with the number of its new objects, and what went wrong."""
    from napari_sam_adapter.volume.finding import find_objects
    from napari_sam_adapter.volume.propagation import propagate

    for plane in planes:
        try:
            found = find_objects(session, plane)
        except ImageError as error:
            yield plane, 0, str(error)
            continue
        if axis is not None and found:
            for _ in propagate(session, found, axis=axis, seed=plane):
                pass
        yield plane, len(found), ""


def _tell(steps: Sequence[tuple[Plane, int, str]]) -> None:
    if all(problem for *_, problem in steps):
        raise ImageError(steps[0][2])
    for plane, count, problem in steps:
        place = ", ".join(map(str, plane.position))
        if problem:
            typer.echo(f"slice {place}: {problem}", err=True)
        elif plane.position:
            typer.echo(f"slice {place}: {counted(count, 'object')}")
