"""Find all objects of a picture without a click, and measure them.

Run it as ``python examples/measure_all.py IMAGE [TABLE.csv]``. Sizes are in the unit of
the image, if its file tells one, else in pixels; the columns are those of
``napari-sam-adapter measure``. The labels of ``a.png`` go to ``a_labels.tif``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import napari_sam_adapter as nsa

# `tiny` is less sure of its masks than SAM, for which the defaults are made.
SURE, STABLE = 0.6, 0.85
SMALLEST = 30  # pixels
COMPACT = 0.8  # solidity; what others leave of a mask is no object


def main(
    picture: str, table: str = "objects.csv", points_per_side: int = 32
) -> pd.DataFrame:
    image = nsa.open_image(picture)
    predictor = nsa.load_predictor("tiny", adapter="microscopy")
    settings = nsa.EverythingSettings(points_per_side, SURE, STABLE, min_area=SMALLEST)
    labels = nsa.segment_everything(np.asarray(image.data), predictor, settings)

    found = nsa.measure(nsa.Measuring(labels, image.data, spacing=image.scale))
    objects = pd.DataFrame(found.rows, columns=found.columns)
    objects = objects[objects["solidity"] > COMPACT]
    labels[~np.isin(labels, objects["object"])] = 0
    objects.to_csv(table, index=False)

    path = Path(picture)
    output = path.with_name(f"{path.stem}_labels.tif")
    nsa.save_labels(output, labels, like=image, overwrite=True)
    print(f"{len(objects)} objects, mean area {objects['area'].mean():.0f} pixels")
    return objects


if __name__ == "__main__":
    main(*sys.argv[1:3])
