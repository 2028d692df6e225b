"""Learning to follow: what is asked is what propagation asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.training.conftest import SIDE, disk_sample

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.follow_rule import FollowRule, next_prompts
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.frame.prompt_tensors import to_tensors
from napari_sam_adapter.model.families.preparation import SAM, SMALL
from napari_sam_adapter.training.examples.adapter_data import (
    AdapterExamples,
    kind_of_step,
)
from napari_sam_adapter.training.examples.augmentation import fit_view, random_view
from napari_sam_adapter.training.examples.follow_data import (
    FollowPrompts,
    follow_objects,
)
from napari_sam_adapter.training.runs.adapter_training import train_adapter
from napari_sam_adapter.training.samples.array_samples import samples_from_arrays
from napari_sam_adapter.training.samples.datasets import samples_of
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.training.recipes.config import TrainingConfig

RNG = np.random.default_rng(0)


def sample_of(
    before: np.ndarray, now: np.ndarray, pixel: tuple[float, float] = (1.0, 1.0)
) -> Sample:
    image = np.where(now > 0, 200, 50).astype(np.uint8)
    return Sample(image, (now,), before, pixel=pixel)


def rectangle(*boxes: tuple[slice, slice], number: int = 1) -> np.ndarray:
    labels = np.zeros((32, 48), np.int32)
    for box in boxes:
        labels[box] = number
    return labels


def follow(sample: Sample, family: Family = SMALL) -> tuple[torch.Tensor, ...]:
    found = follow_objects(fit_view(sample, SIDE), 1, family, RNG, wear=0)
    assert found is not None
    masks, asked = found
    return masks[0], asked.boxes[0], asked.logits[0]


@pytest.mark.parametrize("family", [SMALL, SAM], ids=["small", "sam"])
def test_what_is_asked_is_what_propagation_asks(family: Family) -> None:
    before = rectangle(np.s_[8:20, 10:30])
    now = rectangle(np.s_[9:22, 12:30])
    mask, box, logits = follow(sample_of(before, now, pixel=(0.5, 0.25)), family)
    (asked,) = next_prompts(BoxedMask.of(before > 0), FollowRule(), 2, (1, 0.5))
    frame = frame_of((32, 48), SIDE, is_centred=family.is_centred)
    device = torch.device("cpu")
    _, boxes, masks = to_tensors([asked], [None], frame, family, device)
    assert boxes is not None
    assert masks is not None
    assert torch.equal(box, boxes[0])
    assert torch.equal(logits, masks[0])
    shown = fit_view(sample_of(before, now), SIDE).layers[0][::2, ::2] > 0
    assert np.count_nonzero(mask.numpy() ^ shown) < 0.1 * shown.sum()


def test_an_object_that_has_ended_is_answered_by_nothing() -> None:
    before, now = rectangle(np.s_[8:20, 10:30]), rectangle(np.s_[2:6, 2:6], number=2)
    mask, box, _ = follow(sample_of(before, now))
    assert not mask.any()
    assert box[2] > box[0]


def test_a_piece_is_answered_by_the_pieces_that_it_touches() -> None:
    left, right = np.s_[4:12, 4:16], np.s_[4:12, 30:42]
    view = fit_view(sample_of(rectangle(left, right), rectangle(left, right)), 96)
    sides = set()
    for seed in range(8):
        found = follow_objects(view, 1, SMALL, np.random.default_rng(seed))
        assert found is not None
        columns = np.flatnonzero(found[0][0].numpy().any(axis=0))
        middle = float(found[1].boxes[0][0::2].mean()) / 2
        assert columns[0] - 1 <= middle <= columns[-1] + 1
        assert len(columns) < 20
        sides.add(middle > 24)
    assert sides == {False, True}


def test_a_turned_view_turns_its_pixels() -> None:
    rows = np.repeat(np.arange(1, 33, dtype=np.int32)[:, None], 48, axis=1)
    sample = sample_of(rows, rows, pixel=(2.0, 1.0))
    for seed in range(8):
        part = random_view(sample, SIDE, np.random.default_rng(seed), SIDE).part
        is_upright = len(np.unique(part.layers[0][:, 0])) > 1
        assert part.pixel == ((2.0, 1.0) if is_upright else (1.0, 2.0))


def test_what_is_asked_with_is_as_rough_as_what_is_followed() -> None:
    labels = rectangle(np.s_[8:20, 10:30])
    view = fit_view(sample_of(labels, labels), SIDE)
    widths = set()
    for seed in range(20):
        found = follow_objects(view, 1, SMALL, np.random.default_rng(seed))
        assert found is not None
        left, _, right, _ = found[1].boxes[0].tolist()
        widths.add(round(right - left))
        assert found[0].any()
    exact = follow(sample_of(labels, labels))[1]
    assert min(widths) < float(exact[2] - exact[0]) < max(widths)


def test_both_neighbours_are_followed_from() -> None:
    now = rectangle(np.s_[8:20, 10:30])
    sample = replace(
        sample_of(rectangle(np.s_[8:20, 0:20]), now),
        after=rectangle(np.s_[8:20, 20:40]),
    )
    starts = {float(follow(sample)[1][0]) // 10 for _ in range(20)}
    assert len(starts) == 2


def volume() -> tuple[np.ndarray, np.ndarray]:
    """A bright cone and a bright ball over six slices."""
    z, y, x = np.ogrid[:6, :SIDE, :SIDE]
    labels = np.zeros((6, SIDE, SIDE), np.int32)
    labels[(y - 20) ** 2 + (x - 20) ** 2 < (6 + z) ** 2] = 3
    labels[4 * (z - 2) ** 2 + (y - 46) ** 2 + (x - 46) ** 2 < 100] = 7
    noise = np.random.default_rng(0).integers(0, 40, labels.shape)
    return (np.where(labels > 0, 180, 60) + noise).astype(np.uint8), labels


def test_slices_know_both_neighbours_and_their_pixels() -> None:
    samples = samples_from_arrays(*volume(), spacing=(4, 2, 1))
    assert samples[0].prior is None
    assert samples[-1].after is None
    assert np.array_equal(samples[2].after, samples[3].layers[0])
    assert samples[2].pixel == (0.5, 0.25)
    reference = Reference("cone", *volume(), spacing=(4.0, 2.0, 1.0))
    planes = [p for p in planes_of(reference) if p.place.startswith("z")]
    assert planes[0].place == "z=0"
    assert planes[0].prior is None
    assert np.array_equal(planes[1].prior, planes[0].labels)
    assert planes[-1].after is None
    assert np.array_equal(planes[1].after, planes[2].labels)
    assert planes[1].pixel == (0.5, 0.25)


@pytest.mark.parametrize("trains", ["adapter", "decoder"])
def test_following_is_learned(
    config: Callable[..., TrainingConfig], trains: str
) -> None:
    asked = config(
        trains=trains,
        steps=40,
        validate_every=20,
        learning_rate=2e-3,
        prompted_share=1.0,
        follow_share=0.8,
    )
    *_, last = train_adapter(asked, samples_from_arrays(*volume()))
    assert last.best is not None
    assert last.best.followed > last.history[0].followed + 0.2


def test_a_training_that_follows_can_be_resumed(
    config: Callable[..., TrainingConfig],
) -> None:
    asked = config(steps=4, prompted_share=1.0, follow_share=0.5)
    samples = samples_from_arrays(*volume())
    *_, expected = train_adapter(asked, samples)
    stopped = train_adapter(asked, samples)
    next(p for p in stopped if p.step == 3)
    stopped.close()
    *_, last = train_adapter(asked, samples, resume=True)
    assert last.history == expected.history


def test_steps_are_shared_as_asked(config: Callable[..., TrainingConfig]) -> None:
    asked = config(prompted_share=0.6, follow_share=0.25)
    kinds = [kind_of_step(asked, step) for step in range(2000)]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    expected = {"prompt-free": 0.4, "prompted": 0.45, "followed": 0.15}
    assert shares == pytest.approx(expected, abs=0.03)


def test_neighbours_that_nobody_labelled_are_none(
    config: Callable[..., TrainingConfig],
) -> None:
    asked = config(prompted_share=1.0, follow_share=0.5)
    image, labels = volume()
    labels[::2] = 0
    alone = Reference("alone", image, labels)
    samples = list(samples_of(alone))
    assert samples
    with pytest.raises(TrainingError, match="labels on neighbouring slices"):
        AdapterExamples([s for s in samples if " z=" in s.name], asked, SIDE, SMALL)


def test_slices_without_neighbours_serve_clicks_and_boxes_alone(
    config: Callable[..., TrainingConfig],
) -> None:
    asked = config(prompted_share=1.0, follow_share=0.5)
    samples = [disk_sample(0), *samples_from_arrays(*volume())[:2]]
    examples = AdapterExamples(samples, asked, SIDE, SMALL)
    for number in range(0, 2 * len(examples), 2):
        follows = kind_of_step(asked, number // 2) == "followed"
        assert isinstance(examples[number].asked, FollowPrompts)
        assert bool(examples[number].asked.boxes.numel()) == follows


def test_single_images_cannot_teach_to_follow(
    config: Callable[..., TrainingConfig], disks: list[Sample]
) -> None:
    with pytest.raises(TrainingError, match="neighbouring slices"):
        next(train_adapter(config(follow_share=0.5), disks))
