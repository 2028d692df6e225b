"""What the scores of a model are worth on the validation splits.

    python benchmarks/scores.py FOLDER_OF_DATA_SETS [--model tiny] [--adapter NAME]
        [--objects 4] [--plane-step 8]

Objects of an image, asked by one point in the middle, by that and one
correction, and by a box. Of each kind: how well the score goes with the true IoU
(correlation), and by how much it is too high on average. Of the three masks for the
point: the mean IoU of the one with the best score, and of the best one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from quality import find_sets
from tqdm import tqdm

from napari_sam_adapter import Interactive, load_predictor
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.evaluation.judging import choose_objects, first_prompt
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.user import correction
from napari_sam_adapter.predictions import trained_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter import MaskPrediction, SamPredictor
    from napari_sam_adapter.datasets import Dataset

KINDS = "point", "point and correction", "box"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--adapter")
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--split", default="val")
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--plane-step", type=int, default=8)
    options = parser.parse_args()
    predictor = load_predictor(options.model, options.adapter)
    protocol = Interactive("point", 0, options.objects, plane_step=options.plane_step)
    rows = [
        row_of(dataset, predictor, protocol)
        for dataset in tqdm(list(find_sets(options)), "asking", unit="set")
    ]
    told = [f"{kind}: correlation (too high by)" for kind in KINDS]
    print(markdown(("set", "objects", "best score", "best mask", *told), rows))


def row_of(
    dataset: Dataset, predictor: SamPredictor, protocol: Interactive
) -> tuple[str, ...]:
    scores, ious = defaultdict(list), defaultdict(list)
    chosen, best = [], []
    for reference in dataset.read():
        if not isinstance(reference, Reference):
            continue
        for truth, answers in look(reference, predictor, protocol):
            for kind, answer in answers.items():
                of_masks = [iou(one.mask, truth) for one in answer.candidates]
                scores[kind] += [one.score for one in answer.candidates]
                ious[kind] += of_masks
                if kind == "point":
                    chosen.append(of_masks[0])
                    best.append(max(of_masks))
    told = [
        f"{np.corrcoef(scores[kind], ious[kind])[0, 1]:.2f} "
        f"({np.mean(scores[kind]) - np.mean(ious[kind]):+.2f})"
        if len(scores[kind]) > 1
        else "-"
        for kind in KINDS
    ]
    means = (f"{np.mean(values):.3f}" for values in (chosen, best))
    return dataset.name, str(len(chosen)), *means, *told


def look(
    reference: Reference, predictor: SamPredictor, protocol: Interactive
) -> Iterator[tuple[np.ndarray, dict[str, MaskPrediction]]]:
    """Yield objects with the answers to each kind of prompt."""
    window = trained_window(predictor, reference.image)
    for plane in planes_of(reference, protocol.plane_step, window):
        embedding = predictor.encode(plane.seen)
        for number in choose_objects(plane.labels, plane.name, protocol):
            truth = plane.labels == number
            point = first_prompt(truth, "point")
            clicked = predictor.predict(embedding, point)
            answers = {"point": clicked}
            if click := correction(clicked.mask, truth):
                more = point.with_point(click.point, click.positive)
                corrected = predictor.predict(embedding, more, clicked)
                answers["point and correction"] = corrected
            box = first_prompt(truth, "box")
            answers["box"] = predictor.predict(embedding, box)
            yield truth, answers


if __name__ == "__main__":
    main()
