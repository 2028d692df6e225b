"""What an adapter file may say of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.intensity import CT_WINDOWS, IntensityMapping
from napari_sam_adapter.model.files.adapter_header import AdapterHeader, AdapterNotes

FILE = Path("mine.safetensors")
SOUND = (
    IntensityMapping(),
    IntensityMapping("percentile", 5.0, 5.0),
    IntensityMapping("contrast_limits", -160, 240),
    IntensityMapping("plane"),
    *CT_WINDOWS.values(),
)


def with_intensity(**fields: object) -> dict[str, str]:
    header = AdapterHeader("tiny", "").to_text()
    return header | {"intensity": json.dumps(fields)}


@pytest.mark.parametrize("mapping", SOUND, ids=lambda mapping: mapping.rule)
def test_every_window_that_is_made_is_read_again(mapping: IntensityMapping) -> None:
    header = AdapterHeader("tiny", "", notes=AdapterNotes(mapping))
    assert AdapterHeader.from_text(header.to_text(), FILE).notes.intensity == mapping


@pytest.mark.parametrize(
    "fields",
    [
        {"rule": "fixed", "low": 0, "high": 5},
        {"rule": ["plane"]},
        {"rule": "contrast_limits", "low": "a", "high": 5},
        {"rule": "contrast_limits", "low": None, "high": 5},
        {"rule": "contrast_limits", "low": float("nan"), "high": 5},
        {"rule": "percentile", "low": 0, "high": float("inf")},
        {"rule": "percentile", "low": 0, "high": 10**400},
        {"rule": "percentile", "low": 9, "high": 5},
        {"rule": "percentile", "colour": 1},
    ],
    ids=str,
)
def test_a_window_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"'intensity' in the header of mine"):
        AdapterHeader.from_text(with_intensity(**fields), FILE)


@pytest.mark.parametrize("sources", [[1], [["srm"]], ["srm", None]], ids=str)
def test_sources_without_names_are_refused(sources: list[object]) -> None:
    header = AdapterHeader("tiny", "").to_text() | {"sources": json.dumps(sources)}
    with pytest.raises(CheckpointError, match=r"'sources' in the header of mine"):
        AdapterHeader.from_text(header, FILE)
