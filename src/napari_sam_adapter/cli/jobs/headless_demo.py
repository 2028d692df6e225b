"""The demo without a window: one click, a propagation, one picture."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_sam_adapter.errors import OutputError
from napari_sam_adapter.image_io.output.whole_files import check_output, whole_output
from napari_sam_adapter.sample_images import (
    NUCLEI_SCALE,
    large_nucleus,
    nuclei_volume,
)
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.session.session import Session
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.cli.inputs.loading import Loader
    from napari_sam_adapter.predictions import Predictor

    Mask = npt.NDArray[np.bool_]
    Picture = npt.NDArray[np.uint8]

ZOOM = 3
GAP = 6
"""Pixels between the three slices."""
MASK_COLOUR, CLICK_COLOUR = (255, 205, 0), (60, 255, 120)


@dataclass(frozen=True)
class Segmented:
    """What one click gave.

    Parameters
    ----------
    image : (Z, Y, X) array
        The volume.
    click : (int, int, int)
        Voxel that was clicked.
    mask : (Z, Y, X) bool array
        The object found.
    truth : (Z, Y, X) bool array
        The nucleus that was meant.
    click_seconds, follow_seconds : float
        From the click to the first mask, and for all other slices.
    """

    image: npt.NDArray[Any]
    click: tuple[int, int, int]
    mask: Mask
    truth: Mask
    click_seconds: float
    follow_seconds: float

    @property
    def iou(self) -> float:
        """Shared voxels over all voxels of mask and truth."""
        return float((self.mask & self.truth).sum() / (self.mask | self.truth).sum())


def write_demo(output: Path, load: Loader, overwrite: bool = False) -> str:
    """Segment one nucleus and draw the result.

    Parameters
    ----------
    output : Path
        The PNG to write.
    load : callable
        Makes the predictor.
    overwrite : bool
        Whether the file may be replaced.

    Returns
    -------
    str
        One line about quality and time.

    Raises
    ------
    OutputError
        If the picture cannot be written; checked first.
    """
    if output.suffix.lower() != ".png":
        raise OutputError(f"Expected a file name that ends in .png, got {output.name}.")
    check_output(output, overwrite)
    found = segment_nucleus(load("tiny", None, "auto"))
    with whole_output(output, overwrite) as temporary:
        draw(found).save(temporary)
    slices = int(found.mask.any(axis=(1, 2)).sum())
    return (
        f"{output}: one click, IoU {found.iou:.2f} with the true nucleus on "
        f"{counted(slices, 'slice')}; first mask after "
        f"{found.click_seconds:.2f} s, the other slices in {found.follow_seconds:.2f} s"
    )


def segment_nucleus(predictor: Predictor) -> Segmented:
    """Click on the middle of a large nucleus and follow it through the volume.

    Parameters
    ----------
    predictor : Predictor
        The network.

    Returns
    -------
    Segmented
        Mask, truth and times.
    """
    image, labels = nuclei_volume()
    click, truth = large_nucleus(labels)
    session = Session(image, predictor, axes="zyx", spacing=NUCLEI_SCALE)
    plane = Plane((1, 2), click[:1])
    object_id = session.new_object()
    started = time.perf_counter()
    session.add_point(object_id, plane, click[1:])
    found = session.mask(object_id, plane)
    clicked = time.perf_counter()
    for _ in propagate(session, object_id) if found.any() else ():
        pass
    followed = time.perf_counter()
    mask = session.labels == object_id
    return Segmented(image, click, mask, truth, clicked - started, followed - clicked)


def draw(found: Segmented) -> Image.Image:
    """Draw three slices side by side, with the mask outlined and the click marked.

    Parameters
    ----------
    found : Segmented
        What to show.

    Returns
    -------
    PIL.Image.Image
        An RGB picture.
    """
    planes = np.flatnonzero(found.truth.any(axis=(1, 2)))
    below, above = ((found.click[0] + int(end)) // 2 for end in planes[[0, -1]])
    tiles = [_tile(found, z) for z in (below, found.click[0], above)]
    gap = np.full((tiles[0].shape[0], GAP, 3), 255, np.uint8)
    joined = np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)
    return Image.fromarray(joined)


def _tile(found: Segmented, z: int) -> Picture:
    low, high = np.percentile(found.image, [1, 99.7])
    grey = np.clip((found.image[z] - low) / (high - low), 0, 1) ** 0.7 * 255
    colours = _enlarged(np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2))
    mask = _enlarged(found.mask[z])
    colours[mask & ~ndimage.binary_erosion(mask, iterations=2)] = MASK_COLOUR
    picture = Image.fromarray(colours)
    pencil = ImageDraw.Draw(picture)
    pencil.text((6, 4), f"slice {z}", fill="white")
    if z == found.click[0]:
        row, column = ((index + 0.5) * ZOOM for index in found.click[1:])
        pencil.line((column - 6, row, column + 6, row), CLICK_COLOUR, 2)
        pencil.line((column, row - 6, column, row + 6), CLICK_COLOUR, 2)
    return np.array(picture)


def _enlarged(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return plane.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
