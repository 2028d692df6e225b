"""The scores of `tiny` tell good masks from bad ones."""

from __future__ import annotations

import numpy as np

from napari_sam_adapter import Prompts, load_predictor
from napari_sam_adapter.drawings import innermost
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.training.samples.synthetic import draw_sample

IMAGES = 12


def test_scores_of_clicks_and_boxes_go_with_the_overlap() -> None:
    predictor = load_predictor("tiny", device="cpu", dtype="float32")
    rng = np.random.default_rng(0)
    of_points, of_boxes = [], []
    for _ in range(IMAGES):
        sample = draw_sample(rng, 256)
        embedding, labels = predictor.encode(sample.image), sample.layers[0]
        for number in np.unique(labels[labels > 0])[:3]:
            truth = labels == number
            rows, columns = np.nonzero(truth)
            box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
            clicked = predictor.predict(embedding, Prompts([innermost(truth, 1)[0]]))
            boxed = predictor.predict(embedding, Prompts(box=box))
            of_points += [(c.score, iou(c.mask, truth)) for c in clicked.candidates]
            of_boxes.append((boxed.score, iou(boxed.mask, truth)))
    for told in (of_points, of_boxes):
        scores, overlaps = np.array(told).T
        assert np.corrcoef(scores, overlaps)[0, 1] > 0.5
        assert abs(scores.mean() - overlaps.mean()) < 0.1
