"""One prompt on the middle slice, carried through every volume of a folder.

    python benchmarks/propagation.py FOLDER_OF_DATA_SETS [--model tiny] [--adapter A]
        [--prompt box|point] [--split val] [--objects 6] [--rules]
        [--corrections clicks|box] [--json OUT]

Compared on the same objects, prompts and weights, by 3-D Dice and surface Dice (share
of the outline within one pixel of the other):

* *ours*: `propagate`, then one to three slices corrected, the first of the review list
  each time, or a random one. Where the mask misses most of the object (IoU below 0.5) a
  box is drawn anew; then up to three clicks on the largest error, until the IoU is 0.9
  (with --corrections box: a box alone);
* *box to box*: the scheme of other tools; the box around the last mask, enlarged by
  5 %, prompts the next slice, and the first slice whose IoU with the last is below 0.5
  ends the object;
* *interpolation*: no model after the first slice; its mask shrinks by signed distance
  towards the two slices where the object truly ends, which the others are not told.

A slice is wrong if its IoU with the truth is below 0.7; precision and recall say how
well the review list finds those. With --rules every rule of RULES is tried instead, to
choose one for a model.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import time
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from surface import surface_dice
from tqdm import tqdm

from napari_sam_adapter import (
    FollowRule,
    Plane,
    Prompts,
    PropagationSettings,
    SamPredictor,
    Session,
    load_predictor,
    propagate,
)
from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.evaluation.user import box_of, centre_of, correction
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.propagation.interpolation import interpolate
from napari_sam_adapter.volume.session.review import DOUBTFUL

if TYPE_CHECKING:
    from collections.abc import Iterator

FEWEST_SLICES = 5
SMALLEST_AREA = 30
WRONG = 0.7
CORRECTIONS, CLICKS = 3, 3
REDRAWN, GOOD = 0.5, 0.9
"""IoU below which a box is drawn anew, and from which on nothing is corrected."""
MOST_REMEMBERED = 200
PEER_IOU, PEER_MARGIN = 0.5, 0.05
RULES = {
    "box and mask": FollowRule(),
    "box": FollowRule(use_mask=False),
    "mask": FollowRule(use_box=False),
    "box, mask, point": FollowRule(interior_points=1),
    "points": FollowRule(use_box=False, use_mask=False, interior_points=3),
    "box and point": FollowRule(use_mask=False, interior_points=1),
    "whole, not by part": FollowRule(by_part=False),
    "with neighbours": FollowRule(neighbour_points=3),
}


class Remembering:
    """A predictor that encodes no image twice: all ways see the same planes."""

    def __init__(self, predictor: SamPredictor) -> None:
        self._predictor = predictor
        self._known: dict[bytes, object] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._predictor, name)

    def encode(self, image: np.ndarray) -> object:
        key = hashlib.sha256(np.ascontiguousarray(image)).digest()
        if key not in self._known:
            if len(self._known) == MOST_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._predictor.encode(image)
        return self._known[key]


@dataclass(frozen=True)
class Case:
    """One object of one volume."""

    image: np.ndarray
    truth: np.ndarray
    spacing: tuple[float, ...]
    seed: int
    prompts: Prompts
    clicks: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--adapter")
    parser.add_argument("--prompt", choices=("box", "point"), default="box")
    parser.add_argument("--split", choices=("train", "val", "any"), default="any")
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--corrections", choices=("clicks", "box"), default="clicks")
    parser.add_argument("--rules", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    predictor = Remembering(load_predictor(options.model, options.adapter))
    tables = {}
    for path in sorted(options.data.glob("*.zip")):
        if options.sets and path.stem not in options.sets:
            continue
        cases = list(read_cases(path, options))
        if cases:
            measure = compare_rules if options.rules else compare
            tables[path.stem] = summarise(
                [measure(predictor, case) for case in tqdm(cases, path.stem)]
            )
            print_table(path.stem, len(cases), tables[path.stem])
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n")


def read_cases(path: Path, options: argparse.Namespace) -> Iterator[Case]:
    """Yield the largest objects of every volume of a set."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        rows = csv.DictReader(io.StringIO(archive.read("index.csv").decode()))
        for row in rows:
            name = f"volumes/{row['id']}.npz"
            if name in names and options.split in ("any", row["split"]):
                arrays = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                yield from pick_objects(arrays, options)


