from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from tests.fakes import DiskPredictor

from napari_sam_adapter.cli.jobs.task import PromptOptions, Task
from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.predictions import Capabilities

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]

Refused = Callable[..., str]

POINT = "5,12,12"


def overlap(mask: np.ndarray, other: np.ndarray) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_a_point_segments_the_object_on_its_slice(
    run: Run, volume: Path, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    output = tmp_path / "labels.tif"
    assert run("segment", volume, "--point", POINT, "--output", output) == 0
    labels = np.asarray(open_image(output).data)
    assert overlap(labels[5] == 1, balls[0][5]) > 0.95
    assert not np.delete(labels, 5, axis=0).any()


def test_propagation_follows_the_object_through_the_volume(
    run: Run, volume: Path, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    output = tmp_path / "labels.tif"
    assert run("segment", volume, "-p", POINT, "--propagate", "-o", output) == 0
    assert overlap(np.asarray(open_image(output).data) == 1, balls[0]) > 0.8


def test_separate_points_give_one_object_each(
    run: Run, volume: Path, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    output = tmp_path / "labels.tif"
    points = "--point", POINT, "--point", "6,26,34", "--separate", "--propagate"
    assert run("segment", volume, *points, "-o", output) == 0
    labels = np.asarray(open_image(output).data)
    assert overlap(labels == 1, balls[0]) > 0.8
    assert overlap(labels == 2, balls[1]) > 0.8


def test_an_object_that_is_not_found_does_not_stop_the_others(
    run: Run, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "labels.tif"
    points = "--point", "0,39,0", "--point", POINT, "--separate", "--propagate"
    assert run("segment", volume, *points, "-o", output) == 0
    assert "object 1: 0 voxels on 0 slices" in capsys.readouterr().out
    assert sorted(np.unique(open_image(output).data)) == [0, 2]


@pytest.fixture
def damaged(tmp_path: Path, pixels: np.ndarray) -> Path:
    """A volume in a zarr whose slice 6 cannot be read."""
    zarr.create_array(tmp_path / "d.zarr", data=pixels, chunks=(1, *pixels.shape[1:]))
    (tmp_path / "d.zarr/c/6/0/0").write_bytes(b"broken")
    return tmp_path / "d.zarr"


def test_a_slice_that_cannot_be_read_is_named_and_the_rest_goes_on(
    run: Run, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "labels.tif"
    points = "-p", POINT, "-p", "6,12,12", "--propagate"
    assert run("segment", damaged, *points, "-o", output) == 0
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(
        "slice 6 is interpolated or left out. Cannot read plane (6,)"
    )
    labels = np.asarray(open_image(output).data)
    assert labels[5].any()
    assert labels[7].any()


def test_prompts_that_cannot_be_answered_at_all_are_refused(
    refused: Refused, damaged: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.tif"
    told = refused("segment", damaged, "-p", "6,12,12", "--propagate", "-o", output)
    assert "Cannot read plane (6,)" in told
    assert not output.exists()


def test_points_on_two_slices_are_one_object(
    run: Run, volume: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.tif"
    points = "--point", POINT, "--point", "6,12,12"
    assert run("segment", volume, *points, "-o", output) == 0
    labels = np.asarray(open_image(output).data)
    assert sorted(np.unique(labels)) == [0, 1]
    assert list(np.flatnonzero(labels.any(axis=(1, 2)))) == [5, 6]


def test_a_range_of_slices_is_kept(run: Run, volume: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels.tif"
    options = "--propagate", "--start", 4, "--stop", 6
    assert run("segment", volume, "-p", POINT, *options, "-o", output) == 0
    slices = np.asarray(open_image(output).data).any(axis=(1, 2))
    assert list(np.flatnonzero(slices)) == [4, 5, 6]


def test_a_volume_can_be_sliced_along_another_axis(
    run: Run, volume: Path, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    output = tmp_path / "labels.tif"
    options = "--axis", "x", "--propagate"
    assert run("segment", volume, "-p", POINT, *options, "-o", output) == 0
    assert overlap(np.asarray(open_image(output).data) == 1, balls[0]) > 0.7


def test_labels_keep_the_scale_of_the_image(
    run: Run, volume: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.tif"
    run("segment", volume, "--point", POINT, "--output", output)
    assert open_image(output).scale == open_image(volume).scale == (2.0, 1.0, 0.5)


def write_zarr(path: Path, pixels: np.ndarray) -> None:
    zarr.create_array(path, data=pixels, chunks=(1, 40, 50))


def write_pyramid(path: Path, pixels: np.ndarray, third: tuple[int, ...] = ()) -> None:
    """Write two levels of an OME-Zarr image, and an empty third one of some shape."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    paths = ["0", "1", "2"] if third else ["0", "1"]
    datasets = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [3.0, 0.5 * 2**i, 0.5 * 2**i]}
            ],
        }
        for i, name in enumerate(paths)
    ]
    names = [{"name": letter} for letter in "zyx"]
    group.attrs["multiscales"] = [{"axes": names, "datasets": datasets}]
    group.create_array("0", data=pixels, chunks=(1, 40, 50))
    group.create_array("1", data=pixels[:, ::2, ::2], chunks=(1, 20, 25))
    if third:
        group.create_array("2", shape=third, dtype=pixels.dtype)


def test_a_level_of_a_pyramid_is_segmented_in_its_own_pixels(
    run: Run, pixels: np.ndarray, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    path, full, half = (tmp_path / name for name in ("a.zarr", "0.zarr", "1.zarr"))
    write_pyramid(path, pixels)
    assert run("segment", path, "-p", POINT, "--propagate", "-o", full) == 0
    asked = "-p", "5,6,6", "--propagate", "--level", 1
    assert run("segment", path, *asked, "-o", half) == 0
    labels = open_image(half)
    assert labels.scale == (3, 1, 1)
    assert open_image(full).scale == (3, 0.5, 0.5)
    assert overlap(np.asarray(labels.data) == 1, balls[0][:, ::2, ::2]) > 0.7


def test_a_level_that_is_not_there_or_does_not_fit_is_told(
    run: Run, pixels: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "a.zarr", tmp_path / "labels.tif"
    write_pyramid(path, pixels, third=(3, 10, 30))
    assert run("segment", path, "-p", POINT, "--level", 2, "-o", output) == 2
    told = capsys.readouterr().err
    assert "0 to 1, got 2" in told
    assert "Level 2 of a.zarr, and what comes after, is left out" in told
    assert run("segment", path, "-p", POINT, "-o", output) == 0
    assert "is left out" in capsys.readouterr().err


def write_nifti(path: Path, pixels: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)


@pytest.mark.parametrize(
    ("name", "write", "output"),
    [
        ("volume.zarr", write_zarr, "labels.zarr"),
        ("volume.nii", write_nifti, "labels.nii.gz"),
        ("volume.nii.gz", write_nifti, "labels.nii"),
        ("volume.tif", tifffile.imwrite, "labels.npy"),
        ("volume.npy", np.save, "labels.tif"),
    ],
)
def test_every_format_gives_the_same_labels(
    run: Run,
    tmp_path: Path,
    pixels: np.ndarray,
    balls: list[np.ndarray],
    name: str,
    write: Callable[[Path, np.ndarray], None],
    output: str,
) -> None:
    write(tmp_path / name, pixels)
    assert run("segment", tmp_path / name, "-p", POINT, "-o", tmp_path / output) == 0
    labels = np.asarray(open_image(tmp_path / output).data)
    assert overlap(labels[5] == 1, balls[0][5]) > 0.95


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_is_segmented_by_row_and_column(
    run: Run, tmp_path: Path, balls: list[np.ndarray], mode: str
) -> None:
    picture = Image.fromarray(balls[0][5].astype(np.uint8) * 200 + 10)
    picture.convert(mode).save(tmp_path / "picture.png")
    output = tmp_path / "labels.png"
    box = "--box", "3,3:21,21"
    assert (
        run("segment", tmp_path / "picture.png", "-p", "12,12", *box, "-o", output) == 0
    )
    assert overlap(np.asarray(open_image(output).data) == 1, balls[0][5]) > 0.95


def test_a_channel_is_chosen_by_number(
    run: Run, refused: Refused, tmp_path: Path, pixels: np.ndarray
) -> None:
    path, output = tmp_path / "channels.tif", tmp_path / "labels.tif"
    stack = np.stack([np.zeros_like(pixels), pixels], axis=1)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    command = "segment", path, "-p", POINT, "-o", output
    assert "--channel" in refused(*command)
    assert run(*command, "--channel", 1) == 0
    assert open_image(output).data.shape == pixels.shape


def test_the_report_tells_what_was_done(run: Run, volume: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = "--propagate", "--json", report, "-o", tmp_path / "labels.tif"
    assert run("segment", volume, "-p", POINT, *options) == 0
    told = json.loads(report.read_text())
    (found,) = told["objects"]
    labels = np.asarray(open_image(tmp_path / "labels.tif").data)
    assert (told["axes"], told["shape"]) == ("zyx", [12, 40, 50])
    assert found["voxels"] == np.count_nonzero(labels)
    used = [entry["position"][0] for entry in found["slices"] if entry["used"]]
    assert used == list(np.flatnonzero(labels.any(axis=(1, 2))))


@pytest.mark.parametrize(
    ("asked", "low", "high", "ball"),
    [
        ("0,4000", 0, 4000, 64),
        ("bone", -500, 1300, 213),
        ("plane", 0, 255, 255),
        ("as_is", 0, 255, 255),
    ],
)
def test_the_network_sees_the_image_through_the_window_asked_for(
    volume: Path, tmp_path: Path, asked: str, low: int, high: int, ball: int
) -> None:
    predictor, report = DiskPredictor(), tmp_path / "report.json"
    words = ["segment", str(volume), "-p", POINT, "-o", str(tmp_path / "labels.tif")]
    words += ["--intensity", asked, "--json", str(report)]
    assert main(words, lambda *_, **__: predictor) == 0
    written = json.loads(report.read_text())
    told = written["intensity"]
    assert (told["low"], told["high"]) == (low, high)
    assert written["channel_intensities"] == []
    assert abs(int(predictor.encoded[0].max()) - ball) <= 3  # of 1000 and some noise


def test_the_result_is_told_in_words(
    run: Run, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("segment", volume, "-p", POINT, "-o", tmp_path / "labels.tif")
    told = capsys.readouterr().out
    assert "object 1: " in told
    assert "labels.tif: 1 object in" in told


def test_score_that_is_not_trusted_is_not_shown(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = tmp_path / "labels.tif", tmp_path / "report.json"
    arguments = ["segment", volume, "-p", POINT, "--propagate", "-o", output]
    command = [str(argument) for argument in (*arguments, "--json", report)]
    predictor = DiskPredictor(capabilities=Capabilities(score_is_trusted=False))
    assert main(command, lambda *_, **__: predictor) == 0
    assert "mean score" not in capsys.readouterr().out
    (found,) = json.loads(report.read_text())["objects"]
    assert found["score"] is None
    assert {entry["score"] for entry in found["slices"]} == {None}
    assert max(entry["confidence"] for entry in found["slices"]) > 0.5


def test_a_slice_where_nothing_was_found_is_followed_past(
    run: Run, volume: Path, tmp_path: Path, balls: list[np.ndarray]
) -> None:
    output, report = tmp_path / "labels.tif", tmp_path / "report.json"
    points = "-p", "3,1,1", "-p", "5,12,12", "--propagate"
    assert run("segment", volume, *points, "-o", output, "--json", report) == 0
    expected = balls[0].copy()
    expected[3] = False
    assert np.array_equal(np.asarray(open_image(output).data) == 1, expected)
    (found,) = json.loads(report.read_text())["objects"]
    assert found["score"] == 0.9
    assert len({tuple(s["position"]) for s in found["slices"]}) == len(found["slices"])


def test_every_slice_is_counted_once(volume: Path) -> None:
    asked = PromptOptions(["3,12,12", "5,12,12"], propagate=True)
    assert Task.of(open_image(volume), asked).slices == 12
    assert Task.of(open_image(volume), PromptOptions(["3,12,12"])).slices == 1


def test_preprocessing_reaches_the_loader(volume: Path, tmp_path: Path) -> None:
    asked = []

    def load(*arguments: str | None, preprocessing: str | None) -> DiskPredictor:
        asked.append((*arguments, preprocessing))
        return DiskPredictor()

    command = ["segment", volume, "-o", tmp_path / "l.tif", "--point", "5,12,12"]
    command += ["--model", "mine.pth", "--preprocessing", "medsam"]
    assert main([str(part) for part in command], load) == 0
    assert asked == [("mine.pth", None, "auto", "medsam")]


@pytest.mark.parametrize("command", ["segment", "find"])
def test_tidy_fills_holes_at_the_end(
    run: Run, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, columns = np.ogrid[:64, :64]
    disk = (rows - 32) ** 2 + (columns - 32) ** 2 <= 400
    image, labels = tmp_path / "cell.png", tmp_path / "labels.png"
    pixels = np.where(disk, 200, 10).astype(np.uint8)
    pixels[40:42, 36:38] = 10
    Image.fromarray(pixels).save(image)
    words = [command, image, "-o", labels]
    is_segment, report = command == "segment", tmp_path / "report.json"
    words += ["--point", "32,32", "--json", report] if is_segment else []
    assert run(*words) == 0
    assert np.array_equal(np.asarray(Image.open(labels)) > 0, pixels == 200)
    assert not is_segment or json.loads(report.read_text())["tidied"] is None
    assert run(*words, "--tidy", "--overwrite") == 0
    assert np.array_equal(np.asarray(Image.open(labels)) > 0, disk)
    assert "1 hole filled." in capsys.readouterr().out
    if is_segment:
        assert json.loads(report.read_text())["tidied"] == {"holes": 1, "specks": 0}
