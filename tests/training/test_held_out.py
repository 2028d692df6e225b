from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.training.conftest import disk_sample

from napari_sam_adapter.datasets import Reference
from napari_sam_adapter.training.samples.datasets import samples_of as planes_as_samples
from napari_sam_adapter.training.samples.held_out import divide, evenly

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

    Config = Callable[..., TrainingConfig]


def samples_of(name: str, count: int) -> list[Sample]:
    return [replace(disk_sample(0), name=f"{name} {i}") for i in range(count)]


def test_every_set_has_its_share_in_the_validation() -> None:
    sets = [samples_of("volume", 40), [], samples_of("picture", 9), samples_of("a", 2)]
    chosen = [sample.name for sample in evenly(sets, 12)]
    assert chosen[:2] == ["a 0", "a 1"]
    assert chosen[2:7] == [
        "picture 0",
        "picture 1",
        "picture 3",
        "picture 5",
        "picture 7",
    ]
    assert chosen[7:] == ["volume 0", "volume 8", "volume 16", "volume 24", "volume 32"]


def test_fewer_samples_than_wanted_are_all_taken() -> None:
    chosen = evenly([samples_of("picture", 3)], 12)
    assert [sample.name for sample in chosen] == ["picture 0", "picture 1", "picture 2"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((200, 40, 10), {50}),
        ((100, 1, 1), {20}),
        ((50, 50), {20}),
        ((90, 30, 30), {30}),
        ((1,) * 10, {2}),
        ((7,), {1}),
        ((1, 1), {1}),
    ],
)
def test_about_the_share_is_held_back(
    config: Config, sizes: tuple[int, ...], expected: set[int], seed: int
) -> None:
    samples = [
        replace(sample, group=f"{place}" if size > 1 else "")
        for place, size in enumerate(sizes)
        for sample in samples_of(f"{place}", size)
    ]
    training, held = divide(samples, config(seed=seed))
    assert len(held) in expected
    assert len(training) + len(held) == len(samples)
    again = divide(samples, config(seed=seed))[1]
    assert [sample.name for sample in held] == [sample.name for sample in again]


def test_a_run_of_neighbours_is_held_back_of_a_single_volume(config: Config) -> None:
    samples = [replace(s, group="volume") for s in samples_of("volume", 20)]
    places = [int(s.name.split()[-1]) for s in divide(samples, config())[1]]
    assert places == list(range(places[0], places[0] + 4))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(40, 30, 32), (30, 40, 32), (32, 30, 40)])
def test_no_voxel_is_learned_from_and_validated_on(
    config: Config, shape: tuple[int, int, int], seed: int
) -> None:
    labels = np.zeros(shape, np.int32)
    labels[4:-4, 4:-4, 4:-4] = 1
    image = np.zeros((*shape, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = np.indices(shape)
    samples = list(planes_as_samples(Reference("volume", image, labels)))
    training, held = divide(samples, config(seed=seed))

    def voxels(planes: list[Sample]) -> set[tuple[int, ...]]:
        return {tuple(v) for plane in planes for v in plane.image.reshape(-1, 3)}

    learned, validated = voxels(training), voxels(held)
    assert not learned & validated
    assert len(validated) / np.prod(shape) == pytest.approx(0.16, abs=0.05)
    assert len(learned) > 0.6 * np.prod(shape)
    assert {sample.cut[0] for sample in training if sample.cut} == {0, 1, 2}
    assert all(s.image.shape[:2] == s.layers[0].shape for s in training)
    assert all(n.shape == s.layers[0].shape for s in training for n in s.neighbours)


def test_volumes_cut_along_each_axis_are_held_back_whole(config: Config) -> None:
    labels = np.zeros((20, 22, 24), np.int32)
    labels[4:-4, 4:-4, 4:-4] = 1
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    samples = [
        sample
        for name in "abcd"
        for sample in planes_as_samples(Reference(name, image, labels))
    ]
    training, held = divide(samples, config())
    assert len({sample.group for sample in held}) == 1
    assert {s.image.shape for s in training} == {s.image.shape for s in held}
