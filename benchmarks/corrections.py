"""What to ask where a followed mask is corrected: the first prompt on a wrong slice.

    python benchmarks/corrections.py FOLDER_OF_DATA_SETS [--objects 4]

Objects are followed from one box on the middle slice, as in `propagation.py`. On the
four worst slices of each that have a mask, one click in the middle of the largest error
is asked with the followed mask, and with mask and box as `corrected` does; and the true
box with the mask, and alone. Mean IoU, and that of the followed mask.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from propagation import Case, Remembering, ask, ours, read_cases

from napari_sam_adapter import Plane, Prompts, load_predictor
from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.evaluation.user import correction
from napari_sam_adapter.volume.asking.correcting import corrected
from napari_sam_adapter.volume.planes.planes import Volume

SETS = {
    "em3d_chloroplasts": "any",
    "nuclei3d_gonuclear": "any",
    "nuclei3d_mouse_embryo": "any",
    "mri3d_hippocampus": "val",
}
SLICES = 4
WAYS = ("followed", "mask, click", "mask, box, click", "mask, true box", "true box")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--objects", type=int, default=4)
    options = parser.parse_args()
    predictor = Remembering(load_predictor("tiny"))
    print("| set | slices |", " | ".join(WAYS), "|\n|---|--:|" + "--:|" * len(WAYS))
    for name, split in SETS.items():
        wanted = argparse.Namespace(
            split=split,
            objects=1 if name == "mri3d_hippocampus" else options.objects,
            prompt="box",
            corrections="clicks",
        )
        cases = read_cases(options.data / f"{name}.zip", wanted)
        rows = [row for case in cases for row in worst_slices(predictor, case)]
        means = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
        print(f"| {name} | {len(rows)} | {means} |", flush=True)


def worst_slices(predictor: Remembering, case: Case) -> list[list[float]]:
    found, _ = ours(predictor, case)
    both = found.any(axis=(1, 2)) & case.truth.any(axis=(1, 2))
    both[case.seed] = False
    order = sorted(np.flatnonzero(both), key=lambda z: iou(found[z], case.truth[z]))
    return [ious(predictor, case, int(z), found[z]) for z in order[:SLICES]]


def ious(predictor: Remembering, case: Case, z: int, mask: np.ndarray) -> list[float]:
    truth = case.truth[z]
    click = correction(mask, truth)
    if click is None:
        return [1.0] * len(WAYS)
    clicked, boxed = Prompts([click.point], [click.positive]), ask(truth)
    asked = (
        Prompts([click.point], [click.positive], mask=mask),
        corrected(clicked, BoxedMask.of(mask), predictor.capabilities),
        Prompts(box=boxed.box, mask=mask),
        boxed,
    )
    pixels = Volume(case.image, "zyx").read_uint8(Plane((1, 2), (z,)))
    embedding = predictor.encode(pixels)
    answers = [predictor.predict(embedding, prompts).mask for prompts in asked]
    return [iou(answer, truth) for answer in (mask, *answers)]


if __name__ == "__main__":
    main()
