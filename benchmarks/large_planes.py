"""Small objects in planes much larger than the network's input.

    python benchmarks/large_planes.py FOLDER_OF_DATA_SETS [--side 2048]

Validation images of nuclei are laid side by side, at their own scale, until they fill a
plane. Every object that is clicked in its centre is judged twice: with the whole plane
scaled down to the network's input, and through windows, as a `Session` does it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from napari_sam_adapter import Plane, Session, load_predictor, open_dataset
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.user import centre_of
from napari_sam_adapter.intensity import IntensityMapping

TILE = 256
PLANE = Plane((0, 1))


class WholePlane:
    """A predictor that calls no plane large."""

    def __init__(self, predictor: object, side: int) -> None:
        self._predictor, self.image_size = predictor, side

    def __getattr__(self, name: str) -> object:
        return getattr(self._predictor, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--objects", type=int, default=100)
    options = parser.parse_args()
    image, labels = mosaic(options.data / "nuclei2d_dsb2018.zip", options.side)
    ids = np.random.default_rng(0).permutation(np.unique(labels[labels > 0]))
    predictor = load_predictor("tiny")
    ways = {
        "whole plane": WholePlane(predictor, options.side),
        "windows": predictor,
    }
    rows = []
    for name, asked in ways.items():
        overlaps, seconds = judge(image, labels, ids[: options.objects], asked)
        rows.append(
            (name, f"{np.mean(overlaps):.3f}", f"{1000 * np.median(seconds):.0f} ms",
             f"{1000 * seconds[0]:.0f} ms")
        )  # fmt: skip
    print(f"{options.side} x {options.side}, {len(overlaps)} objects\n")
    print(markdown(("seen as", "mean IoU", "median click", "first click"), rows))


def mosaic(path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay the corners of grey images side by side until the plane is full."""
    image = np.zeros((side, side), np.uint8)
    labels = np.zeros((side, side), np.int32)
    places = [(r, c) for r in range(0, side, TILE) for c in range(0, side, TILE)]
    found = grey_images(path)
    for row, column in places:
        pixels, objects = next(found)
        part = np.s_[row : row + TILE, column : column + TILE]
        image[part] = pixels
        labels[part] = np.where(objects, objects + labels.max(), 0)
    return image, labels


def grey_images(path: Path):
    while True:
        for split in ("val", "train"):
            for reference in open_dataset(path, split=split).read():
                pixels, labels = reference.image, reference.labels
                if pixels.ndim == 2 and min(pixels.shape) >= TILE:
                    yield pixels[:TILE, :TILE], labels[:TILE, :TILE]


def judge(image, labels, ids, predictor) -> tuple[list[float], list[float]]:
    session = Session(image, predictor, intensity=IntensityMapping(), overwrite=True)
    overlaps, seconds = [], []
    for number in ids:
        true = labels == number
        object_id = session.new_object()
        started = time.perf_counter()
        session.add_point(object_id, PLANE, centre_of(true))
        mask = session.mask(object_id, PLANE)
        seconds.append(time.perf_counter() - started)
        overlaps.append((mask & true).sum() / (mask | true).sum())
    return overlaps, seconds


if __name__ == "__main__":
    main()
