"""Find all objects of a picture without a click, and measure them.

Run it as ``python examples/measure_all.py IMAGE [TABLE.csv]``. Sizes are in the unit of
the image, if its file tells one, else in pixels; the columns are those of
``napari-sam-adapter measure``. The labels of ``a.png`` go to ``a_labels.tif``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import napari_sam_adapter as nsa


def main(picture: str, table: str = "objects.csv") -> pd.DataFrame:
    image = nsa.open_image(picture)
    predictor = nsa.load_predictor("tiny", adapter="microscopy")
    session = nsa.Session(image, predictor)
    nsa.find_objects(session)

    labels = session.labels
    found = nsa.measure(labels, image)
    objects = pd.DataFrame(found.rows, columns=found.columns)
    objects.to_csv(table, index=False)

    path = Path(picture)
    output = path.with_name(f"{path.stem}_labels.tif")
    nsa.save_labels(output, labels, like=image, overwrite=True)
    print(f"{len(objects)} objects, median area {objects['area'].median():.0f}")
    return objects


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:3])
