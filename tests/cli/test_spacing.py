"""``--spacing``: the size of pixels that a file does not tell, or tells wrongly."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_adapter.cli.inputs.spacing import parse_spacing, with_spacing
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]
Refused = Callable[..., str]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture with one object of 6 pixels in the labels beside it."""
    labels = np.zeros((20, 20), np.uint8)
    labels[4:6, 5:8] = 1
    save_labels(tmp_path / "a.png", labels * 200)
    save_labels(tmp_path / "a_labels.png", labels)
    return tmp_path / "a.png"


@pytest.fixture
def sized(tmp_path: Path, pixels: np.ndarray) -> Path:
    """A volume that tells how large its voxels are."""
    path = tmp_path / "sized.tif"
    like = OpenedImage(pixels, "zyx", (2.0, 0.5, 0.5), ("um",) * 3)
    save_labels(path, pixels, like)
    return path


@pytest.fixture
def rows(run: Run, tmp_path: Path) -> Callable[..., list[dict[str, str]]]:
    """Measure, and return the lines of the table."""

    def measured(*arguments: object) -> list[dict[str, str]]:
        path = tmp_path / "table.csv"
        assert run("measure", *arguments, "-o", path, "--overwrite") == 0
        with path.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return measured


def opened(
    axes: str, scale: tuple[float, ...], unit: str, affine: np.ndarray | None = None
) -> OpenedImage:
    data = np.zeros((3,) * len(axes), np.uint8)
    units = tuple("s" if axis == "t" else unit for axis in axes)
    return OpenedImage(data, axes, scale, units, "a.tif", affine)


@pytest.mark.parametrize(
    "text", ["0.5um", "0.5,0.5um", "0.5 \u00b5m", "500nm", "5e-4 mm"]
)
def test_a_picture_is_measured_in_the_unit_that_is_given(
    rows, picture: Path, text: str
) -> None:
    (row,) = rows(picture, "--spacing", text)
    in_um = {"nm": 1e-3, "um": 1, "mm": 1e3}[row["unit"]]
    assert float(row["area"]) * in_um**2 == pytest.approx(6 * 0.25)


def test_a_folder_is_measured_with_one_spacing(rows, picture: Path) -> None:
    (row,) = rows(picture.parent, "--spacing", "2um")
    assert (float(row["area"]), row["unit"]) == (24, "um")


def test_what_is_given_goes_before_the_file_and_is_told(
    rows, sized: Path, balls: list, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_labels(tmp_path / "labels.tif", balls[0].astype(np.uint8), open_image(sized))
    (row,) = rows(sized, tmp_path / "labels.tif", "--spacing", "3,1,1 um")
    assert float(row["volume"]) == 3 * balls[0].sum()
    told = capsys.readouterr().err
    assert "sized.tif: 3, 1, 1 um by --spacing, in place of 2, 0.5, 0.5 um" in told


def test_labels_get_the_size_of_the_pixels(
    run: Run, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "found.tif"
    command = "segment", picture, "--point", "5,6", "--spacing", "0.5um"
    assert run(*command, "-o", output) == 0
    assert (open_image(output).scale, open_image(output).unit) == ((0.5, 0.5), "um")
    assert "in place of" not in capsys.readouterr().err


def test_found_labels_get_the_size_of_the_pixels(
    run: Run, sized: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "found.tif"
    assert run("find", sized, "--spacing", "3,1,1um", "-o", output) == 0
    assert open_image(output).scale == (3, 1, 1)
    assert "in place of" in capsys.readouterr().err


def test_time_and_channels_keep_what_the_file_says() -> None:
    spaced = with_spacing(
        opened("tcyx", (30, 1, 1, 1), "pixel"), parse_spacing("0.2,0.1um")
    )
    assert spaced.scale == (30, 1, 0.2, 0.1)
    assert spaced.units == ("s", "pixel", "um", "um")


def test_the_same_spacing_as_in_the_file_is_not_told() -> None:
    image = opened("yx", (0.5, 0.5), "um")
    assert not with_spacing(image, parse_spacing("500nm")).problem


def test_an_affine_keeps_directions_and_place() -> None:
    affine = np.array([[0, 2, 0, 5], [-3, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1.0]])
    image = opened("zyx", (4, 2, 3), "mm", affine)
    spaced = with_spacing(image, parse_spacing("1000,1000,500um"))
    assert spaced.affine is not None
    expected = [[0, 1, 0, 5], [-0.5, 0, 0, 6], [0, 0, 1, 7]]
    np.testing.assert_allclose(spaced.affine[:3] / 1000, expected)
    assert image.affine is affine


@pytest.mark.parametrize(
    "text", ["", "um", "0.5", "0um", "-1um", "1e999um", "1,um", "1;1um", "1 parsec"]
)
@pytest.mark.parametrize("command", ["measure", "segment", "find"])
def test_what_is_no_spacing_is_refused(
    refused: Refused, picture: Path, tmp_path: Path, command: str, text: str
) -> None:
    point = ["--point", "5,6"] if command == "segment" else []
    output = tmp_path / ("o.csv" if command == "measure" else "o.tif")
    told = refused(command, picture, *point, f"--spacing={text}", "-o", output)
    assert "Expected --spacing as numbers with a unit of length" in told


def test_each_axis_of_a_volume_needs_a_number() -> None:
    with pytest.raises(ImageError, match=r"3 numbers, z,y,x.*got 1\. .*2,0.5,0.5um"):
        with_spacing(opened("zyx", (1, 1, 1), "pixel"), parse_spacing("1um"))
