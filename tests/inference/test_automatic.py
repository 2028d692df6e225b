from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import SamPredictor, load_predictor, segment_everything
from napari_sam_adapter import segment_semantic as segment
from napari_sam_adapter.errors import ImageError, PromptError
from napari_sam_adapter.inference.asking.proposals import Proposal
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.masks.mask_pixels import MaskInBox
from napari_sam_adapter.inference.whole_planes.everything import (
    EverythingSettings,
    everything_steps,
)
from napari_sam_adapter.model.decoder.prompt_encoder import PromptEncoder
from napari_sam_adapter.model.families.preparation import (
    EFFICIENT_SAM,
    LITE_MEDSAM,
    SAM,
    SAM_ADAPTER,
    SMALL,
)
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.seeds import grid_points

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY_MASK = EverythingSettings(
    points_per_side=3, min_score=-100, min_stability=0, max_overlap=1, max_share=1
)
STABILITY = 0.9
FAMILIES = SAM, LITE_MEDSAM, EFFICIENT_SAM, SAM_ADAPTER


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    sam = build_sam(SamShape(64, 32, 2, (2, 0), 64))
    for parameter in sam.mask_decoder.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    torch.save(sam.state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)


class Squares:
    """Answers a point on a square with the square, and any point with all."""

    image_size, thresholds = 64, (0.88, 0.95)

    def __init__(self, *corners: tuple[int, int], side: int = 16, score=0.95) -> None:
        self.corners, self.side, self.score = corners, side, score

    def encode(self, image):
        return type("Embedding", (), {"frame": frame_of((64, 64), 64)})

    def propose(self, embedding, points, min_score):
        if self.score <= min_score:
            return []
        found = [mask for p in points for mask in self.masks(*map(int, p))]
        return [Proposal(mask, self.score) for mask in found]

    def masks(self, row: int, column: int) -> list[MaskInBox]:
        square = np.ones((self.side, self.side), bool)
        hit = [
            MaskInBox(top, left, square, STABILITY)
            for top, left in self.corners
            if top <= row < top + self.side and left <= column < left + self.side
        ]
        return [*hit, MaskInBox(0, 0, np.ones((64, 64), bool), STABILITY)]


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


def test_what_is_covered_has_no_number() -> None:
    quarters = Squares((0, 0), (0, 32), (32, 0), (32, 32), side=32)
    settings = EverythingSettings(min_stability=0.5, max_share=1.0)
    labels = segment_everything(np.zeros((64, 64)), quarters, settings)
    assert set(np.unique(labels)) == {1, 2, 3, 4}  # the whole plane lies below


def test_a_network_runs_through_and_repeats_itself(network, image) -> None:
    steps = list(everything_steps(image, network, EVERY_MASK))
    assert [step.done for step in steps] == [9, 9]
    labels = steps[-1].labels
    assert labels.shape == image.shape
    numbers = np.unique(labels)
    assert np.array_equal(numbers[numbers > 0], np.arange(1, labels.max() + 1))
    assert np.array_equal(labels, segment_everything(image, network, EVERY_MASK))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_proposals_are_the_candidates_with_a_good_score(
    network, image, family, monkeypatch
) -> None:
    monkeypatch.setattr(network, "_family", family)
    embedding = network.encode(image)
    points = grid_points(image.shape, 3)
    answers = network.predict_many(embedding, [Prompts(p[None]) for p in points])
    candidates = [c for answer in answers for c in answer.candidates if c.mask.any()]
    limit = float(np.median([c.score for c in candidates]))
    good = [c for c in candidates if c.score > limit]
    found = network.propose(embedding, points, limit)
    assert 0 < len(found) == len(good) < len(candidates)
    for proposal, candidate in zip(found, good, strict=True):
        mask = proposal.mask
        assert proposal.score == pytest.approx(candidate.score, abs=1e-5)
        rows, columns = np.nonzero(candidate.mask)
        assert (mask.top, mask.left) == (rows.min(), columns.min())
        assert mask.pixels.sum() == candidate.mask.sum()


@pytest.fixture
def little_memory() -> Iterator[list[int]]:
    """Room for two objects at once; tells how many were asked for."""
    asked = []

    def look(module: torch.nn.Module, inputs: tuple[tuple[torch.Tensor, ...]]) -> None:
        if isinstance(module, PromptEncoder):
            asked.append(len(inputs[0][0]))
            if asked[-1] > 2:
                raise torch.OutOfMemoryError("no room")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(look)
    yield asked
    handle.remove()


def test_points_are_asked_in_parts_where_memory_is_short(
    network, image, little_memory
) -> None:
    embedding, points = network.encode(image), grid_points(image.shape, 3)
    found = network.propose(embedding, points, -100)
    assert little_memory[:4] == [9, 5, 3, 2]
    one_by_one = [network.propose(embedding, p[None], -100) for p in points]
    expected = scores_of([p for part in one_by_one for p in part])
    assert scores_of(found) == pytest.approx(expected, rel=1e-3)


def scores_of(proposals: list[Proposal]) -> list[float]:
    return [proposal.score for proposal in proposals]


def test_points_are_spread_evenly() -> None:
    points = grid_points((10, 20), 2)
    assert points.tolist() == [[2, 4.5], [2, 14.5], [7, 4.5], [7, 14.5]]


@pytest.mark.parametrize(
    ("family", "least"),
    [(family, (0.88, 0.95)) for family in FAMILIES] + [(SMALL, (0.6, 0.8))],
    ids=lambda value: getattr(value, "name", ""),
)
def test_thresholds_are_those_of_the_network_unless_given(
    network, family, least, monkeypatch
) -> None:
    monkeypatch.setattr(network, "_family", family)
    assert EverythingSettings().least_of(network) == least
    given = EverythingSettings(min_score=0.0, min_stability=0.5)
    assert given.least_of(network) == (0.0, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_per_side": 0},
        {"max_overlap": 1.5},
        {"min_stability": -0.1},
        {"batch": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(PromptError, match="Expected"):
        EverythingSettings(**wrong)
