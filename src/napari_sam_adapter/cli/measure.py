"""``measure``: an image and its labels in, a table of the objects out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.cli.bars import shell_bar
from napari_sam_adapter.cli.inputs import (
    check_apart,
    check_one_channel,
    open_channel,
    open_labels,
)
from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

CSV = ".csv"


def measure(
    image: options.ImageArgument,
    labels: options.LabelsArgument,
    output: options.TableOption,
    channel: options.MeasuredChannelOption = None,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Measure the objects of a label file.

    Size, place, shape and brightness, one line per object, or per object and time
    point. Lengths, areas and volumes are in the unit of the image, if z, y and x have
    one; the last column names it.
    """
    from napari_sam_adapter.image_io.output import check_output
    from napari_sam_adapter.image_io.tables import save_csv
    from napari_sam_adapter.volume.measuring import Measuring, table_of

    for kind, path in (("image", image), ("labels", labels)):
        check_apart(kind, path, "table", output)
    _check_suffix(output)
    check_output(output, overwrite)
    opened = open_channel(image, channel)
    check_one_channel(opened)
    measuring = Measuring.of(open_labels(labels, opened), opened)
    bar = shell_bar(measuring.blocks(), name="measuring", unit="block")
    table = table_of(measuring, [row for block in bar for row in block])
    save_csv(output, table.columns, table.rows, overwrite)
    typer.echo(f"{output}: {counted(len(table.rows), 'line')}")


def _check_suffix(output: Path) -> None:
    if output.suffix.lower() != CSV:
        raise OutputError(
            f"Expected a table NAME{CSV}, got {output.name}. Spreadsheets open {CSV} "
            "files."
        )
