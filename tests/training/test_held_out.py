from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.training.conftest import disk_sample

from napari_sam_adapter.training.held_out import evenly

if TYPE_CHECKING:
    from napari_sam_adapter.training.samples import Sample


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
