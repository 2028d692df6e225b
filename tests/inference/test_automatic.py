from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import SamPredictor, load_predictor, segment_everything
from napari_sam_adapter import segment_semantic as segment
from napari_sam_adapter.errors import ImageError, PromptError
from napari_sam_adapter.inference.everything import (
    EverythingSettings,
    everything_steps,
    grid_points,
)
from napari_sam_adapter.inference.preprocessing import frame_of
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.predictions import MaskCandidate, MaskPrediction

if TYPE_CHECKING:
    from pathlib import Path

EVERY_MASK = EverythingSettings(
    points_per_side=3, min_score=-100, min_stability=0, max_overlap=1, max_share=1
)
CERTAIN = 8.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)


class Squares:
    """Answers a point on a square with the square, its core, and the whole plane."""

    def __init__(self, *corners: tuple[int, int], side: int = 16, score=0.95) -> None:
        self.corners, self.side, self.score = corners, side, score

    def encode(self, image):
        return type("Embedding", (), {"frame": frame_of((64, 64), 64)})

    def predict_many(self, embedding, prompts_list):
        return [self.answer(*map(int, p.points[0])) for p in prompts_list]

    def answer(self, row: int, column: int) -> MaskPrediction:
        whole = np.ones((64, 64), bool)
        square = np.zeros_like(whole)
        for top, left in self.corners:
            if top <= row < top + self.side and left <= column < left + self.side:
                square[top : top + self.side, left : left + self.side] = True
        candidates = tuple(
            MaskCandidate(m, self.score, self.logits(m)) for m in (square, whole)
        )
        return MaskPrediction(square, self.score, candidates[0].logits, candidates)

    def logits(self, mask: np.ndarray) -> np.ndarray:
        return np.where(mask[::4, ::4], CERTAIN, -CERTAIN).astype(np.float32)


def test_the_map_has_the_size_of_the_image(network, image) -> None:
    probability = segment(image, network)
    assert probability.shape == image.shape
    assert probability.dtype == np.float32
    assert 0 <= probability.min() < probability.max() <= 1
    colour = np.stack([image] * 3, axis=-1)
    assert np.array_equal(segment(colour, network), probability)


def test_a_constant_plane_has_no_map(network) -> None:
    with pytest.raises(ImageError, match="structure"):
        segment(np.full((8, 8), 3), network)


def test_every_square_is_found_once() -> None:
    corners = (4, 4), (4, 40), (40, 20)
    settings = EverythingSettings(points_per_side=16, min_stability=0.5)
    labels = segment_everything(np.zeros((64, 64)), Squares(*corners), settings)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    for top, left in corners:
        assert len(np.unique(labels[top : top + 16, left : left + 16])) == 1
    assert (labels > 0).sum() == 3 * 16**2


@pytest.mark.parametrize(
    "settings",
    [
        EverythingSettings(min_score=0.95),
        EverythingSettings(min_stability=1.0),
        EverythingSettings(min_area=257),
        EverythingSettings(max_share=0.01),
    ],
    ids=["score", "stability", "area", "share"],
)
def test_filters_drop_masks(settings: EverythingSettings) -> None:
    assert not segment_everything(np.zeros((64, 64)), Squares((4, 4)), settings).any()


def test_the_background_is_no_object() -> None:
    settings = EverythingSettings(min_stability=0.5, max_share=1.0)
    labels = segment_everything(np.zeros((64, 64)), Squares((4, 4)), settings)
    assert set(np.unique(labels)) == {1, 2}  # the whole plane is a mask, if allowed


def test_a_network_runs_through_and_repeats_itself(network, image) -> None:
    steps = list(everything_steps(image, network, EVERY_MASK))
    assert [step.done for step in steps] == [9, 9]
    labels = steps[-1].labels
    assert labels.shape == image.shape
    numbers = np.unique(labels)
    assert np.array_equal(numbers[numbers > 0], np.arange(1, labels.max() + 1))
    assert np.array_equal(labels, segment_everything(image, network, EVERY_MASK))


def test_points_are_spread_evenly() -> None:
    points = grid_points((10, 20), 2)
    assert points.tolist() == [[2, 4.5], [2, 14.5], [7, 4.5], [7, 14.5]]


@pytest.mark.parametrize(
    "wrong", [{"points_per_side": 0}, {"max_overlap": 1.5}, {"batch": 0}]
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(PromptError, match="Expected"):
        EverythingSettings(**wrong)
