"""The images under File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.sample_images import (
    NUCLEI_SCALE,
    NUCLEI_SEEN,
    ORGAN_SCALE,
    nuclei_volume,
    organ_slice,
)

if TYPE_CHECKING:
    from napari.types import LayerDataTuple


def nuclei() -> list[LayerDataTuple]:
    """Return a generated stack of nuclei.

    Returns
    -------
    list of LayerDataTuple
        One image of (z, y, x) in micrometres.
    """
    image, _ = nuclei_volume()
    options = _options("nuclei", NUCLEI_SCALE, "um", ("z", "y", "x"))
    options["contrast_limits"] = np.percentile(image, NUCLEI_SEEN).tolist()
    return [(image, options, "image")]


def organ_slice_sample() -> list[LayerDataTuple]:
    """Return a generated slice through an abdomen.

    Returns
    -------
    list of LayerDataTuple
        One image of (y, x) in millimetres.
    """
    image, _ = organ_slice()
    return [(image, _options("organ slice", ORGAN_SCALE, "mm", ("y", "x")), "image")]


def _options(
    name: str, scale: tuple[float, ...], unit: str, axis_labels: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "name": name,
        "scale": scale,
        "units": (unit,) * len(scale),
        "axis_labels": axis_labels,
    }
