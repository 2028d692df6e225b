"""How sure a propagated mask is: the weights of the cues, and what they are worth.

    python benchmarks/calibration.py FOLDER_OF_DATA_SETS [--model tiny]

One box on the middle slice of the largest objects of every volume; of each slice that
is reached, the cues and whether its mask is good (IoU of 0.7 or more). A logistic
regression in which all sets weigh the same gives PRIOR and EVIDENCE in
`volume/propagation/stop_rule.py`. Every set is then judged by weights that were made
without it: of the slices that are flagged, how many are wrong (precision); of the wrong
ones, how many are flagged (recall).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from propagation import WRONG, Case, read_cases
from scipy.optimize import minimize
from scipy.stats import rankdata
from tqdm import tqdm

from napari_sam_adapter import Plane, Session, load_predictor, propagate
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.volume.propagation.stop_rule import LARGEST_GROWTH
from napari_sam_adapter.volume.session.review import DOUBTFUL

SETS = {
    "em3d_chloroplasts": 6,
    "nuclei3d_gonuclear": 12,
    "nuclei3d_mouse_embryo": 8,
    "mri3d_hippocampus": 1,
}
"""Objects of each volume."""
VOLUMES = 14
SHRINKAGE = 4e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args()
    predictor = load_predictor(options.model)
    found = {}
    for name, objects in SETS.items():
        wanted = argparse.Namespace(
            split="any", objects=objects, prompt="box", corrections="clicks"
        )
        cases = list(read_cases(options.data / f"{name}.zip", wanted))
        cases = cases[: VOLUMES * objects]
        rows = [row for case in tqdm(cases, name) for row in look(predictor, case)]
        found[name] = np.array(rows)
    print("PRIOR, EVIDENCE =", np.round(fit(list(found.values())), 2).tolist())
    print("\n| set | slices | wrong | flagged | precision | recall | area under ROC |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, rows in found.items():
        others = [other for key, other in found.items() if key != name]
        print_row(name, rows, confidence(rows, fit(others)))


def look(predictor, case: Case):
    """Yield score, likeness, logarithm of growth, and whether the mask is good."""
    session = Session(case.image, predictor, axes="zyx", spacing=case.spacing)
    object_id = session.new_object()
    seed = Plane((1, 2), (case.seed,))
    session.set_prompts(object_id, seed, case.prompts)
    if not session.mask(object_id, seed).any():
        return
    for result in propagate(session, object_id):
        cues = result.cues
        if cues is not None and not cues.is_empty:
            growth = min(np.log(cues.growth), LARGEST_GROWTH)
            good = iou(result.mask, case.truth[result.plane.position[0]]) >= WRONG
            yield cues.score, cues.likeness, growth, good


def fit(sets: list[np.ndarray]) -> np.ndarray:
    cues = np.concatenate([design(rows) for rows in sets])
    sign = np.concatenate([np.where(rows[:, -1] > 0, 1, -1) for rows in sets])
    shares = [np.full(len(rows), 1 / len(rows) / len(sets)) for rows in sets]
    share = np.concatenate(shares)

    def loss(weights: np.ndarray) -> float:
        wrong = np.logaddexp(0, -sign * (cues @ weights))
        return float(share @ wrong + SHRINKAGE * weights[1:] @ weights[1:])

    return minimize(loss, np.zeros(cues.shape[1])).x


def design(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(rows)), rows[:, :-1]])


def confidence(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-design(rows) @ weights))


def print_row(name: str, rows: np.ndarray, sure: np.ndarray) -> None:
    wrong, flagged = rows[:, -1] == 0, sure < DOUBTFUL
    hits = int((wrong & flagged).sum())
    print(
        f"| {name} | {len(rows)} | {wrong.mean():.2f} | {flagged.mean():.2f} "
        f"| {hits / max(flagged.sum(), 1):.2f} | {hits / max(wrong.sum(), 1):.2f} "
        f"| {area(sure, ~wrong):.2f} |"
    )


def area(values: np.ndarray, good: np.ndarray) -> float:
    """Return how often a good slice is surer than a wrong one."""
    count = good.sum()
    ranks = rankdata(values)[good].sum() - count * (count + 1) / 2
    return float(ranks / (count * (len(good) - count)))


if __name__ == "__main__":
    main()
