"""Segment a batch of pictures: a box around every object, from a table.

Run it as ``python examples/boxes_from_csv.py BOXES.csv``. The table has the columns
image, top, left, bottom and right: a file beside the table, and a box in pixels, rows
and columns counted from 0. The labels of ``a.png`` go to ``a_labels.tif``; the first
box of a picture is object 1, the second object 2.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import napari_sam_adapter as nsa

SIDES = "top", "left", "bottom", "right"


def main(table: str) -> None:
    boxes = defaultdict(list)
    with Path(table).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                boxes[row["image"]].append([float(row[side]) for side in SIDES])
            except (KeyError, TypeError, ValueError) as error:
                where = f"{table}, line {rows.line_num}"
                message = f"{where}: expected image and four numbers, got {row}"
                raise SystemExit(message) from error

    predictor = nsa.load_predictor("tiny", adapter="microscopy")
    for name, asked in boxes.items():
        path = Path(table).parent / name
        image = nsa.open_image(path)
        embedding = predictor.encode(image)
        prompts = [nsa.Prompts(box=box) for box in asked]
        labels = np.zeros(image.label_shape, np.uint16)
        for number, found in enumerate(predictor.predict_many(embedding, prompts), 1):
            labels[found.mask & (labels == 0)] = number
            print(f"{name}, object {number}: {found.mask.sum()} pixels")
        output = path.with_name(f"{path.stem}_labels.tif")
        nsa.save_labels(output, labels, like=image, overwrite=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    try:
        main(sys.argv[1])
    except (OSError, nsa.SamAdapterError) as error:
        raise SystemExit(f"boxes_from_csv: {error}") from error
