"""Units of length in files, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from tests.image_io.volume_files import LABELS, OME, VOLUME

from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels
from napari_sam_adapter.image_io.image.units import METRES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytest.importorskip("nibabel")


def write_units(
    path: Path, units: Sequence[str | None], scale: tuple[float, ...]
) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", shape=VOLUME.shape, dtype=VOLUME.dtype)[...] = VOLUME
    pairs = zip("zyx", units, strict=True)
    axes = [{"name": a, "type": "space", "unit": unit} for a, unit in pairs]
    steps = [{"type": "scale", "scale": scale}]
    level = {"path": "0", "coordinateTransformations": steps}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [level]}]


def volume(image: OpenedImage) -> float:
    """Of a voxel, in cubic metres, as it is measured."""
    return float(np.prod(image.spacing)) * METRES[image.unit] ** 3


def test_several_units_of_length_become_one(tmp_path: Path) -> None:
    path = tmp_path / "nanometres.ome.tif"
    metadata = OME | {"PhysicalSizeZ": 300.0, "PhysicalSizeZUnit": "nm"}
    tifffile.imwrite(path, VOLUME, metadata=metadata)
    image = open_image(path)
    assert image.scale == pytest.approx((0.3, 0.5, 0.25))
    assert image.units == ("um", "um", "um")


@pytest.mark.parametrize(
    ("word", "unit", "metres"),
    [
        ("angstrom", "angstrom", 1e-10),
        ("\u00c5", "angstrom", 1e-10),
        ("\u212b", "angstrom", 1e-10),
        ("A\u030a", "angstrom", 1e-10),
        ("A", "angstrom", 1e-10),
        ("\\u00C5", "angstrom", 1e-10),
        ("picometer", "pm", 1e-12),
        ("\u03bcm", "um", 1e-6),
        ("\u00b5m", "um", 1e-6),
        ("micrometres", "um", 1e-6),
        ("decimeter", "dm", 0.1),
        ("inch", "inch", 0.0254),
        ("ft", "foot", 0.3048),
    ],
    ids=ascii,
)
def test_units_of_length_are_known_and_kept(
    tmp_path: Path, word: str, unit: str, metres: float
) -> None:
    scale = 3.0, 2.0, 5.0
    write_units(tmp_path / "alike.zarr", [word] * 3, scale)
    image = open_image(tmp_path / "alike.zarr")
    assert (image.units, image.scale, image.problem) == ((unit,) * 3, scale, "")
    for suffix in ".tif", ".zarr", ".nii":
        save_labels(tmp_path / f"labels{suffix}", LABELS, image)
        labels = open_image(tmp_path / f"labels{suffix}")
        assert volume(labels) == pytest.approx(30 * metres**3)
        assert suffix == ".nii" or labels.units == image.units
    write_units(tmp_path / "mixed.zarr", [word, word, "micrometer"], scale)
    image = open_image(tmp_path / "mixed.zarr")
    assert image.units == ("um",) * 3
    assert volume(image) == pytest.approx(30 * metres**2 * 1e-6)


@pytest.mark.parametrize("word", ["furlong", "Mm", "Pm"])
def test_a_unit_that_is_not_known_is_told(tmp_path: Path, word: str) -> None:
    write_units(tmp_path / "image.zarr", [word, "um", "um"], (3.0, 2.0, 5.0))
    image = open_image(tmp_path / "image.zarr")
    assert (image.units, image.scale) == (("pixel", "um", "um"), (3.0, 2.0, 5.0))
    assert f"image.zarr gives distances in {word!r}" in image.problem


@pytest.mark.parametrize("word", ["", "pixel", "Pixels", None])
def test_no_unit_is_nothing_to_tell(tmp_path: Path, word: str | None) -> None:
    write_units(tmp_path / "image.zarr", [word] * 3, (3.0, 2.0, 5.0))
    assert open_image(tmp_path / "image.zarr").problem == ""
