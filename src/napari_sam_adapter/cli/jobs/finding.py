"""All objects of an image file into a file of labels, in any process."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.cli.inputs.inputs import (
    check_apart,
    choose_view,
    session_of,
)
from napari_sam_adapter.errors import ImageError, PlaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from napari_sam_adapter.cli.inputs.spacing import Spacing
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.finding.examples import Point
    from napari_sam_adapter.volume.finding.volume_search import SearchedPlane
    from napari_sam_adapter.volume.planes.frame import Frame
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.session.session import Session

_loading = Lock()


@dataclass(frozen=True)
class FindJob:
    """An image whose objects shall be found.

    Parameters
    ----------
    image, output : Path
        The image, and the labels to write.
    load : callable
        A `Loader`, which makes the network, once in each process.
    model, adapter, device, preprocessing
        What it is given.
    intensity, slices, axis, channel, level, propagate, tidy, overwrite, embeddings
        The options of ``find``.
    spacing : Spacing or None
        That of ``--spacing``.
    like : tuple of str
        Points on examples.
    """

    image: Path
    output: Path
    load: Callable[..., Predictor]
    model: str = "tiny"
    adapter: str | None = None
    device: str = "auto"
    preprocessing: str | None = None
    intensity: str | None = None
    slices: str | None = None
    axis: str | None = None
    channel: str | None = None
    level: int = 0
    spacing: Spacing | None = None
    propagate: bool = False
    tidy: bool = False
    overwrite: bool = False
    embeddings: Path | None = None
    like: tuple[str, ...] = ()

    def predictor(self) -> Predictor:
        """Return the network; this process keeps the last one."""
        with _loading:  # threads of a worker share one
            return _loaded(
                self.load, self.model, self.adapter, self.device, self.preprocessing
            )


class Found(NamedTuple):
    """What was found in an image.

    Attributes
    ----------
    steps : tuple of SearchedPlane
        Slice by slice.
    objects : int
        How many in all.
    seconds : float
        How long it took.
    problem : str
        What is wrong with the image; may be empty.
    tidied : str
        What was tidied, in a sentence; empty if that was not asked for.
    """

    steps: tuple[SearchedPlane, ...]
    objects: int
    seconds: float
    problem: str = ""
    tidied: str = ""


def find_in_file(
    job: FindJob,
    watched: Callable[
        [Iterable[SearchedPlane], int], Iterable[SearchedPlane]
    ] = lambda s, _: s,
) -> Found:
    """Find all objects of an image and write them.

    Parameters
    ----------
    job : FindJob
        What to do.
    watched : callable
        Gets the steps and their number, and gives the same steps.

    Returns
    -------
    Found
        What is in the file.

    Raises
    ------
    ImageError
        If the image cannot be read or has no slice with structure.
    PlaneError, PromptError, SessionError, OutputError
        If an option does not fit, nothing is at an example, or the labels cannot be
        written. No file is written then.
    """
    from napari_sam_adapter.cli.inputs.coordinates import frame_of
    from napari_sam_adapter.cli.inputs.label_images import told_of_labels
    from napari_sam_adapter.cli.inputs.spacing import with_spacing
    from napari_sam_adapter.image_io import open_image, save_labels
    from napari_sam_adapter.image_io.files.opening import check_labels_path
    from napari_sam_adapter.volume.finding.volume_search import find_in_volume
    from napari_sam_adapter.volume.session.tidying_all import tidy_all

    started = time.monotonic()
    check_apart("image", job.image, "labels", job.output)
    image = with_spacing(open_image(job.image), job.spacing)
    opened, window = choose_view(image, job.channel, job.level, job.intensity)
    check_labels_path(job.output, job.overwrite, opened.label_axes)
    frame = frame_of(opened, job.axis)
    points = _points_of_examples(frame, job)
    planes = list(points) or _chosen(frame, job.slices, job.propagate)
    session = session_of(opened, job.predictor(), job.embeddings, window)
    if points:
        steps = _like_examples(session, points)
    else:
        steps = find_in_volume(session, planes, follow=job.propagate, axis=frame.sliced)
    done = tuple(watched(steps, len(planes)))
    if all(step.problem for step in done):
        raise ImageError(done[0].problem)
    tidied = tidy_all(session, planes[0].axes).words if job.tidy else ""
    save_labels(job.output, session.labels, opened, job.overwrite)
    seconds = time.monotonic() - started
    problem = " ".join(filter(None, (image.problem, told_of_labels(opened))))
    return Found(done, len(session.object_ids), seconds, problem, tidied)


@lru_cache(maxsize=1)
def _loaded(
    load: Callable[..., Predictor],
    model: str,
    adapter: str | None,
    device: str,
    preprocessing: str | None,
) -> Predictor:
    return load(model, adapter, device, preprocessing=preprocessing)


def _like_examples(
    session: Session, points: dict[Plane, list[Point]]
) -> Iterator[SearchedPlane]:
    """Make objects of the examples, and of what is like them on their slice."""
    from napari_sam_adapter.volume.finding import finding
    from napari_sam_adapter.volume.finding.examples import examples_at
    from napari_sam_adapter.volume.finding.volume_search import SearchedPlane

    for plane, places in points.items():
        like = examples_at(session, plane, places)
        *_, found = finding.find_steps(finding.finding(session, plane, like))
        assert isinstance(found, finding.FoundObjects)  # as find_steps promises
        finding.take_in(session, found)
        yield SearchedPlane(plane, tuple(session.object_ids), unlike=found.unlike)


def _points_of_examples(frame: Frame, job: FindJob) -> dict[Plane, list[Point]]:
    """Return the points on the slice of the examples; nothing if there are none."""
    from napari_sam_adapter.cli.inputs.coordinates import parse_point

    if job.like and (job.propagate or job.slices is not None):
        raise PlaneError(
            "Expected no --slices and no --propagate with --like: only the slice of "
            "the examples is searched. Leave them out."
        )
    points: dict[Plane, list[Point]] = {}
    for position in (parse_point(frame, text) for text in job.like):
        points.setdefault(frame.plane(position), []).append(frame.in_plane(position))
    if len(points) > 1:
        raise PlaneError(
            "Expected examples on one slice, got several. Give the points of one."
        )
    return points


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


def check_slices(text: str) -> range:
    """Return the slices to look at of an image with any number of them.

    Parameters
    ----------
    text : str
        The value of ``--slices``.

    Returns
    -------
    range
        Their indices; an open end is far.

    Raises
    ------
    PlaneError
        If it means nothing.
    """
    return _indices(text, None)


def _indices(text: str | None, length: int | None) -> range:
    end = sys.maxsize if length is None else length
    if text is None:
        return range(end // 2, end // 2 + 1)
    first, *more = text.split(":")
    try:
        start = int(first or 0)
        last = int((more or [first])[0] or end - 1)
        step = int(more[1]) if more[1:] else 1
    except ValueError:
        step = 0
    if len(more) > 2 or step < 1 or not 0 <= start <= last < end:
        numbers = "on" if length is None else f"to {length - 1}"
        raise PlaneError(
            f"Expected --slices as N or FIRST:LAST or FIRST:LAST:STEP, from 0 "
            f"{numbers}, got {text!r}."
        )
    return range(start, last + 1, step)
