"""Adapters trained to follow objects, judged on objects they never saw.

    python benchmarks/tuned_following.py FOLDER_OF_DATA_SETS [--sets NAME ...]
        [--steps 200] [--shares 0 0.5] [--runs FOLDER]

For each set and each share of following steps (`follow_share`; 0 trains as much, with
clicks and boxes alone) an adapter is trained for `tiny`: on the training volumes, or,
where there is one volume, on its objects less those that are judged. Then
`propagation.py` follows the judged objects from one box on the middle slice. Beside it,
the IoU of one box and of one point on that slice: these shall not get worse.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from propagation import Case, Remembering, ask, ours, pick_objects, scores, summarise
from tqdm import tqdm

from napari_sam_adapter import (
    Plane,
    SamPredictor,
    TrainingConfig,
    load_predictor,
    train_adapter,
)
from napari_sam_adapter.datasets import Reference, open_dataset
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.training.samples.datasets import samples_of
from napari_sam_adapter.volume.planes.planes import Volume

if TYPE_CHECKING:
    from napari_sam_adapter.training.samples.samples import Sample


@dataclass(frozen=True)
class Trial:
    """How a set is learned from and judged."""

    objects: int
    """Judged, of each volume."""
    plane_step: int
    """Every how many planes along each axis are learned from."""


TRIALS = {
    "em3d_chloroplasts": Trial(4, 1),
    "nuclei3d_gonuclear": Trial(4, 1),
    "nuclei3d_mouse_embryo": Trial(4, 1),
    "mri3d_hippocampus": Trial(1, 1),
}
COLUMNS = ("followed", "followed (surface)", "one box", "one point")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(TRIALS), choices=TRIALS)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--trains", default="adapter")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.0, 0.5])
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    runs = options.runs or Path(tempfile.mkdtemp())
    runs.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        samples, cases = divide(options.data / f"{name}.zip", TRIALS[name])
        print(f"\n{name}: {len(samples)} slices, {len(cases)} objects judged\n")
        print("| trained |", " | ".join(COLUMNS), "|\n|---|" + "--:|" * len(COLUMNS))
        print_row("no", load_predictor("tiny"), cases)
        for share in options.shares:
            path = runs / f"{name}-{share}.safetensors"
            if not path.exists():
                train(samples, share, path, options)
            print_row(f"share {share}", load_predictor("tiny", path), cases)


def divide(path: Path, trial: Trial) -> tuple[list[Sample], list[Case]]:
    """Return what is learned from, and the objects that are judged."""
    volumes = list(open_dataset(path).pairs)
    splits = {pair.split for pair in volumes}
    samples, cases = [], []
    for pair in volumes:
        reference = pair.read()
        assert isinstance(reference, Reference)
        judged: list[Case] = []
        if pair.split == "val" or len(splits) == 1:
            judged = list(judged_objects(reference, trial.objects))
            cases += judged
        if pair.split == "train":
            left = without(reference, judged)
            samples += samples_of(left, trial.plane_step)
    return samples, cases


def judged_objects(reference: Reference, count: int) -> list[Case]:
    arrays = {
        "image": reference.image,
        "labels": reference.labels,
        "spacing_zyx": np.array(reference.spacing),
    }
    wanted = argparse.Namespace(objects=count, prompt="box", corrections="clicks")
    return list(pick_objects(arrays, wanted))


def without(reference: Reference, judged: list[Case]) -> Reference:
    labels = reference.labels.copy()
    for case in judged:
        labels[case.truth] = 0
    return replace(reference, labels=labels)


def train(
    samples: list[Sample], share: float, path: Path, options: argparse.Namespace
) -> None:
    config = TrainingConfig(
        path,
        trains=options.trains,
        steps=options.steps,
        learning_rate=options.rate,
        prompted_share=1.0,
        follow_share=share,
        label_kind="instance",
    )
    with tqdm(total=config.steps, desc=path.stem) as bar:
        for progress in train_adapter(config, samples):
            bar.update(progress.step - bar.n)
    best = progress.best
    if best:
        bar.write(f"{path.stem}: {best}, {progress.seconds:.0f} s")


def print_row(title: str, predictor: SamPredictor, cases: list[Case]) -> None:
    means = summarise([judge(Remembering(predictor), case) for case in cases])
    print(
        f"| {title} |", " | ".join(f"{means[c]:.3f}" for c in COLUMNS), "|", flush=True
    )


def judge(predictor: Remembering, case: Case) -> dict[str, float]:
    mask, _ = ours(predictor, case)
    plane = Plane((1, 2), (case.seed,))
    image, truth = Volume(case.image, "zyx").read_uint8(plane), case.truth[case.seed]
    answers = {
        f"one {kind}": iou(
            predictor.predict(predictor.encode(image), ask(truth, kind)).mask, truth
        )
        for kind in ("box", "point")
    }
    return scores("followed", mask, case) | answers


if __name__ == "__main__":
    main()
