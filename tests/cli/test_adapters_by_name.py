from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tifffile

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.files.adapter_header import read_adapter_header
from napari_sam_adapter.model.variants import ADAPTERS, other_adapters
from napari_sam_adapter.sample_images import nuclei_volume
from napari_sam_adapter.weight_store.entries import Kind, find_entry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_a_shipped_adapter_segments_by_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, output = tmp_path / "image.tif", tmp_path / "labels.tif"
    tifffile.imwrite(image, nuclei_volume((8, 64, 64))[0][4])
    asked = ["--adapter", name, "--device", "cpu", "--point", "30,30"]
    assert main(["segment", str(image), *asked, "--output", str(output)]) == 0
    assert tifffile.imread(output).shape == (64, 64)
    assert main(["models", "show", name]) == 0
    assert ADAPTERS[name].licence in capsys.readouterr().out


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_the_table_names_the_base_that_the_file_has(name: str) -> None:
    entry = find_entry(name, Kind.ADAPTER)
    assert entry is not None
    assert read_adapter_header(entry.path).base == ADAPTERS[name].base
    assert name in other_adapters("tiny")
    assert name not in other_adapters("tiny", name)
