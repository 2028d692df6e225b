"""Small objects in planes much larger than the network's input.

    python benchmarks/large_planes.py FOLDER_OF_DATA_SETS [--side 2048]

Validation images of nuclei are laid side by side, at their own scale, until they fill a
plane. Every object that is clicked in its centre is judged three times: with the whole
plane scaled down to the network's input; through windows, as a `Session` does it; and
through windows of the size that showed the objects before, as the plugin does it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from napari_sam_adapter import Plane, Prompts, Session, load_predictor, open_dataset
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.user import centre_of
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.asking.window_search import first_side

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
        "whole plane": (WholePlane(predictor, options.side), False),
        "windows": (predictor, False),
        "windows like those before": (predictor, True),
    }
    rows = []
    for name, way in ways.items():
        overlaps, seconds = judge(image, labels, ids[: options.objects], *way)
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


def judge(
    image: np.ndarray, labels: np.ndarray, ids: np.ndarray, predictor, as_before: bool
) -> tuple[list[float], list[float]]:
    session = Session(
        image, predictor, intensity=IntensityMapping(), overlap_rule="overwrite"
    )
    overlaps, seconds = [], []
    for number in ids:
        true = labels == number
        object_id = session.new_object()
        started = time.perf_counter()
        known = session.objects.usual_window(PLANE.axes) if as_before else None
        reduction = known / first_side(predictor.image_size, 1.0) if known else 1.0
        prompts = Prompts([centre_of(true)], reduction=reduction)
        session.set_prompts(object_id, PLANE, prompts)
        mask = session.mask(object_id, PLANE)
        seconds.append(time.perf_counter() - started)
        overlaps.append((mask & true).sum() / (mask | true).sum())
    return overlaps, seconds


if __name__ == "__main__":
    main()
