"""``demo``: one click on a generated nucleus, in napari or as a picture."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_sam_adapter.cli.inputs.loading import loader_of

PICTURE = "napari-sam-adapter-demo"


def demo(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="Write a picture, open no window.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The picture of --headless, a PNG. [default: a new name here]",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing picture.")
    ] = False,
) -> None:
    """Click on a generated nucleus and see its mask.

    Opens napari; without a display, or with --headless, it writes a picture instead.
    """
    output = output or _new_picture()
    if not headless and not has_display():
        typer.echo(f"No display found, so the demo goes into a picture: {output}")
        headless = True
    if headless:
        from napari_sam_adapter.cli.jobs.headless_demo import write_demo

        typer.echo(write_demo(output, loader_of(context), overwrite))
    else:
        from napari_sam_adapter.plugin.demo import run_demo

        run_demo()


def _new_picture() -> Path:
    """Return a name that is not taken, so that the demo can be run again."""
    names = (f"{PICTURE}-{number}.png" for number in itertools.count(2))
    paths = map(Path, itertools.chain([f"{PICTURE}.png"], names))
    return next(path for path in paths if not path.exists())


def has_display() -> bool:
    """Return whether a window can be opened.

    Returns
    -------
    bool
        A guess on Linux; Windows and macOS always have a display.
    """
    # Qt can draw without one if told so.
    names = "DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)
