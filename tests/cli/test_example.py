from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from napari_sam_adapter.image_io import open_image

EXAMPLE = Path(__file__).parents[2] / "examples" / "segment_headless.py"


def test_the_headless_example_follows_a_nucleus(tmp_path: Path) -> None:
    overlap = runpy.run_path(str(EXAMPLE))["main"](str(tmp_path / "nucleus.tif"))
    labels = np.asarray(open_image(tmp_path / "nucleus.tif").data)
    assert labels.any(axis=(1, 2)).sum() > 1
    assert overlap > 0.6
