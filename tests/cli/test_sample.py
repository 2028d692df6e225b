from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam_adapter import open_dataset
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.sample_images import (
    NUCLEI_SCALE,
    large_nucleus,
    nuclei_volume,
    organ_slice,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Run = Callable[..., int]


def test_the_samples_of_napari_come_as_files_with_their_labels(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "folder"
    assert run("sample", folder) == 0
    told = capsys.readouterr().out
    nuclei, labels = nuclei_volume()
    image = open_image(folder / "nuclei.ome.tif")
    assert (image.axes, image.scale, image.units) == ("zyx", NUCLEI_SCALE, ("um",) * 3)
    assert np.array_equal(image.data, nuclei)
    assert np.array_equal(open_image(folder / "nuclei_labels.ome.tif").data, labels)
    z, y, x = large_nucleus(labels)[0]
    assert f"--point {z},{y},{x}" in told
    organs = open_image(folder / "organs.ome.tif")
    assert (organs.axes, organs.units) == ("yx", ("mm", "mm"))
    assert np.array_equal(organs.data, organ_slice()[0])


def test_the_pictures_can_be_trained_on(run: Run, tmp_path: Path) -> None:
    assert run("sample", tmp_path) == 0
    cells = open_dataset(tmp_path / "cells")
    assert [pair.split for pair in cells.pairs] == ["train"] * 4 + ["val"] * 2
    references = list(cells.read())
    assert not cells.find_broken()
    assert all(len(np.unique(found.labels)) > 10 for found in references)


def test_samples_replace_nothing_without_being_asked(
    run: Run, refused: Callable[..., str], tmp_path: Path
) -> None:
    taken = tmp_path / "cells" / "train" / "images" / "4.png"
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")
    assert "4.png exists" in refused("sample", tmp_path)
    assert taken.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [taken]
    assert run("sample", tmp_path, "--overwrite") == 0
    with Image.open(taken) as picture:
        assert picture.size == (160, 160)
