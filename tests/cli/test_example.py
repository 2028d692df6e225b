from __future__ import annotations

import csv
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.sample_images import nuclei_volume

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"


def main_of(name: str) -> Callable[..., Any]:
    main: Callable[..., Any] = runpy.run_path(str(EXAMPLES / name))["main"]
    return main


@pytest.fixture
def picture(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """The middle slice of the generated nuclei, and its labels."""
    image, truth = nuclei_volume()
    path = tmp_path / "nuclei.png"
    plane = image[20] / image[20].max()
    Image.fromarray((255 * plane).astype(np.uint8)).save(path)
    return path, truth[20]


def test_the_headless_example_follows_a_nucleus(tmp_path: Path) -> None:
    overlap = main_of("segment_headless.py")(str(tmp_path / "nucleus.tif"))
    labels = np.asarray(open_image(tmp_path / "nucleus.tif").data)
    assert labels.any(axis=(1, 2)).sum() > 1
    assert overlap > 0.6


def test_boxes_of_a_table_become_labels(picture, tmp_path: Path) -> None:
    path, truth = picture
    sizes = np.bincount(truth.ravel())
    chosen = 1 + np.argsort(-sizes[1:])[:2]
    lines = ["image,top,left,bottom,right"]
    for number in chosen:
        rows, columns = np.nonzero(truth == number)
        box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        lines.append(",".join([path.name, *map(str, box)]))
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    main_of("boxes_from_csv.py")(str(tmp_path / "boxes.csv"))
    labels = np.asarray(open_image(tmp_path / "nuclei_labels.tif").data)
    for place, number in enumerate(chosen, start=1):
        found, meant = labels == place, truth == number
        assert (found & meant).sum() / (found | meant).sum() > 0.6


def test_all_objects_are_measured(picture, tmp_path: Path) -> None:
    path, _ = picture
    table = tmp_path / "objects.csv"
    objects = main_of("measure_all.py")(str(path), str(table))
    labels = np.asarray(open_image(tmp_path / "nuclei_labels.tif").data)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(objects) > 0
    areas = {int(row["object"]): float(row["area"]) for row in rows}
    assert areas == {n: (labels == n).sum() for n in np.unique(labels[labels > 0])}


def test_an_adapter_is_trained_judged_and_used(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = tmp_path / "base.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), base, {})
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:30] = 1
    for split in ("train", "val"):
        for part, pixels in (("images", 200 * mask), ("masks", mask)):
            folder = tmp_path / "own" / split / part
            folder.mkdir(parents=True)
            Image.fromarray(pixels).save(folder / f"{split}.png")
    gain = main_of("train_and_apply.py")(str(tmp_path / "own"), 2, str(base))
    assert np.isfinite(gain)
    assert (tmp_path / "own" / "mine.safetensors").exists()
    found = open_image(tmp_path / "own" / "val_found.tif")
    assert found.data.shape == mask.shape
