"""``sample``: generated images with their true labels, as files to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    import numpy.typing as npt


NUCLEI, ORGANS, PICTURE = "nuclei.ome.tif", "organs.ome.tif", "cells.png"
CELLS = "cells"
CELLS_IN = {"train": (1, 2, 3, 4), "val": (5, 6)}
"""Numbers of the pictures with labels, by the part of the set they belong to."""
FolderArgument = Annotated[
    Path, typer.Argument(help="Where to put them; made if it is not there.")
]


def sample(
    folder: FolderArgument = Path(),
    overwrite: options.OverwriteOption = False,
) -> None:
    """Write sample images with labels, to try the commands on.

    A stack of nuclei and a slice through organs, those of File > Open Sample in napari,
    a picture of nuclei, and a folder of such pictures for `train` and `evaluate`.
    """
    from napari_sam_adapter.image_io.output.whole_files import check_output, writing

    nuclei, organs, picture = (
        _pair(folder, name) for name in (NUCLEI, ORGANS, PICTURE)
    )
    pictures = _pictures(folder / CELLS)
    pairs = [nuclei, organs, picture, *pictures]
    for path in (path for pair in pairs for path in pair):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        check_output(path, overwrite)
    _write_nuclei(*nuclei, overwrite)
    _write_organs(*organs, overwrite)
    _write_picture(*picture, 0, overwrite)
    typer.echo(f"{picture[0]}: a picture of nuclei (y, x)")
    for seed, pair in enumerate(pictures, start=1):
        _write_picture(*pair, seed, overwrite)
    learn, judge = (counted(len(n), "picture") for n in CELLS_IN.values())
    typer.echo(f"{folder / CELLS}: {learn} to learn from, {judge} to judge by")


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where an image goes, and its labels."""
    stem, suffix = name.split(".", 1)
    return folder / name, folder / f"{stem}_labels.{suffix}"


def _pictures(folder: Path) -> list[tuple[Path, Path]]:
    return [
        (folder / part / "images" / f"{n}.png", folder / part / "labels" / f"{n}.png")
        for part, numbers in CELLS_IN.items()
        for n in numbers
    ]


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


def _write_picture(path: Path, beside: Path, seed: int, overwrite: bool) -> None:
    from PIL import Image

    from napari_sam_adapter.image_io import save_labels
    from napari_sam_adapter.image_io.output.whole_files import whole_output
    from napari_sam_adapter.sample_images import nuclei_picture

    image, labels = nuclei_picture(seed)
    with whole_output(path, overwrite) as temporary:
        Image.fromarray(image).save(temporary)
    save_labels(beside, labels, overwrite=overwrite)


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
    from napari_sam_adapter.image_io.formats.tiff import write_tiff
    from napari_sam_adapter.image_io.output.whole_files import whole_output

    axes = "zyx"[-image.ndim :]
    described = OpenedImage(image, axes, scale, (unit,) * image.ndim, path.name)
    with whole_output(path, overwrite) as temporary:
        write_tiff(temporary, described)
    save_labels(beside, labels, described, overwrite)
