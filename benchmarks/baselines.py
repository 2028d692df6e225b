"""Classical answers to the same prompts: Otsu, flood fill, watershed."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian, sobel, threshold_otsu
from skimage.segmentation import flood, watershed

FLOOD_TOLERANCE = 0.15
"""Largest grey difference from the clicked pixel, as a share of the image's range."""


def to_grey(image: np.ndarray) -> np.ndarray:
    """Average the channels, on a 0..1 scale."""
    grey = image.mean(axis=2) if image.ndim == 3 else image
    return (grey - grey.min()) / max(np.ptp(grey), 1)


def otsu_in_box(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Split the box by Otsu's threshold; the side of its centre is the object."""
    grey = to_grey(image)
    mask = np.zeros(grey.shape, bool)
    top, left, bottom, right = box
    window = grey[top : bottom + 1, left : right + 1]
    if window.min() == window.max():
        mask[top : bottom + 1, left : right + 1] = True
        return mask
    bright = window > threshold_otsu(window)
    rows, columns = (side // 4 for side in window.shape)
    core = bright[rows : window.shape[0] - rows, columns : window.shape[1] - columns]
    found = bright if core.mean() >= 0.5 else ~bright
    mask[top : bottom + 1, left : right + 1] = ndimage.binary_fill_holes(found)
    return mask


def flood_at_point(image: np.ndarray, point: tuple[int, int]) -> np.ndarray:
    """Connected pixels that are about as bright as the clicked one."""
    grey = gaussian(to_grey(image), 1)
    return flood(grey, point, tolerance=FLOOD_TOLERANCE * np.ptp(grey))


def watershed_at_point(image: np.ndarray, point: tuple[int, int]) -> np.ndarray:
    """The basin of the gradient image in which the click lies."""
    basins = watershed(sobel(gaussian(to_grey(image), 2)))
    return basins == basins[point]
