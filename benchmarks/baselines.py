"""Classical answers to the same prompts: Otsu, flood fill, watershed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian, sobel, threshold_otsu
from skimage.segmentation import flood, watershed

from napari_sam_adapter.predictions import ALL_PROMPTS, Capabilities, MaskPrediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter import Prompts

FLOOD_TOLERANCE = 0.15
"""Largest grey difference from the clicked pixel, as a share of the image's range."""


@dataclass(frozen=True)
class Baseline:
    """A classical method that answers in the place of a network."""

    name: str
    segment: Callable[[np.ndarray, Prompts], np.ndarray]
    capabilities: Capabilities = ALL_PROMPTS
    image_size: int = 1024

    @property
    def description(self) -> dict[str, str]:
        return {"model": self.name}

    def encode(self, image: np.ndarray) -> np.ndarray:
        return image

    def predict(
        self,
        embedding: np.ndarray,
        prompts: Prompts,
        previous: MaskPrediction | None = None,
    ) -> MaskPrediction:
        mask = self.segment(embedding, prompts)
        return MaskPrediction(mask, 1.0, np.where(mask, 8, -8).astype(np.float32))

    def predict_many(self, embedding: np.ndarray, prompts_list: list[Prompts]):
        return [self.predict(embedding, prompts) for prompts in prompts_list]


def to_grey(image: np.ndarray) -> np.ndarray:
    """Average the channels, on a 0..1 scale."""
    grey = image.mean(axis=2) if image.ndim == 3 else image
    return (grey - grey.min()) / max(np.ptp(grey), 1)


def otsu_in_box(image: np.ndarray, prompts: Prompts) -> np.ndarray:
    """Split the box by Otsu's threshold; the side of its centre is the object."""
    grey = to_grey(image)
    mask = np.zeros(grey.shape, bool)
    top, left, bottom, right = (int(side) for side in prompts.box)
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


def flood_at_point(image: np.ndarray, prompts: Prompts) -> np.ndarray:
    """Connected pixels that are about as bright as the clicked one."""
    grey = gaussian(to_grey(image), 1)
    point = tuple(int(index) for index in prompts.points[0])
    return flood(grey, point, tolerance=FLOOD_TOLERANCE * np.ptp(grey))


def watershed_at_point(image: np.ndarray, prompts: Prompts) -> np.ndarray:
    """The basin of the gradient image in which the click lies."""
    basins = watershed(sobel(gaussian(to_grey(image), 2)))
    row, column = (int(index) for index in prompts.points[0])
    return basins == basins[row, column]


FLOOD = Baseline("flood", flood_at_point)
WATERSHED = Baseline("watershed", watershed_at_point)
OTSU = Baseline("otsu", otsu_in_box)
