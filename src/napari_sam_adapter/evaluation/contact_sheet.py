"""One picture of the worst cases: truth and answer as outlines over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_sam_adapter.image_io.output.whole_files import whole_output
from napari_sam_adapter.inference.frame.preprocessing import to_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.evaluation.judging import Case

TILE = 240
"""Side of a picture in pixels."""
CAPTION = 28
"""Height of the text below it."""
COLUMNS = 5
MARGIN = 0.5
"""Part of the object's size that is shown around it."""
LEAST = 48
"""Smallest part of an image that is shown, in pixels."""
TRUTH, ANSWER, PAPER, INK = (60, 220, 90), (240, 60, 200), (255, 255, 255), (0, 0, 0)


def write_contact_sheet(
    path: Path, cases: Sequence[Case], overwrite: bool = False
) -> None:
    """Write a PNG of cases, the truth outlined in green, the answer in magenta.

    Parameters
    ----------
    path : Path
        Ends in ``.png``.
    cases : sequence of Case
        In the order in which they are shown.
    overwrite : bool
        Whether the file may be replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    columns = min(COLUMNS, max(1, len(cases)))
    rows = max(1, -(-len(cases) // COLUMNS))
    size = (columns * TILE, rows * (TILE + CAPTION))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, case in enumerate(cases):
        row, column = divmod(number, COLUMNS)
        corner = column * TILE, row * (TILE + CAPTION)
        sheet.paste(_tile(case), corner)
        below = corner[0] + 4, corner[1] + TILE + 1
        pen.text(below, f"{case.name[-38:]}\nIoU {case.score:.3f}", fill=INK)
    with whole_output(path, overwrite) as temporary:
        sheet.save(temporary, "PNG")


def _tile(case: Case) -> Image.Image:
    window = _window(case.truth | case.answer)
    picture = Image.fromarray(to_rgb(case.image)[window])
    scale = TILE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    size = width, height
    pixels = np.array(picture.resize(size, Image.Resampling.BILINEAR))
    for mask, colour in ((case.truth, TRUTH), (case.answer, ANSWER)):
        pixels[_outline(mask[window], size)] = colour
    tile = Image.new("RGB", (TILE, TILE), PAPER)
    tile.paste(Image.fromarray(pixels))
    return tile


def _window(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the part of the plane round the masks."""
    slices = []
    for axis, length in zip((1, 0), mask.shape, strict=True):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = (inside[0], inside[-1] + 1) if len(inside) else (0, length)
        middle = (first + last) / 2
        half = max((last - first) * (0.5 + MARGIN), LEAST / 2)
        slices.append(slice(max(0, int(middle - half)), int(middle + half) + 1))
    return slices[0], slices[1]


def _outline(
    mask: npt.NDArray[np.bool_], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    large = np.array(
        Image.fromarray(mask).resize((size[0], size[1]), Image.Resampling.NEAREST)
    )
    outline: npt.NDArray[np.bool_] = large & ~ndimage.binary_erosion(large)
    return outline