def pick_objects(arrays: dict, options: argparse.Namespace) -> Iterator[Case]:
    labels = arrays["labels"]
    spacing = tuple(float(size) for size in np.ravel(arrays["spacing_zyx"]))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    found = 0
    for number in np.argsort(-sizes, kind="stable"):
        truth = labels == number
        slices = np.flatnonzero(truth.any(axis=(1, 2)))
        seed = int(slices[len(slices) // 2]) if len(slices) else 0
        if len(slices) < FEWEST_SLICES or truth[seed].sum() < SMALLEST_AREA:
            continue
        prompts = ask(truth[seed], options.prompt)
        clicks = 0 if options.corrections == "box" else CLICKS
        yield Case(arrays["image"], truth, spacing, seed, prompts, clicks)
        found += 1
        if found == options.objects:
            return


def ask(truth: np.ndarray, kind: str = "box") -> Prompts:
    if kind == "point":
        return Prompts([centre_of(truth)])
    top, left, bottom, right = box_of(truth)
    return Prompts(box=(top - 0.5, left - 0.5, bottom + 0.5, right + 0.5))


def compare(predictor: SamPredictor, case: Case) -> dict[str, float]:
    """Return all numbers of one object."""
    values: dict[str, float] = {}
    started = time.perf_counter()
    mask, session = ours(predictor, case)
    values["seconds"] = time.perf_counter() - started
    values |= scores("ours", mask, case)
    values |= review_quality(session, mask, case)
    values |= scores("box to box", box_to_box(predictor, case), case)
    values |= scores("interpolation", shrink(mask[case.seed], case), case)
    for way in ("review", "random"):
        values |= corrected(predictor, case, way)
    return values


def compare_rules(predictor: SamPredictor, case: Case) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, rule in RULES.items():
        mask, _ = ours(predictor, case, PropagationSettings(follow=rule))
        values |= scores(name, mask, case)
    return values


def ours(
    predictor: SamPredictor, case: Case, settings: PropagationSettings | None = None
) -> tuple[np.ndarray, Session]:
    session = Session(case.image, predictor, axes="zyx", spacing=case.spacing)
    object_id = session.new_object()
    seed = Plane((1, 2), (case.seed,))
    session.set_prompts(object_id, seed, case.prompts)
    if session.mask(object_id, seed).any():
        list(propagate(session, object_id, settings=settings))
    return session.labels == object_id, session


def corrected(predictor: SamPredictor, case: Case, way: str) -> dict[str, float]:
    """Correct one slice after the other, as the review list says or at random."""
    _, session = ours(predictor, case)
    rng = np.random.default_rng(0)
    values = {}
    for number in range(1, CORRECTIONS + 1):
        plane = next_slice(session, case, way, rng)
        if plane is not None:
            correct(session, case, plane, case.clicks)
            list(propagate(session, 1))
        values |= scores(f"{number} by {way}", session.labels == 1, case)
    return values


def next_slice(
    session: Session, case: Case, way: str, rng: np.random.Generator
) -> Plane | None:
    if way == "review":
        doubts = session.doubts(1, below=np.inf)
        return doubts[0].plane if doubts else None
    anchors = {plane.position[0] for plane in session.anchors(1)}
    slices = np.flatnonzero(case.truth.any(axis=(1, 2)))
    left = [int(z) for z in slices if z not in anchors]
    return Plane((1, 2), (int(rng.choice(left)),)) if left else None


def correct(session: Session, case: Case, plane: Plane, clicks: int) -> None:
    truth = plane.view(case.truth)
    if not truth.any():
        session.end_here(1, plane)
        return
    mask = session.mask(1, plane)
    if clicks == 0 or iou(mask, truth) < REDRAWN:
        session.set_prompts(1, plane, ask(truth))
        mask = session.mask(1, plane)
    for _ in range(clicks):
        click = correction(mask, truth)
        if click is None or iou(mask, truth) >= GOOD:
            break
        session.add_point(1, plane, click.point, positive=click.positive)
        mask = session.mask(1, plane)


def box_to_box(predictor: SamPredictor, case: Case) -> np.ndarray:
    volume = Volume(case.image, "zyx")
    found = np.zeros(case.truth.shape, bool)
    found[case.seed] = answer(predictor, volume, case.seed, case.prompts)
    for way in (range(case.seed + 1, len(found)), range(case.seed - 1, -1, -1)):
        last = found[case.seed]
        for z in way:
            if not last.any():
                break
            mask = answer(predictor, volume, z, Prompts(box=grown_box(last)))
            if iou(mask, last) < PEER_IOU:
                break
            found[z] = last = mask
    return found


def grown_box(mask: np.ndarray) -> tuple[float, ...]:
    top, left, bottom, right = box_of(mask)
    rows, columns = PEER_MARGIN * (bottom - top + 1), PEER_MARGIN * (right - left + 1)
    limits = np.array(mask.shape) - 0.5
    return (
        max(top - 0.5 - rows, -0.5), max(left - 0.5 - columns, -0.5),
        min(bottom + 0.5 + rows, limits[0]), min(right + 0.5 + columns, limits[1]),
    )  # fmt: skip


def answer(predictor: SamPredictor, volume: Volume, z: int, prompts: Prompts):
    embedding = predictor.encode(volume.read_uint8(Plane((1, 2), (z,))))
    return predictor.predict(embedding, prompts).mask


def shrink(mask: np.ndarray, case: Case) -> np.ndarray:
    found = np.zeros(case.truth.shape, bool)
    slices = np.flatnonzero(case.truth.any(axis=(1, 2)))
    nothing = BoxedMask.of(np.zeros_like(mask))
    for z in range(slices[0], slices[-1] + 1):
        end = slices[0] - 1 if z < case.seed else slices[-1] + 1
        weight = abs(z - case.seed) / abs(end - case.seed) / 2
        found[z] = interpolate(BoxedMask.of(mask), nothing, weight).full()
    return found


def review_quality(session: Session, mask: np.ndarray, case: Case) -> dict[str, float]:
    flagged = {doubt.plane.position[0] for doubt in session.doubts(1, DOUBTFUL)}
    derived = range(len(mask))
    wrong = {
        z
        for z in derived
        if z != case.seed
        and (mask[z].any() or case.truth[z].any())
        and iou(mask[z], case.truth[z]) < WRONG
    }
    hits = len(flagged & wrong)
    values = {}
    if flagged:
        values["precision"] = hits / len(flagged)
    if wrong:
        values["recall"] = hits / len(wrong)
    return values


def scores(name: str, mask: np.ndarray, case: Case) -> dict[str, float]:
    total = mask.sum() + case.truth.sum()
    dice = 2 * float((mask & case.truth).sum()) / max(total, 1)
    return {
        name: dice,
        f"{name} (surface)": surface_dice(mask, case.truth, case.spacing),
    }


def summarise(results: list[dict[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = defaultdict(list)
    for values in results:
        for name, value in values.items():
            columns[name].append(value)
    return {name: float(np.mean(values)) for name, values in columns.items()}


def print_table(name: str, count: int, means: dict[str, float]) -> None:
    print(f"\n{name}: {count} objects\n\n| | Dice | surface Dice |\n|---|--:|--:|")
    for key, value in means.items():
        if f"{key} (surface)" in means:
            print(f"| {key} | {value:.3f} | {means[f'{key} (surface)']:.3f} |")
    for key in ("precision", "recall", "seconds"):
        if key in means:
            print(f"| {key} | {means[key]:.3f} | |")


if __name__ == "__main__":
    main()
