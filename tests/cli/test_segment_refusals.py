"""What `segment` refuses, in one line and before the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]

Refused = Callable[..., str]

POINT = "5,12,12"


def test_a_format_that_is_too_flat_is_refused_before_the_work(
    refused: Refused, volume: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.png"
    command = "segment", volume, "-p", POINT, "--propagate", "-o", output
    assert "labels of 3 axes" in refused(*command)
    assert not output.exists()


@pytest.mark.parametrize(
    "asked",
    [("segment", "-p", "3,3,3", "-o"), ("find", "-o"), ("export",)],
    ids=lambda asked: asked[0],
)
def test_axes_that_a_format_cannot_hold_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: tuple[str, ...]
) -> None:
    def load_nothing(*_: object, **__: object) -> None:
        pytest.fail("the network was loaded although its labels cannot be written")

    image, output = tmp_path / "image.zarr", tmp_path / "labels.tif"
    data = np.arange(12**3, dtype=np.uint16).reshape(12, 12, 12)
    like = OpenedImage(data, "xyz", (1.0,) * 3, ("um",) * 3)
    save_labels(image, data, like)
    output.write_text("before")
    command, *options = asked
    arguments = [command, image, *options, output, "--overwrite"]
    assert main(list(map(str, arguments)), load_nothing) == 2
    assert "got 'xyz'. Save as .zarr" in capsys.readouterr().err
    assert output.read_text() == "before"


def test_existing_labels_need_overwrite(
    run: Run, refused: Refused, volume: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.tif"
    save_labels(output, np.ones((4, 4), int))
    command = "segment", volume, "-p", POINT, "-o", output
    assert "--overwrite" in refused(*command)
    assert open_image(output).data.shape == (4, 4)
    assert run(*command, "--overwrite") == 0
    assert open_image(output).data.shape == (12, 40, 50)


def test_the_image_is_never_overwritten(refused: Refused, volume: Path) -> None:
    before = volume.read_bytes()
    command = "segment", volume, "-p", POINT, "-o", volume, "--overwrite"
    assert "another file" in refused(*command)
    assert volume.read_bytes() == before


@pytest.mark.parametrize(
    ("image", "output", "report"),
    [
        ("a.tif", "b.tif", "b.tif"),
        ("a.tif", "b.tif", "a.tif"),
        ("a.json", "b.json", "c/../b.json"),
        ("a.zarr", "a.zarr/labels.zarr", "r.json"),
        ("a.zarr/0", "a.zarr", "r.json"),
        ("a.zarr", "b.tif", "a.zarr/r.json"),
        ("a.tif", "b.zarr", "b.zarr/r.json"),
    ],
)
def test_image_labels_and_report_must_lie_apart(
    refused: Refused, tmp_path: Path, image: str, output: str, report: str
) -> None:
    paths = "-o", tmp_path / output, "--json", tmp_path / report
    told = refused("segment", tmp_path / image, "-p", POINT, *paths, "--overwrite")
    assert "another file" in told or "one inside the other" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--point", "1,2"], "3 finite numbers"),
        (["--point", "nan,2,3"], "finite"),
        (["--point", "99,2,3"], "inside the image"),
        (["--point", POINT, "--box", "1,2,3"], "corners"),
        ([], "no prompt"),
        (["--point", POINT, "--start", "3"], "--propagate"),
        (["--point", POINT, "--axis", "w"], "axis"),
        (["--point", POINT, "--channel", "0"], "channel"),
        (["--point"], "requires an argument"),
        (["--point", POINT, "--intensity", "9,3"], "LOW,HIGH"),
        (["--point", POINT, "--intensity", "liver"], "soft-tissue"),
        (["--point", POINT, "--json", "-"], "NAME.json"),
        (["--point", POINT, "--intensity", "file"], "DICOM files may"),
        (["--bogus"], "No such option"),
        (["--point", POINT, "--propagate", "--start", "many"], "valid int"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(
    refused: Refused, volume: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    output = tmp_path / "labels.tif"
    assert message in refused("segment", volume, "-o", output, *options)
    assert not output.exists()


@pytest.mark.parametrize(
    ("fill", "message"),
    [(np.nan, "NaN"), (7.0, "every pixel"), (1j, "real numbers")],
    ids=["nan", "constant", "complex"],
)
def test_an_image_without_content_is_refused(
    refused: Refused, tmp_path: Path, fill: complex, message: str
) -> None:
    np.save(tmp_path / "image.npy", np.full((4, 9, 9), fill))
    output = tmp_path / "labels.tif"
    command = "segment", tmp_path / "image.npy", "-p", "1,2,3", "-o", output
    assert message in refused(*command)
    assert not output.exists()


@pytest.mark.parametrize("shape", [(4, 1, 9), (0, 9, 9), (9,)])
def test_an_image_without_planes_is_refused(
    refused: Refused, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "image.npy", np.ones(shape))
    point = ",".join("0" * len(shape))
    refused("segment", tmp_path / "image.npy", "-p", point, "-o", tmp_path / "a.tif")
    assert not (tmp_path / "a.tif").exists()


def test_a_missing_image_is_refused(refused: Refused, tmp_path: Path) -> None:
    command = "segment", tmp_path / "no.tif", "-p", POINT, "-o", tmp_path / "a.tif"
    assert "does not exist" in refused(*command)


def test_a_truncated_image_is_refused(
    refused: Refused, volume: Path, tmp_path: Path
) -> None:
    volume.write_bytes(volume.read_bytes()[:9000])
    command = "segment", volume, "-p", POINT, "-o", tmp_path / "a.tif"
    assert "cut off" in refused(*command)


@pytest.mark.parametrize(
    "name", ["missing/labels.tif", "volume.ome.tif/labels.tif", "labels.jpg"]
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def load(
        model: str, adapter: str | None, device: str, preprocessing: str | None = None
    ) -> None:
        pytest.fail("the network was loaded although the output cannot be written")

    command = ["segment", str(volume), "-p", POINT, "-o", str(tmp_path / name)]
    assert main(command, load) == 2
    assert "Expected a f" in capsys.readouterr().err


def test_an_interrupted_run_says_so_and_leaves_nothing(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(
        model: str, adapter: str | None, device: str, preprocessing: str | None = None
    ) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "labels.tif"
    assert main(["segment", str(volume), "-p", POINT, "-o", str(output)], load) == 130
    assert not output.exists()
    assert "napari-sam-adapter: stopped" in capsys.readouterr().err


def test_an_unknown_model_is_refused_in_one_line(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-p", POINT, "-o", str(tmp_path / "a.tif"), "--model", "gigantic"]
    assert main(["segment", str(volume), *options]) == 2
    error = capsys.readouterr().err
    assert "gigantic" in error
    assert error.count("\n") == 1


def test_a_box_beyond_the_slice_is_told(
    run, volume: Path, tmp_path: Path, capsys
) -> None:
    box = ("--box", "5,4,4:5,49,20")
    assert run("segment", volume, *box, "-o", tmp_path / "out.tif") == 0
    assert "49, 20 reaches beyond its slice of 40 x 50" in capsys.readouterr().err


def test_a_folder_of_images_is_no_image(refused, tmp_path: Path) -> None:
    command = ("segment", tmp_path, "--point", "1,1", "-o", "out.tif")
    assert "one of its files" in refused(*command)
