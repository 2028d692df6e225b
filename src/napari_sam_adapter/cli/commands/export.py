"""``export``: labels from one format into another."""

from __future__ import annotations

import typer

from napari_sam_adapter.cli.inputs.inputs import check_apart, open_told
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.wording import counted


def export(
    labels: options.LabelsArgument,
    output: options.ExportArgument,
    image: options.LikeOption = None,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Write labels in another format, or as COCO annotations.

    Axes, scale, units and position are those of the image, if it is given, else
    those of the label file.
    """
    import numpy as np

    from napari_sam_adapter.image_io import export_labels
    from napari_sam_adapter.image_io.labels.exporting import check_export_path
    from napari_sam_adapter.image_io.labels.plausible import open_plausible_labels
    from napari_sam_adapter.volume.document.ledger import Ledger

    check_apart("labels", labels, "output", output)
    if image is not None:
        check_apart("image", image, "output", output)
    check_export_path(output, overwrite)
    like = None if image is None else open_told(image)
    opened = open_plausible_labels(labels, like)
    check_export_path(output, overwrite, axes=(like or opened).label_axes)
    data = np.asarray(opened.data)
    export_labels(output, data, like or opened, overwrite=overwrite)
    typer.echo(f"{output}: {counted(len(Ledger(data).objects), 'object')}")
