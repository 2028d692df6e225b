"""A CUDA device answers as the CPU does; where it has no room the CPU helps out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import (
    EverythingSettings,
    Prompts,
    SamPredictor,
    Session,
    load_predictor,
    propagate,
    segment_everything,
    segment_semantic,
)
from napari_sam_adapter.sample_images import large_nucleus, nuclei_volume
from napari_sam_adapter.volume.planes.planes import Plane

if TYPE_CHECKING:
    import numpy.typing as npt
    from tests.gpu.conftest import Memory

    from napari_sam_adapter.predictions import MaskPrediction

    Mask = npt.NDArray[np.bool_]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

FLIPPED = 8
"""Pixels of a mask that rounding may turn over."""
VOLUME, LABELS = nuclei_volume((12, 160, 160))
(LAYER, ROW, COLUMN), NUCLEUS = large_nucleus(LABELS)
PLANE, SHAPE = VOLUME[LAYER], VOLUME.shape[1:]


def box_of(mask: Mask) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(mask)
    return (
        float(rows.min()),
        float(columns.min()),
        float(rows.max()),
        float(columns.max()),
    )


def boxes() -> list[Prompts]:
    """One for each nucleus of some size."""
    layer = LABELS[LAYER]
    numbers = [n for n in np.unique(layer)[1:] if np.count_nonzero(layer == n) > 60]
    return [Prompts(box=box_of(layer == number)) for number in numbers]


BOX = box_of(NUCLEUS[LAYER])
KINDS = {
    "point": Prompts([(ROW, COLUMN)]),
    "points": Prompts([(ROW, COLUMN), (2, 2)], [True, False]),
    "box": Prompts(box=BOX),
    "box and mask": Prompts(box=BOX, mask=NUCLEUS[LAYER]),
}


def flipped(found: MaskPrediction, expected: MaskPrediction) -> int:
    return int(np.count_nonzero(found.mask != expected.mask))


def iou(found: Mask, expected: Mask) -> float:
    return np.count_nonzero(found & expected) / np.count_nonzero(found | expected)


def share_of_objects(found: npt.NDArray[np.int32], wanted: npt.NDArray[np.int32]):
    """Return which part of the wanted objects is there, nearly pixel by pixel."""
    matches = []
    for number in np.unique(wanted)[1:]:
        mask = wanted == number
        best = np.bincount(found[mask]).argmax()
        matches.append(best > 0 and iou(found == best, mask) > 0.9)
    return np.mean(matches)


def test_embeddings_are_those_of_the_cpu(cpu: SamPredictor, cuda: SamPredictor) -> None:
    planes = list(VOLUME[:3])
    for found, expected in zip(
        cuda.encode_batch(planes), cpu.encode_batch(planes), strict=True
    ):
        assert found.features.is_cuda
        pairs = zip(
            (found.features, *found.skips),
            (expected.features, *expected.skips),
            strict=True,
        )
        for one, other in pairs:
            scale = float(other.abs().max())
            assert float((one.cpu() - other).abs().max()) < 1e-4 * max(1, scale)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_those_of_the_cpu(
    cpu: SamPredictor, cuda: SamPredictor, kind: str
) -> None:
    found, expected = (p.predict(p.encode(PLANE), KINDS[kind]) for p in (cuda, cpu))
    assert expected.mask.any()
    assert flipped(found, expected) <= FLIPPED
    assert found.score == pytest.approx(expected.score, abs=1e-3)
    assert len(found.candidates) == len(expected.candidates)


def test_refined_answers_are_those_of_the_cpu(
    cpu: SamPredictor, cuda: SamPredictor
) -> None:
    first, better = KINDS["point"], KINDS["points"]
    answers = []
    for predictor in (cuda, cpu):
        embedding = predictor.encode(PLANE)
        before = predictor.predict(embedding, first)
        answers.append(predictor.predict(embedding, better, before))
    assert flipped(*answers) <= FLIPPED


def test_many_objects_are_those_of_the_cpu(
    cpu: SamPredictor, cuda: SamPredictor
) -> None:
    here, there = cuda.encode(PLANE), cpu.encode(PLANE)
    for ask, expect in (
        (cuda.predict_many, cpu.predict_many),
        (cuda.predict_nearby, cpu.predict_nearby),
    ):
        found, expected = ask(here, boxes()), expect(there, boxes())
        assert max(map(flipped, found, expected)) <= FLIPPED


def test_half_precision_is_near(cpu: SamPredictor) -> None:
    half = load_predictor("tiny", device="cuda", dtype="bfloat16")
    found, expected = (p.predict_many(p.encode(PLANE), boxes()) for p in (half, cpu))
    ious = [iou(a.mask, b.mask) for a, b in zip(found, expected, strict=True)]
    assert np.mean(ious) > 0.99


def test_description_and_choice_tell_the_device(cuda: SamPredictor) -> None:
    assert cuda.description["device"] == "cuda"
    assert cuda.description["dtype"] == "float32"
    chosen = load_predictor("tiny")
    assert chosen.device.type == chosen.description["device"] == "cuda"


def test_adapters_take_turns_on_one_base(cpu: SamPredictor, cuda: SamPredictor) -> None:
    names = ("microscopy", "medical")
    adapted = [cuda.with_adapter(name) for name in names]
    expected = [segment_semantic(PLANE, cpu.with_adapter(name)) for name in names]
    for _ in range(3):
        for predictor, wanted in zip(adapted, expected, strict=True):
            found = segment_semantic(PLANE, predictor)
            assert np.abs(found - wanted).max() < 5e-3
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    assert flipped(*(p.predict(p.encode(PLANE), KINDS["box"]) for p in (cuda, cpu))) < 9


def test_automatic_masks_are_those_of_the_cpu(
    cpu: SamPredictor, cuda: SamPredictor
) -> None:
    settings = EverythingSettings(12, min_score=0.5, min_stability=0.7)
    found, expected = (segment_everything(PLANE, p, settings) for p in (cuda, cpu))
    assert expected.max() > 5
    assert share_of_objects(found, expected) > 0.9
    assert share_of_objects(expected, found) > 0.9


def test_an_object_is_followed_as_on_the_cpu(
    cpu: SamPredictor, cuda: SamPredictor
) -> None:
    labels = []
    for predictor in (cuda, cpu):
        session = Session(VOLUME, predictor)
        number = session.new_object()
        plane = Plane((1, 2), (LAYER,))
        session.add_point(number, plane, (ROW, COLUMN))
        session.mask(number, plane)
        results = list(propagate(session, number))
        assert len(results) > 2
        labels.append(session.labels > 0)
    assert iou(*labels) > 0.99


def test_what_one_device_kept_the_other_can_use(
    cpu: SamPredictor, cuda: SamPredictor
) -> None:
    kept = cuda.pack(cuda.encode_rounded(PLANE, SHAPE))
    for predictor in (cuda, cpu):
        embedding = predictor.unpack(kept, PLANE, SHAPE)
        assert embedding.features.device.type == predictor.device.type
        answer = predictor.predict(embedding, KINDS["box"])
        expected = cpu.predict(cpu.unpack(kept, PLANE, SHAPE), KINDS["box"])
        assert flipped(answer, expected) <= FLIPPED


def test_objects_are_asked_in_parts_where_memory_is_short(
    cuda: SamPredictor, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    embedding, asked = cuda.encode(PLANE), 4 * boxes()
    expected: list[MaskPrediction] = []
    needed = memory.needed(lambda: expected.extend(cuda.predict_many(embedding, asked)))
    memory.limit(needed // 2)
    found = cuda.predict_many(embedding, asked)
    assert "Out of memory: working on" in caplog.text
    assert cuda.device.type == "cuda"
    assert max(map(flipped, found, expected)) <= FLIPPED


def test_automatic_masks_are_made_in_parts_where_memory_is_short(
    cuda: SamPredictor, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    settings = EverythingSettings(8, min_score=0.5, min_stability=0.7)
    expected: list[npt.NDArray[np.int32]] = []
    needed = memory.needed(
        lambda: expected.append(segment_everything(PLANE, cuda, settings))
    )
    memory.limit(needed // 2)
    found = segment_everything(PLANE, cuda, settings)
    assert "Out of memory: working on" in caplog.text
    assert cuda.device.type == "cuda"
    assert share_of_objects(found, expected[0]) > 0.9


def test_without_any_memory_the_cpu_goes_on(
    cpu: SamPredictor, cuda: SamPredictor, memory: Memory
) -> None:
    embedding = cuda.encode(PLANE)
    adapted = cuda.with_adapter("microscopy")
    memory.fill()
    with pytest.warns(RuntimeWarning, match="going on on the CPU"):
        found = cuda.predict_many(embedding, boxes())
    memory.free()
    assert cuda.description["device"] == "cpu"
    expected = cpu.predict_many(cpu.encode(PLANE), boxes())
    assert max(map(flipped, found, expected)) <= FLIPPED
    nearby = cuda.predict_nearby(embedding, boxes())
    assert max(map(flipped, nearby, expected)) <= 4 * FLIPPED
    # who shares the base follows
    wanted = segment_semantic(PLANE, cpu.with_adapter("microscopy"))
    assert np.abs(segment_semantic(PLANE, adapted) - wanted).max() < 1e-4
    assert adapted.device.type == "cpu"


def test_a_plane_is_encoded_on_the_cpu_where_there_is_no_room(
    cpu: SamPredictor, cuda: SamPredictor, memory: Memory
) -> None:
    memory.fill()
    with pytest.warns(RuntimeWarning, match="going on on the CPU"):
        found = cuda.encode(PLANE)
    assert torch.equal(found.features, cpu.encode(PLANE).features)
