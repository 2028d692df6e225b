"""Which prompts an outline drawn by hand is best asked with.

    python benchmarks/outlines.py FOLDER_OF_DATA_SETS [--model tiny]

A rough outline of an object has ten corners on its contour, each moved to or from the
middle by some 8 % of its distance, and all of them a little outwards. It is asked with
as a box, as a mask, with points in it, and combined; `outline itself` is what the
outline covers. After one click, an outline around the largest wrong region is
taken out in four ways.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours
from skimage.morphology import convex_hull_image

from napari_sam_adapter import Prompts, load_predictor, open_dataset
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.errors import DatasetError, ImageError
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.user import box_of, centre_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CORNERS = 10
JITTER, OUTWARDS = 0.08, 0.06
OBJECTS_PER_IMAGE, IMAGES_PER_SET = 3, 12
SMALLEST = 60
"""Pixels below which nobody draws an outline."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args()
    predictor = load_predictor(options.model)
    table: dict[str, dict[str, list[float]]] = {}
    for path in sorted(options.data.glob("*.zip")):
        try:
            dataset = open_dataset(path, split="val")
        except DatasetError:
            continue
        rows = table[path.stem] = defaultdict(list)
        random = np.random.default_rng(0)
        for pair in dataset.pairs[:IMAGES_PER_SET]:
            for plane in list(planes_of(pair.load(), 4))[:3]:
                try:
                    embedding = predictor.encode(plane.seen)
                except ImageError:
                    continue
                for truth in objects_of(plane.labels, random):
                    measure(predictor, embedding, truth, random, rows)
    columns = list(dict.fromkeys(name for rows in table.values() for name in rows))
    lines = [
        (name, str(len(next(iter(rows.values())))),
         *(f"{np.mean(rows[c]):.3f}" if rows[c] else "-" for c in columns))
        for name, rows in table.items() if rows
    ]  # fmt: skip
    means = [
        f"{np.mean([np.mean(r[c]) for r in table.values() if r[c]]):.3f}"
        for c in columns
    ]
    print(
        markdown(("set", "objects", *columns), [*lines, ("mean of sets", "", *means)])
    )


def objects_of(labels: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    pieces, _ = ndimage.label(labels > 0)
    pieces = pieces * 1000 + labels
    numbers = [n for n in np.unique(pieces[labels > 0])
               if np.count_nonzero(pieces == n) >= SMALLEST]  # fmt: skip
    for number in random.permutation(numbers)[:OBJECTS_PER_IMAGE]:
        yield pieces == number


def measure(predictor, embedding, truth, random, rows) -> None:
    drawn = outline_of(truth, random)
    if not drawn.any():
        return
    box = box_of(drawn)
    inside = innermost(drawn, 4)
    asked = {
        "box": Prompts(box=box),
        "mask": Prompts(mask=drawn),
        "box + mask": Prompts(box=box, mask=drawn),
        "box + 1 point": Prompts(inside[:1], box=box),
        "box + 4 points": Prompts(inside, box=box),
        "box + mask + 1 point": Prompts(inside[:1], box=box, mask=drawn),
        "box + mask + 4 points": Prompts(inside, box=box, mask=drawn),
    }
    rows["outline itself"].append(iou(drawn, truth))
    for name, prompts in asked.items():
        rows[name].append(iou(predictor.predict(embedding, prompts).mask, truth))
    take_out(predictor, embedding, truth, rows)


def take_out(predictor, embedding, truth, rows) -> None:
    first = Prompts([centre_of(truth)])
    answer = predictor.predict(embedding, first)
    wrong, count = ndimage.label(answer.mask & ~truth)
    if not count:
        return
    number = np.bincount(wrong.ravel())[1:].argmax() + 1
    if np.count_nonzero(wrong == number) < SMALLEST:
        return
    drawn = convex_hull_image(wrong == number)
    points = innermost(drawn, 8)
    rows["wrong at first"].append(iou(answer.mask, truth))
    for count in (1, 4, 8):
        prompts = first
        for point in points[:count]:
            prompts = prompts.with_point(tuple(point), False)
        found = predictor.predict(embedding, prompts, answer)
        rows[f"out: {count} points"].append(iou(found.mask, truth))
        left = replace(prompts, mask=answer.mask & ~drawn)
        found = predictor.predict(embedding, left)
        rows[f"out: {count} points + mask"].append(iou(found.mask, truth))
    rows["out: pixels"].append(iou(answer.mask & ~drawn, truth))


def outline_of(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    contour = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len) - 1
    corners = contour[np.linspace(0, len(contour), CORNERS, endpoint=False).astype(int)]
    middle = corners.mean(axis=0)
    factor = 1 + OUTWARDS + JITTER * random.standard_normal((CORNERS, 1))
    return polygon2mask(mask.shape, middle + factor * (corners - middle))


def innermost(mask: np.ndarray, count: int) -> np.ndarray:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    rows, columns = np.indices(mask.shape)
    points = []
    for _ in range(count):
        point = np.unravel_index(depth.argmax(), depth.shape)
        radius = depth[point]
        if radius == 0:
            break
        points.append(point)
        depth[np.hypot(rows - point[0], columns - point[1]) < radius / 2] = 0
    return np.array(points, float).reshape(-1, 2)


if __name__ == "__main__":
    main()
