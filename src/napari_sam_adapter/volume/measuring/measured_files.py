"""An opened image and the file of its labels, to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.image_io.image.composite import check_one_channel
from napari_sam_adapter.image_io.labels.plausible import open_plausible_labels
from napari_sam_adapter.volume.measuring.measuring import Measuring

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.image_io import OpenedImage


def measuring_of(image: OpenedImage, labels: Path, tip: str) -> Measuring:
    """Return what is to be measured of an image file with labels in another.

    Parameters
    ----------
    image : OpenedImage
        The image.
    labels : Path
        The file of its labels.
    tip : str
        How to choose one of several channels.

    Returns
    -------
    Measuring
        A few planes are read.

    Raises
    ------
    ImageError
        If a channel has to be chosen first, or the labels cannot be read, do not fit
        the image, or look like an image.
    """
    check_one_channel(image, tip)
    return Measuring.of(open_plausible_labels(labels, image), image)
