"""Measures of masks, and how the small model judges its masks by them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.model.decoder.mask_quality import MaskQuality, measures_of
from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.training.steps.prompt_steps import Scene, SimulatedPrompts

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = small_shape(64, 2, 64, 64)
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)


def square(inside: float, outside: float = -8.0, top: int = 4) -> torch.Tensor:
    logits = torch.full((16, 16), outside)
    logits[top : top + 4, 5:9] = inside
    return logits


def decided() -> Sam:
    """A network that takes large masks for good ones."""
    torch.manual_seed(0)
    sam = build_sam(SHAPE)
    quality = sam.mask_decoder.quality
    with torch.no_grad():
        for weights in quality.parameters():
            weights.zero_()
        quality.measures.weight[0, 0] = quality.estimate.weight[0, 0] = 1.0
        quality.of_mask[:, 0] = 4.0
    return sam


def saved(sam: Sam, folder: Path) -> SamPredictor:
    torch.save(sam.state_dict(), folder / "small.pth")
    return load_predictor(folder / "small.pth", device="cpu", dtype="float32")


def test_a_square_has_the_measures_of_a_square() -> None:
    area, near, far, mean, peak, rim, steps, edge = measures_of(square(2.0)).tolist()
    assert area == pytest.approx(np.log(17))
    assert (near, far) == (1, 0)
    assert mean == peak == 2
    assert (rim, steps, edge) == (1, 10, 0)


def test_masks_at_the_edge_of_the_frame_are_told_apart() -> None:
    assert measures_of(square(2.0, top=0))[-1] == 1


def test_empty_masks_have_measures() -> None:
    measures = measures_of(square(-1.0))
    assert measures.isfinite().all()
    assert measures[0] == 0


def test_judging_leaves_the_masks_to_their_own_loss() -> None:
    logits, scores = square(2.0).requires_grad_(), torch.zeros(1, requires_grad=True)
    MaskQuality(4)(logits[None], scores, slice(0, 1)).sum().backward()
    assert logits.grad is None
    assert scores.grad is not None


def test_scores_are_of_the_mask_that_is_asked_for() -> None:
    torch.manual_seed(0)
    quality = MaskQuality(4)
    torch.nn.init.normal_(quality.of_mask)
    logits, scores = square(2.0).expand(2, 4, 16, 16), torch.zeros(2, 4)
    of_all = quality(logits, scores, slice(None))
    assert of_all[0].unique().numel() == 4
    of_some = quality(logits[:, 1:], scores[:, 1:], slice(1, None))
    torch.testing.assert_close(of_some, of_all[:, 1:])


def test_candidates_are_ranked_by_what_they_look_like(tmp_path: Path) -> None:
    predictor = saved(decided(), tmp_path)
    answer = predictor.predict(predictor.encode(IMAGE), Prompts([(20, 30)]))
    areas = [(candidate.logits > 0).sum() for candidate in answer.candidates]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]
    assert answer.score == answer.candidates[0].score


def test_proposals_have_the_scores_of_answers(tmp_path: Path) -> None:
    predictor = saved(decided(), tmp_path)
    embedding, point = predictor.encode(IMAGE), np.array([[20.0, 30.0]])
    answer = predictor.predict(embedding, Prompts([(20, 30)]))
    best, second, _ = (candidate.score for candidate in answer.candidates)
    between = predictor.propose(embedding, point, (best + second) / 2)
    assert [one.score for one in between] == pytest.approx([best])


def test_training_sees_the_same_judgement() -> None:
    sam = decided()
    window = Window(0, 0, sam.image_size)
    scene = Scene(sam, sam.image_encoder(torch.randn(1, 3, 64, 64), window), window)
    point = SimulatedPrompts(torch.full((1, 1, 2), 30.0), torch.ones(1, 1).long())
    logits, scores = scene.decode(point, 1)
    judged = sam.mask_decoder.quality(logits, torch.zeros(1, 3), slice(1, None))
    torch.testing.assert_close(scores, judged)  # SAM's own estimate weighs nothing


def test_half_precision_elsewhere_does_not_round_the_judgement() -> None:
    quality, logits = MaskQuality(4), square(2.0)[None]
    alone = quality(logits, torch.full((1,), 0.3), slice(0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        among = quality(logits, torch.full((1,), 0.3), slice(0, 1))
    assert torch.equal(among, alone)


def test_both_ways_through_the_decoder_judge_alike(tmp_path: Path) -> None:
    predictor = saved(build_sam(SHAPE), tmp_path)
    decoding, embedding = predictor.network.decoding, predictor.encode(IMAGE)
    points = torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1, dtype=torch.int64)
    (fast,) = decoding.decode_above(embedding, points, slice(1, None), -np.inf)
    decoding._is_folded = False
    (plain,) = decoding.decode_above(embedding, points, slice(1, None), -np.inf)
    torch.testing.assert_close(fast.scores, plain.scores, atol=1e-5, rtol=0)


def test_small_models_from_before_keep_their_own_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sam = build_sam(replace(SHAPE, judges_masks=False))
    predictor = saved(sam, tmp_path)
    assert not predictor.network.sam.judges_masks
    embedding = predictor.encode(IMAGE)
    points = embedding.frame.to_xy(np.array([[20.0, 30.0]]))[:, None]
    with torch.inference_mode():
        sparse, dense, maps = sam.prompt_encoder((points, torch.ones(1, 1).long()))
        positions = sam.prompt_encoder.dense_positions()
        _, own = sam.eval().mask_decoder(
            embedding.features, positions, sparse, dense, embedding.skips, maps
        )
    answer = predictor.predict(embedding, Prompts([(20, 30)]))
    scores = sorted(candidate.score for candidate in answer.candidates)
    assert scores == pytest.approx(sorted(own[0, 1:].tolist()), abs=1e-4)
