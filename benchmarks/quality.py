"""Mean IoU of a model on the validation splits, beside classical baselines.

    python benchmarks/quality.py FOLDER_OF_DATA_SETS [--model tiny] [--json OUT]

The interactive protocol of `napari-sam-adapter evaluate`, with up to four objects of an
image: every answer is judged at the image's own resolution, with equal weight for each
object of a set. Flood fill, watershed and Otsu's threshold get the same point or box.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from baselines import FLOOD, OTSU, WATERSHED
from tqdm import tqdm

from napari_sam_adapter import Interactive, evaluate, load_predictor, open_dataset
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.evaluation.reports import markdown

if TYPE_CHECKING:
    from napari_sam_adapter import SamPredictor
    from napari_sam_adapter.datasets import Dataset

CORRECTIONS = 5
OBJECTS_PER_IMAGE = 4
POINT = Interactive("point", CORRECTIONS, OBJECTS_PER_IMAGE)
ONE_POINT = Interactive("point", 0, OBJECTS_PER_IMAGE)
ONE_BOX = Interactive("box", 0, OBJECTS_PER_IMAGE)
COLUMNS = ("one point", "flood fill", "watershed", "one box", "Otsu in the box",
           f"point + {CORRECTIONS} corrections")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--adapter")
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--split", default="val")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    predictor = load_predictor(options.model, options.adapter)
    table = {
        dataset.name: measure(dataset, predictor)
        for dataset in tqdm(list(find_sets(options)), "evaluating", unit="set")
    }
    print_table(table)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


def find_sets(options: argparse.Namespace):
    """Open the sets that have the split."""
    for path in sorted(options.data.glob("*.zip")):
        if options.sets and path.stem not in options.sets:
            continue
        try:
            yield open_dataset(path, split=options.split)
        except DatasetError as error:
            print(error)


def measure(dataset: Dataset, predictor: SamPredictor) -> dict[str, float]:
    clicked = evaluate(dataset, predictor, POINT)
    first = [
        (FLOOD, ONE_POINT), (WATERSHED, ONE_POINT), (predictor, ONE_BOX),
        (OTSU, ONE_BOX),
    ]  # fmt: skip
    others = [evaluate(dataset, *asked).mean("iou_1") for asked in first]
    means = clicked.mean("iou_1"), *others, clicked.mean(f"iou_{CORRECTIONS + 1}")
    return {
        "objects": len(clicked.objects.rows),
        **dict(zip(COLUMNS, means, strict=True)),
    }


def print_table(table: dict[str, dict[str, float]]) -> None:
    rows = [
        (name, str(row["objects"]), *(f"{row[column]:.3f}" for column in COLUMNS))
        for name, row in table.items()
    ]
    print(markdown(("set", "objects", *COLUMNS), rows))


if __name__ == "__main__":
    main()
