"""Mean IoU of a model on the validation splits, beside classical baselines.

    python benchmarks/quality.py FOLDER_OF_DATA_SETS [--model tiny] [--json OUT]

Every answer is judged at the image's own resolution, one object at a time, with equal
weight for each object of a set. The point is the one farthest from the object's border,
the box encloses the object tightly, and each correction is the centre of the largest
wrong region.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from baselines import flood_at_point, otsu_in_box, watershed_at_point
from scipy import ndimage
from tqdm import tqdm

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.training.datasets import read_samples

if TYPE_CHECKING:
    from napari_sam_adapter.training.samples import Sample

OBJECTS_PER_IMAGE = 4
SMALLEST_OBJECT = 30
CORRECTIONS = 5
PLANE_STEP = 8
"""Of the validation volumes every eighth plane is asked."""

Box = tuple[int, int, int, int]


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
    paths = sorted(options.data.glob("*.zip"))
    table = {}
    for path in paths:
        if options.sets and path.stem not in options.sets:
            continue
        samples = read_samples(path, options.split, PLANE_STEP)
        if samples:
            table[path.stem] = evaluate_set(predictor, samples, path.stem)
    print_table(table)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


def evaluate_set(
    predictor: SamPredictor, samples: list[Sample], name: str
) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for sample in tqdm(samples, desc=name):
        embedding = predictor.encode(sample.image)
        for truth in pick_objects(sample.layers[0], rng):
            point, box = centre(truth), enclosing_box(truth)
            answers = {
                "point": predictor.predict(embedding, Prompts([point])).mask,
                "box": predictor.predict(embedding, Prompts(box=box)).mask,
                "corrected": correct(predictor, embedding, truth, point),
                "otsu in box": otsu_in_box(sample.image, box),
                "flood": flood_at_point(sample.image, point),
                "watershed": watershed_at_point(sample.image, point),
            }
            for key, mask in answers.items():
                found[key].append(iou(mask, truth))
    means = {key: float(np.mean(values)) for key, values in found.items()}
    return {"objects": len(found["point"]), **means}


def pick_objects(labels: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    sizes = np.bincount(labels.ravel())
    large = np.flatnonzero(sizes[1:] >= SMALLEST_OBJECT) + 1
    chosen = rng.permutation(large)[:OBJECTS_PER_IMAGE]
    return [labels == number for number in chosen]


def correct(predictor, embedding, truth: np.ndarray, point: tuple[int, int]):
    """Click once, then five times where it is most wrong."""
    prompts = Prompts([point])
    prediction = predictor.predict(embedding, prompts)
    for _ in range(CORRECTIONS):
        errors = prediction.mask ^ truth
        if not errors.any():
            break
        spot = centre(largest_region(errors))
        prompts = prompts.with_point(spot, bool(truth[spot]))
        prediction = predictor.predict(embedding, prompts, prediction)
    return prediction.mask


def largest_region(mask: np.ndarray) -> np.ndarray:
    regions, _ = ndimage.label(mask)
    return regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1


def centre(mask: np.ndarray) -> tuple[int, int]:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), mask.shape)
    return int(row), int(column)


def enclosing_box(mask: np.ndarray) -> Box:
    rows, columns = np.nonzero(mask)
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / max((mask | truth).sum(), 1))


def print_table(table: dict[str, dict[str, float]]) -> None:
    columns = ["point", "flood", "watershed", "box", "otsu in box", "corrected"]
    print("| set | objects | " + " | ".join(columns) + " |")
    print("|---|--:|" + "--:|" * len(columns))
    for name, row in table.items():
        values = " | ".join(f"{row[column]:.3f}" for column in columns)
        print(f"| {name} | {row['objects']} | {values} |")


if __name__ == "__main__":
    main()
