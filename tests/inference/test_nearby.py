"""Objects that are looked for around their boxes only, as in following."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path

MIDDLES = (70, 60), (90, 420), (300, 250), (450, 480)
BOXES = [(y - 19.0, x - 19.0, y + 19.0, x + 19.0) for y, x in MIDDLES]


def disk(y: int, x: int) -> np.ndarray:
    rows, columns = np.ogrid[:512, :512]
    return np.hypot(rows - y, columns - x) < 18


@pytest.fixture(scope="module")
def tiny() -> SamPredictor:
    return load_predictor("tiny", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def embedding(tiny: SamPredictor) -> object:
    image = np.random.default_rng(0).integers(20, 60, (512, 512), np.uint8)
    for middle in MIDDLES:
        image[disk(*middle)] += 120
    return tiny.encode(image)


def asked() -> list[Prompts]:
    masks = [disk(*middle) for middle in MIDDLES]
    return [Prompts(box=b, mask=m) for b, m in zip(BOXES, masks, strict=True)]


def test_objects_are_found_where_their_boxes_are(
    tiny: SamPredictor, embedding: object
) -> None:
    nearby = tiny.predict_nearby(embedding, asked())
    whole = tiny.predict_many(embedding, asked())
    for near, far, middle in zip(nearby, whole, MIDDLES, strict=True):
        assert iou(near.mask, far.mask) > 0.95
        assert iou(near.mask, disk(*middle)) > 0.8
        assert near.score == pytest.approx(far.score, abs=0.1)
        assert near.logits.shape == far.logits.shape


def test_masks_of_parts_are_judged_like_others(embedding: object) -> None:
    sure = load_predictor("tiny", device="cpu", dtype="float32")
    torch.nn.init.constant_(sure.network.sam.mask_decoder.quality.estimate.bias, 50.0)
    nearby = sure.predict_nearby(embedding, asked())
    assert [one.score for one in nearby] == pytest.approx([1.0] * len(nearby))


def test_company_does_not_change_a_mask(tiny: SamPredictor, embedding: object) -> None:
    together = tiny.predict_nearby(embedding, asked())
    for prompts, known in zip(asked(), together, strict=True):
        (alone,) = tiny.predict_nearby(embedding, [prompts])
        assert iou(alone.mask, known.mask) > 0.999


def test_what_needs_the_whole_plane_is_asked_there(
    tiny: SamPredictor, embedding: object
) -> None:
    large = Prompts(box=(10, 10, 500, 500))
    point = Prompts([MIDDLES[0]])
    too_small = Prompts(box=(68, 58, 72, 62), mask=np.ones((512, 512), bool))
    prompts = [large, asked()[0], point, too_small]
    nearby = tiny.predict_nearby(embedding, prompts)
    whole = tiny.predict_many(embedding, prompts)
    assert np.array_equal(nearby[0].logits, whole[0].logits)
    assert np.array_equal(nearby[2].logits, whole[2].logits)
    assert not np.array_equal(nearby[1].logits, whole[1].logits)


def untrained(folder: Path, **stem: bool) -> SamPredictor:
    torch.manual_seed(0)
    weights = build_sam(SamShape(256, 32, 2, (0,), 128, **stem)).state_dict()
    torch.save(weights, folder / "small.pth")
    return load_predictor(folder / "small.pth", device="cpu", dtype="float32")


def test_a_mask_that_reaches_the_edge_of_its_part_is_asked_again(
    tmp_path: Path,
) -> None:
    predictor = untrained(tmp_path, conv_stem=True, use_rel_pos=False)
    embedding = predictor.encode(np.eye(64, dtype=np.uint8))
    prompts = [Prompts(box=(20, 20, 26, 26))]
    (near,), (far,) = (
        ask(embedding, prompts)
        for ask in (predictor.predict_nearby, predictor.predict_many)
    )
    assert far.mask[:, 50:].any()  # far from the box
    assert np.array_equal(near.logits, far.logits)


def test_networks_that_know_no_parts_answer_as_ever(tmp_path: Path) -> None:
    predictor = untrained(tmp_path)
    embedding = predictor.encode(np.eye(64, dtype=np.uint8))
    prompts = [Prompts(box=(20, 20, 26, 26)), Prompts(box=(40, 30, 48, 36))]
    nearby = predictor.predict_nearby(embedding, prompts)
    whole = predictor.predict_many(embedding, prompts)
    for near, far in zip(nearby, whole, strict=True):
        assert np.array_equal(near.logits, far.logits)


def test_a_box_outside_of_the_plane_is_refused(
    tiny: SamPredictor, embedding: object
) -> None:
    with pytest.raises(PromptError, match="touches a plane"):
        tiny.predict_nearby(embedding, [Prompts(box=(600, 600, 620, 620))])
