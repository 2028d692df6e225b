"""What commands work on: images, labels, and a session on an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.errors import ImageError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.cli.inputs.spacing import Spacing
    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.volume.session.session import Session

OF_FILE = "file"
"""Asks for the window that the file of an image wants."""


def check_apart(kind: str, path: Path, other_kind: str, other: Path) -> None:
    """Raise unless two paths have nothing to do with each other.

    Parameters
    ----------
    kind, other_kind : str
        What they are, for the message.
    path, other : Path
        The paths.

    Raises
    ------
    OutputError
        If they are the same, or one lies inside the other.
    """
    first, second = path.resolve(), other.resolve()
    if first == second:
        raise OutputError(
            f"Expected another file for the {other_kind} than for the {kind}, got "
            f"{other}. Choose another name."
        )
    if first in second.parents or second in first.parents:
        raise OutputError(
            f"Expected a file for the {other_kind} apart from the {kind}, got {other} "
            f"and {path}, one inside the other. Choose another folder."
        )


def images_of(path: Path) -> list[Path]:
    """Return the images of a folder; an image is its own.

    Parameters
    ----------
    path : Path
        What a command was given.

    Returns
    -------
    list of Path
        At least one.

    Raises
    ------
    DatasetError
        If it is a folder that cannot be read, or has no image.
    """
    from napari_sam_adapter.image_io.series.folders import images_to_annotate

    return images_to_annotate(path) if path.is_dir() else [path]


def open_told(path: Path, spacing: Spacing | None = None) -> OpenedImage:
    """Open an image, and say on stderr what is wrong with it.

    Parameters
    ----------
    path : Path
        The file.
    spacing : Spacing or None
        Size of its pixels, if it was given.

    Returns
    -------
    OpenedImage
        Not read yet.

    Raises
    ------
    ImageError
        If the file is no image, or the spacing does not fit it.
    """
    from napari_sam_adapter.cli.inputs.spacing import with_spacing
    from napari_sam_adapter.image_io import open_image

    image = with_spacing(open_image(path), spacing)
    if image.problem:
        typer.echo(image.problem, err=True)
    return image


def choose_channels(
    image: OpenedImage, channels: str | None, window: IntensityMapping | None = None
) -> OpenedImage:
    """Return one channel of an image, or several as its colours.

    Parameters
    ----------
    image : OpenedImage
        The image.
    channels : str or None
        Numbers with commas between; None for the whole image.
    window : IntensityMapping or None
        Through which each of several is seen.

    Returns
    -------
    OpenedImage
        Not read yet.

    Raises
    ------
    ImageError
        If there is no such channel, or they cannot be colours.
    """
    if channels is None:
        return image
    try:
        numbers = [int(number) for number in channels.split(",")]
    except ValueError as error:
        raise ImageError(
            f"Expected --channel as N or N,N or N,N,N, got {channels!r}. Give numbers "
            "from 0, with commas and no spaces between."
        ) from error
    if len(numbers) == 1:
        return image.channel(numbers[0])
    windows = None if window is None else [window] * len(numbers)
    return image.composite(numbers, windows)


def choose_view(
    image: OpenedImage, channels: str | None, level: int, intensity: str | None
) -> tuple[OpenedImage, IntensityMapping | None]:
    """Return what the network shall see of an image, and through which window.

    Parameters
    ----------
    image : OpenedImage
        The image.
    channels : str or None
        As in `choose_channels`.
    level : int
        Of a pyramid.
    intensity : str or None
        As in `chosen_intensity`.

    Returns
    -------
    image : OpenedImage
        One channel, or colour; not read yet.
    window : IntensityMapping or None
        Chosen for it; None if nothing was asked for, and for several channels, which
        are seen through it already.

    Raises
    ------
    ImageError
        If there is no such channel, level or window.
    """
    window = chosen_intensity(intensity, image)
    chosen = choose_channels(image, channels, window).level(level)
    return chosen, window if chosen.channel_windows is None else None


def chosen_intensity(asked: str | None, image: OpenedImage) -> IntensityMapping | None:
    """Return the window through which the network shall see an image.

    Parameters
    ----------
    asked : str or None
        As for `intensity_by_name`, or ``"file"`` for the window that the file wants.
    image : OpenedImage
        The image.

    Returns
    -------
    IntensityMapping or None
        None if nothing was asked for.

    Raises
    ------
    ImageError
        If there is no such window.
    """
    from napari_sam_adapter.intensity import IntensityMapping, intensity_by_name

    if asked is None:
        return None
    if asked != OF_FILE:
        return intensity_by_name(asked)
    if image.window is None:
        raise ImageError(
            f"Expected a file that tells its window (--intensity {OF_FILE}), but "
            f"{image.name} does not; DICOM files may. Give LOW,HIGH."
        )
    return IntensityMapping("contrast_limits", *image.window)


def session_of(
    image: OpenedImage,
    predictor: Predictor,
    embeddings: Path | None = None,
    intensity: IntensityMapping | None = None,
) -> Session:
    """Return a session on an image, seen as the network was trained to.

    Parameters
    ----------
    image : OpenedImage
        One channel, or colour.
    predictor : Predictor
        The network.
    embeddings : Path or None
        Folder where embeddings are kept; may grow by the usual budget.
    intensity : IntensityMapping or None
        Another window than the network's own.

    Returns
    -------
    Session
        Without objects.
    """
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.session.session import Session

    store = None if embeddings is None else EmbeddingStore(embeddings)
    if store is not None:
        store.spare_present()
    return Session(image, predictor, intensity=intensity, store=store)
