from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tifffile

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.variants import ADAPTERS
from napari_sam_adapter.sample_images import nuclei_volume

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
