"""A volume with its scale, and labels of it."""

from __future__ import annotations

import numpy as np

VOLUME = np.random.default_rng(0).integers(0, 60000, (6, 20, 30)).astype(np.uint16)
LABELS = (VOLUME > 30000).astype(np.int32) * 7
OME = {
    "axes": "ZYX",
    "PhysicalSizeZ": 2.0,
    "PhysicalSizeZUnit": "\u00b5m",
    "PhysicalSizeY": 0.5,
    "PhysicalSizeYUnit": "\u00b5m",
    "PhysicalSizeX": 0.25,
    "PhysicalSizeXUnit": "\u00b5m",
}
