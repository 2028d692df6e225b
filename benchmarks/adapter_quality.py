"""An adapter beside its base, set by set, on images that training did not see.

    python benchmarks/adapter_quality.py FOLDER_OF_DATA_SETS microscopy [--sets ...]

The adapter is a name whose recipe tells the sets, or a file with --sets. Prompted
objects as in `quality.py`; without prompts the Dice of all objects of an image.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from quality import CORRECTIONS, ONE_BOX, POINT

from napari_sam_adapter import PromptFree, evaluate, load_predictor, open_dataset
from napari_sam_adapter.errors import DatasetError
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.results import compare
from napari_sam_adapter.training.recipes.adapter_recipe import read_adapter_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter import SamPredictor
    from napari_sam_adapter.datasets import Dataset
    from napari_sam_adapter.evaluation.results import Difference

ASKED = (
    (POINT, {"iou_1": "one point, IoU",
             f"iou_{CORRECTIONS + 1}": f"point + {CORRECTIONS} corrections, IoU"}),
    (ONE_BOX, {"iou_1": "one box, IoU"}),
    (PromptFree(), {"dice": "no prompt, Dice"}),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("adapter")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--split", default="val")
    options = parser.parse_args()
    sets = options.sets or read_adapter_recipe(options.adapter).sets
    head = ("set", "asked", "base", "adapter", "difference", "95 % interval", "better")
    rows = []
    for name in sets:
        try:
            dataset = open_dataset(options.data / f"{name}.zip", split=options.split)
        except DatasetError as error:
            print(error)
            continue
        base = load_predictor(options.model)
        adapted = base.with_adapter(options.adapter)
        remember_images(base), remember_images(adapted)
        for asked, change in differences(dataset, base, adapted):
            rows.append((name, asked, *_cells(change)))
    print(markdown(head, rows))


def remember_images(predictor: SamPredictor) -> None:
    """Encode every image once, however often it is asked for."""
    encode, known = predictor.encode, {}

    def recall(image):
        key = image.shape, image.tobytes()
        if key not in known:
            known[key] = encode(image)
        return known[key]

    predictor.encode = recall


def differences(dataset: Dataset, base, adapted) -> Iterator[tuple[str, Difference]]:
    for protocol, columns in ASKED:
        found = [evaluate(dataset, network, protocol) for network in (base, adapted)]
        for change in compare(*found):
            if change.column in columns:
                yield columns[change.column], change


def _cells(change: Difference) -> tuple[str, ...]:
    low, high = change.change.low, change.change.high
    return (
        f"{change.first:.3f}", f"{change.second:.3f}", f"{change.change.mean:+.3f}",
        f"{low:+.3f} to {high:+.3f}", f"{100 * change.wins:.0f} %",
    )  # fmt: skip


if __name__ == "__main__":
    main()
