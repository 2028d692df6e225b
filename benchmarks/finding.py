"""All objects of an image without a prompt, against drawn ones.

    python benchmarks/finding.py FOLDER_OF_DATA_SETS [--images 24] [--ours]
    python benchmarks/finding.py FOLDER_OF_DATA_SETS --volumes
    python benchmarks/finding.py FOLDER_OF_DATA_SETS --examples 3 [--images 24]

Validation images of two sets; of a volume, planes spread over it. "Grid" is the usual
way to find everything: a point on each crossing of a grid, and scores that decide
(`segment_everything`), with the thresholds of the shipped network. The
classical way is Otsu's threshold and a watershed from the middles of what is brighter,
or darker, whichever covers less. Accuracy is found / (found + missed + wrong), at an
IoU of 0.5 and as the mean over 0.5 to 0.95.

With --volumes: all objects of the last volume of each of three sets by `find_in_volume`
with `tiny`, matched in 3-D.

With --examples: `find_objects(like=...)` with so many random true objects of one kind
as examples beside `find_objects`, both with the examples in the labels already. These
count on neither side. Of the mixtures only objects of the examples' kind are true:
"brightness" is two pictures of nuclei added, one a third as bright as the other, "size"
two pictures side by side with nuclei of which one half is twice as large, and disks, of
two kinds or three, are made up.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from baselines import to_grey
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed
from tqdm import tqdm

from napari_sam_adapter import (
    EverythingSettings,
    Plane,
    Session,
    find_in_volume,
    find_objects,
    load_predictor,
    open_dataset,
    segment_everything,
)
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.evaluation.matching import segmentation_accuracy
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.seeds import middles_of

SETS = "nuclei2d_dsb2018", "em3d_chloroplasts"
VOLUMES = "em3d_chloroplasts", "nuclei3d_mouse_embryo", "nuclei3d_gonuclear"
GRID = EverythingSettings(points_per_side=16)
TITLES = "SA at 0.5", "mean SA", "found / drawn"
ALL = 999
SEEDS = 2
"""Choices of examples for each picture; of a mixture one of each kind."""
OURS = 2
"""Ways, of the first ones, that find objects by what the network marks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--ours", action="store_true", help="without the other ways")
    parser.add_argument("--volumes", action="store_true", help="volumes instead")
    parser.add_argument("--examples", type=int, default=0, help="find what is like N")
    parser.add_argument("--split", default="val", help="with --examples")
    options = parser.parse_args()
    tiny = load_predictor("tiny")
    if options.volumes:
        rows = [
            (name, *in_volume(options.data / f"{name}.zip", tiny)) for name in VOLUMES
        ]
        print(markdown(("set", *TITLES, "seconds"), rows))
        return
    if options.examples:
        with_examples(options, tiny)
        return
    adapted = tiny.with_adapter("microscopy")
    ways = {
        "`tiny`": partial(find, tiny),
        "`tiny` with `microscopy`": partial(find, adapted),
        "`tiny` with `microscopy`, grid": lambda image: segment_everything(
            image, adapted, GRID
        ),
        "Otsu and watershed": classical,
    }
    rows = [
        (name, way_name, *judge(planes, way))
        for name in SETS
        for planes in [read(options.data / f"{name}.zip", options.images)]
        for way_name, way in list(ways.items())[: OURS if options.ours else None]
    ]
    print(markdown(("set", "way", *TITLES, "seconds an image"), rows))


def read(path: Path, count: int, split: str = "val") -> list:
    """Return planes with objects, spread over a split."""
    planes = [
        plane
        for reference in open_dataset(path, split=split).read()
        for plane in planes_of(reference)
        if plane.labels.any()
    ]
    chosen = np.linspace(0, len(planes) - 1, min(count, len(planes))).round()
    return [planes[int(number)] for number in chosen]


def judge(planes: list, way) -> tuple[str, str, str, str]:
    """Return the accuracies, the number of objects, and the time."""
    accuracies, found, drawn, seconds = [], 0, 0, 0.0
    for plane in tqdm(planes, leave=False):
        started = time.perf_counter()
        labels = way(plane.seen)
        seconds += time.perf_counter() - started
        accuracies.append(segmentation_accuracy(labels, plane.labels))
        found += len(np.unique(labels)) - 1
        drawn += len(np.unique(plane.labels)) - 1
    mean, at_50 = np.mean(accuracies, axis=0)
    each = seconds / len(planes)
    return f"{at_50:.3f}", f"{mean:.3f}", f"{found} / {drawn}", f"{each:.2f}"


