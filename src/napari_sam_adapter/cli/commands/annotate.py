"""``annotate``: napari on a series of images, one after the other."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotation
from typing import Annotated

import typer

from napari_sam_adapter.cli.commands.demo import has_display
from napari_sam_adapter.errors import DeviceError, ImageError


def annotate(
    images: Annotated[
        list[Path], typer.Argument(help="A folder of images, or several images.")
    ],
) -> None:
    """Annotate images in napari, one after the other.

    It goes on where it was left. PageDown saves the labels beside the image and opens
    the next one.
    """
    from napari_sam_adapter.image_io.series.series import Series

    _check_paths(images)
    is_folder = len(images) == 1 and images[0].is_dir()
    series = Series.of_folder(images[0]) if is_folder else Series.of_images(images)
    _require_display()
    from napari_sam_adapter.plugin.demo import run_series

    run_series(series)


def _check_paths(images: list[Path]) -> None:
    for path in images:
        if not path.exists():
            raise ImageError(
                f"Expected images, but {path} does not exist. Check the path."
            )


def _require_display() -> None:
    if not has_display():
        raise DeviceError(
            "Expected a display to open napari on, found none. Start it on a desktop, "
            "or use segment."
        )
