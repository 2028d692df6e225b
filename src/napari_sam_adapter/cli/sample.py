"""``sample``: generated images with their true labels, as files to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam_adapter.cli import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    import numpy.typing as npt


NUCLEI, ORGANS = "nuclei.ome.tif", "organs.ome.tif"
CELLS, PICTURES = "cells", 6
"""Folder of pictures with labels, and how many there are."""
FolderArgument = Annotated[
    Path, typer.Argument(help="Where to put them; made if it is not there.")
]


def sample(
    folder: FolderArgument = Path(),
    overwrite: options.OverwriteOption = False,
) -> None:
    """Write generated images and their true labels, to try the commands on.

    A stack of nuclei and a slice through organs, those of File > Open Sample in napari,
    and a folder of pictures of nuclei as `train` and `evaluate` take it.
    """
    from napari_sam_adapter.image_io.output import check_output, writing

    pairs = [
        (folder / NUCLEI, _labels_of(folder / NUCLEI)),
        (folder / ORGANS, _labels_of(folder / ORGANS)),
        *_pictures(folder / CELLS),
    ]
    for path in (path for pair in pairs for path in pair):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        check_output(path, overwrite)
    _write_nuclei(*pairs[0], overwrite)
    _write_organs(*pairs[1], overwrite)
    _write_pictures(pairs[2:], overwrite)


def _labels_of(path: Path) -> Path:
    return path.with_name(path.name.replace(".ome.tif", "_labels.ome.tif"))


def _pictures(folder: Path) -> list[tuple[Path, Path]]:
    names = [f"{number}.png" for number in range(1, PICTURES + 1)]
    return [(folder / "images" / name, folder / "labels" / name) for name in names]


def _write_nuclei(path: Path, beside: Path, overwrite: bool) -> None:
    from napari_sam_adapter.sample_images import (
        NUCLEI_SCALE,
        large_nucleus,
        nuclei_volume,
    )

    image, labels = nuclei_volume()
    voxel, _ = large_nucleus(labels)
    _write(path, beside, image, labels, NUCLEI_SCALE, "um", overwrite)
    point = ",".join(map(str, voxel))
    typer.echo(f"{path}: a stack of nuclei (z, y, x); one is at --point {point}")
    typer.echo(f"{beside}: {counted(int(labels.max()), 'nucleus')}")


def _write_organs(path: Path, beside: Path, overwrite: bool) -> None:
    from napari_sam_adapter.sample_images import ORGAN_SCALE, organ_slice

    image, labels = organ_slice()
    rows, columns = (labels == 1).nonzero()
    _write(path, beside, image, labels, ORGAN_SCALE, "mm", overwrite)
    corners = f"{rows.min()},{columns.min()}:{rows.max()},{columns.max()}"
    typer.echo(
        f"{path}: a slice through organs (y, x); the liver is in --box {corners}"
    )
    typer.echo(f"{beside}: {counted(int(labels.max()), 'organ')}")


def _write_pictures(pairs: list[tuple[Path, Path]], overwrite: bool) -> None:
    from PIL import Image

    from napari_sam_adapter.image_io import save_labels
    from napari_sam_adapter.image_io.output import whole_output
    from napari_sam_adapter.sample_images import nuclei_picture

    for seed, (path, beside) in enumerate(pairs, start=1):
        image, labels = nuclei_picture(seed)
        with whole_output(path, overwrite) as temporary:
            Image.fromarray(image).save(temporary)
        save_labels(beside, labels, overwrite=overwrite)
    pictures = counted(len(pairs), "picture")
    typer.echo(f"{pairs[0][0].parents[1]}: {pictures} of nuclei with labels")


def _write(
    path: Path,
    beside: Path,
    image: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    scale: tuple[float, ...],
    unit: str,
    overwrite: bool,
) -> None:
    """Write an image and its labels as OME-TIFF."""
    from napari_sam_adapter.image_io import OpenedImage, save_labels
    from napari_sam_adapter.image_io.output import whole_output
    from napari_sam_adapter.image_io.tiff import write_tiff

    axes = "zyx"[-image.ndim :]
    described = OpenedImage(image, axes, scale, (unit,) * image.ndim, path.name)
    with whole_output(path, overwrite) as temporary:
        write_tiff(temporary, described)
    save_labels(beside, labels, described, overwrite)