def find(predictor: object, image: np.ndarray) -> np.ndarray:
    session = Session(image, predictor, axes=axes_of(image))
    find_objects(session, Plane((0, 1)))
    return session.labels


def axes_of(image: np.ndarray) -> str:
    return "yxc" if image.ndim == 3 else "yx"


def in_volume(path: Path, predictor: object) -> tuple[str, str, str, str]:
    """Return the accuracies in 3-D, the number of objects, and the time."""
    *_, reference = open_dataset(path).read()
    session = Session(reference.image, predictor, axes="zyx", spacing=reference.spacing)
    planes = [Plane((1, 2), (z,)) for z in range(len(reference.image))]
    started = time.perf_counter()
    for step in tqdm(find_in_volume(session, planes), total=len(planes), leave=False):
        if step.problem:
            print(path.name, step.place, step.problem)
    seconds = time.perf_counter() - started
    mean, at_50 = segmentation_accuracy(session.labels, reference.labels)
    drawn = len(np.unique(reference.labels)) - 1
    counts = f"{len(session.object_ids)} / {drawn}"
    return f"{at_50:.3f}", f"{mean:.3f}", counts, f"{seconds:.0f}"


def with_examples(options: argparse.Namespace, predictor: object) -> None:
    """Print how much better a search by example is, set by set."""
    from mixtures import mixtures

    sets = {
        name: [(plane.seen, plane.labels, None) for plane in planes]
        for name in SETS
        for planes in [
            read(options.data / f"{name}.zip", options.images, options.split)
        ]
    }
    nuclei = read(options.data / f"{SETS[0]}.zip", 999, options.split)
    sets |= mixtures(nuclei, seed=0 if options.split == "train" else 1)
    titles = "set", "way", "SA at 0.5", "mean SA", "precision", "recall"
    rows = []
    for name, pictures in sets.items():
        asked = [
            (picture, seed)
            for picture in pictures
            for seed in range(SEEDS if picture[2] is None else picture[2].max())
            if len(wanted(picture, seed)) > options.examples
        ]
        if not asked:
            rows.append((name, "too few objects in each picture", *[""] * 4))
            continue
        pairs = [
            score_pair(picture, options.examples, seed, predictor)
            for picture, seed in tqdm(asked, leave=False)
        ]
        columns = zip(*pairs, strict=True)
        for way, column in zip(("all", "like examples"), columns, strict=True):
            sa, mean, matched, found, true = np.transpose(column)
            figures = sa.mean(), mean.mean(), matched.sum() / found.sum()
            figures = *figures, matched.sum() / true.sum()
            rows.append((name, way, *(f"{figure:.3f}" for figure in figures)))
    print(markdown(titles, rows))


def wanted(picture: tuple, seed: int) -> np.ndarray:
    """Return the objects of a picture; of a mixture those of one kind."""
    _, labels, kinds = picture
    numbers = np.unique(labels)[1:]
    if kinds is None:
        return numbers
    return numbers[kinds[numbers] == 1 + seed % kinds.max()]


def score_pair(picture: tuple, count: int, seed: int, predictor: object) -> list:
    """Return the figures without and with examples, which are fewer than objects."""
    image, labels, _ = picture
    rng = np.random.default_rng(seed)
    numbers = wanted(picture, seed)
    examples = rng.choice(numbers, count, replace=False)
    others = np.where(np.isin(labels, np.setdiff1d(numbers, examples)), labels, 0)
    begun = np.where(np.isin(labels, examples), labels, 0).astype(np.int32)
    session = Session(image, predictor, begun.copy(), axes_of(image))
    figures = []
    for like in None, examples.tolist():
        is_changed = bool(find_objects(session, Plane((0, 1)), like))
        found = np.where(begun, 0, session.labels)
        mean, at_50 = segmentation_accuracy(found, others)
        objects = len(np.unique(found)) - 1, len(numbers) - count
        matched = round(at_50 * sum(objects) / (1 + at_50))
        figures.append((at_50, mean, matched, *objects))
        if is_changed:
            session.undo()
    return figures


def classical(image: np.ndarray) -> np.ndarray:
    grey = to_grey(image)
    inside = grey > threshold_otsu(grey)
    if inside.mean() > 0.5:
        inside = ~inside
    markers = np.zeros(grey.shape, int)
    middles = middles_of(inside).astype(int)
    markers[tuple(middles.T)] = np.arange(1, len(middles) + 1)
    depth = ndimage.distance_transform_edt(inside)
    return watershed(-depth, markers, mask=inside)


if __name__ == "__main__":
    main()
