"""Find all objects of a picture without a click, and measure them.

Run it as ``python examples/measure_all.py IMAGE [TABLE.csv]``. Sizes are in the unit of
the image, if its file tells one, else in pixels; the columns are those of
``napari-sam-adapter measure``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import napari_sam_adapter as nsa

# `tiny` is less sure of its masks than SAM, for which the defaults are made.
SETTINGS = nsa.EverythingSettings(min_score=0.6, min_stability=0.85, min_area=30)


def main(picture: str, table: str = "objects.csv") -> pd.DataFrame:
    image = nsa.open_image(picture)
    predictor = nsa.load_predictor("tiny", adapter="microscopy")
    labels = nsa.segment_everything(np.asarray(image.data), predictor, SETTINGS)

    found = nsa.measure(nsa.Measuring(labels, image.data, spacing=image.scale))
    objects = pd.DataFrame(found.rows, columns=found.columns)
    objects.to_csv(table, index=False)
    path = Path(picture)
    output = path.with_name(f"{path.stem}_labels.tif")
    nsa.save_labels(output, labels, like=image, overwrite=True)
    print(objects[["area", "solidity", "intensity_mean"]].describe())
    return objects


if __name__ == "__main__":
    main(*sys.argv[1:3])
