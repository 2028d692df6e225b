"""All objects of an image, without a prompt."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.fakes import DiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.image_io.series.series import PROGRESS_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.predictions import MaskPrediction

Run = Callable[..., int]
Refused = Callable[..., str]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labels.tif"


def read(path: Path) -> np.ndarray:
    return np.asarray(open_image(path).data)


def overlap(mask: np.ndarray, other: np.ndarray) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_the_middle_slice_is_searched(
    run: Run,
    volume: Path,
    output: Path,
    balls: list[np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("find", volume, "-o", output) == 0
    labels = read(output)
    assert overlap(labels[6] > 0, np.logical_or(*balls)[6]) > 0.95
    assert len(np.unique(labels[6])) == 3
    assert not np.delete(labels, 6, axis=0).any()
    printed = capsys.readouterr().out
    assert "slice 6: 2 objects" in printed
    assert f"{output}: 2 objects in" in printed


def test_a_picture_needs_nothing_but_a_name(
    run: Run, tmp_path: Path, pixels: np.ndarray, balls: list[np.ndarray]
) -> None:
    picture, labels = tmp_path / "cells.png", tmp_path / "labels.png"
    Image.fromarray((pixels[5] / 5).astype(np.uint8)).save(picture)
    assert run("find", picture, "-o", labels) == 0
    assert overlap(read(labels) > 0, np.logical_or(*balls)[5]) > 0.95


def test_each_slice_has_objects_of_its_own(
    run: Run, volume: Path, output: Path
) -> None:
    assert run("find", volume, "-o", output, "--slices", "4:6:2") == 0
    labels = read(output)
    own = [set(np.unique(labels[z])) - {0} for z in (4, 6)]
    assert [len(numbers) for numbers in own] == [2, 2]
    assert not own[0] & own[1]
    assert not labels[5].any()


def test_what_is_followed_is_not_found_again(
    run: Run, volume: Path, output: Path, balls: list[np.ndarray]
) -> None:
    assert run("find", volume, "-o", output, "--slices", ":", "--propagate") == 0
    labels = read(output)
    assert len(np.unique(labels)) == 3
    assert overlap(labels > 0, np.logical_or(*balls)) > 0.8


def test_another_axis(run: Run, volume: Path, output: Path) -> None:
    assert run("find", volume, "-o", output, "--axis", "y", "--slices", "12") == 0
    labels = read(output)
    assert labels[:, 12].any()
    assert not np.delete(labels, 12, axis=1).any()


def test_a_slice_without_structure_does_not_stop_the_others(
    run: Run,
    tmp_path: Path,
    output: Path,
    pixels: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pixels[4] = 0
    path = tmp_path / "holed.tif"
    tifffile.imwrite(path, pixels)
    assert run("find", path, "-o", output, "--slices", "4:5") == 0
    assert read(output)[5].any()
    assert "slice 4: " in capsys.readouterr().err


def test_nothing_found_tells_what_helps(
    run: Run, volume: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("find", volume, "-o", output, "--slices", "0") == 0
    assert "--adapter microscopy or medical, or train" in capsys.readouterr().err
    assert not read(output).any()


@pytest.mark.parametrize(
    ("chosen", "advice"),
    [
        (["--model", "vit_b"], "more: train your own."),
        (["--adapter", "medical"], "--adapter microscopy, or train"),
        (["--adapter", "medical"], "Without medical it may"),
    ],
)
def test_only_adapters_that_fit_are_recommended(
    chosen: list[str],
    advice: str,
    run: Run,
    volume: Path,
    output: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("find", volume, "-o", output, "--slices", "0", *chosen) == 0
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    "slices", ["12", "3:2", "0:20", "-1", "a", "1:2:0", "1:2:3:4", "1.5"]
)
def test_slices_that_are_not_there_are_refused(
    refused: Refused, volume: Path, output: Path, slices: str
) -> None:
    message = refused("find", volume, "-o", output, f"--slices={slices}")
    assert "from 0 to 11" in message
    assert slices in message
    assert not output.exists()


def test_a_zarr_store_without_its_suffix_is_an_image(
    run: Run, tmp_path: Path, output: Path, pixels: np.ndarray
) -> None:
    save_labels(tmp_path / "store.zarr", pixels)
    (tmp_path / "store.zarr").rename(tmp_path / "store")
    (tmp_path / PROGRESS_NAME).write_text("damaged, but not asked for")
    assert run("find", tmp_path / "store", "-o", output) == 0
    assert read(output).any()
    output.unlink()
    folder = tmp_path / "found"
    assert run("find", tmp_path, "-o", folder) == 0
    assert [path.name for path in folder.iterdir()] == ["store_zarr_labels.zarr"]


def test_a_picture_has_no_slices(
    refused: Refused, tmp_path: Path, output: Path, pixels: np.ndarray
) -> None:
    picture = tmp_path / "cells.tif"
    tifffile.imwrite(picture, pixels[5])
    assert "2-D" in refused("find", picture, "-o", output, "--slices", "0")
    assert "2-D" in refused("find", picture, "-o", output, "--propagate")


def test_the_image_is_not_overwritten(refused: Refused, volume: Path) -> None:
    before = volume.read_bytes()
    assert "another file" in refused("find", volume, "-o", volume, "--overwrite")
    assert volume.read_bytes() == before


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    """Three pictures, a broken one, and labels, which are no image."""
    found = tmp_path / "images"
    found.mkdir()
    for z in (4, 5, 6):
        tifffile.imwrite(found / f"a{z}.tif", pixels[z])
    (found / "a7.tif").write_bytes(b"II*\0broken")
    tifffile.imwrite(found / "a4_labels.tif", pixels[4])
    return found


def check_folder(output: Path, balls: list[np.ndarray]) -> None:
    assert {path.name for path in output.iterdir()} == {
        f"a{z}_labels.tif" for z in (4, 5, 6)
    }
    for z in (4, 5, 6):
        found = read(output / f"a{z}_labels.tif")
        assert overlap(found > 0, np.logical_or(*balls)[z]) > 0.95


def test_the_images_of_a_folder_are_searched_one_by_one(
    run: Run,
    folder: Path,
    tmp_path: Path,
    balls: list[np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = tmp_path / "labels"
    assert run("find", folder, "-o", labels, "--tidy") == 0
    check_folder(labels, balls)
    printed = capsys.readouterr()
    assert f"{labels / 'a5_labels.tif'}: 2 objects in" in printed.out
    assert printed.out.count(" s. Nothing to tidy.") == 3
    assert "6 objects in 3 images of 4" in printed.out
    assert "a7.tif: Expected" in printed.err


def test_images_with_labels_are_passed_over_unless_asked_for(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    own = labels / "a5_labels.tif"
    tifffile.imwrite(own, np.full((40, 50), 7, np.uint16))
    assert run("find", folder, "-o", labels) == 0
    assert (read(own) == 7).all()
    printed = capsys.readouterr()
    assert "1 image passed over" in printed.err
    assert "in 2 images of 4, 1 passed over" in printed.out
    assert run("find", folder, "-o", labels, "--overwrite") == 0
    assert not (read(own) == 7).any()


def test_a_folder_without_a_usable_image_is_refused(run: Run, tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    (images / "a.tif").write_bytes(b"II*\0broken")
    assert run("find", images, "-o", labels) == 2
    assert not list(labels.iterdir())


def test_the_output_of_a_folder_is_a_folder(
    refused: Refused, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "labels"
    path.write_text("a file")
    assert "Expected a folder for labels" in refused("find", folder, "-o", path)
    assert path.read_text() == "a file"
    message = refused("find", folder, "-o", tmp_path / "labels.tif")
    assert "labels of 4 images" in message
    assert not (tmp_path / "labels.tif").exists()


def test_a_window_that_means_nothing_is_told_once(
    refused: Refused, folder: Path, tmp_path: Path
) -> None:
    command = "find", folder, "-o", tmp_path / "labels", "--intensity", "liver"
    assert refused(*command).count("liver") == 1
    assert not (tmp_path / "labels").exists()


def test_slices_that_mean_nothing_are_told_once(
    refused: Refused, folder: Path, tmp_path: Path
) -> None:
    command = "find", folder, "-o", tmp_path / "labels", "--slices", "3:2"
    assert refused(*command).count("3:2") == 1
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [(("--slices", "90"), "Expected no --slices"), (("--channel", "5"), "got 5: a4")],
)
def test_what_no_image_has_is_told_once(
    run: Run, folder: Path, tmp_path: Path, capsys, option, told: str
) -> None:
    assert run("find", folder, "-o", tmp_path / "labels", *option) == 2
    printed = capsys.readouterr().err
    assert printed.count(told) == 1
    assert printed.count(": as a4.tif.") == 2


def test_objects_are_found_through_the_window_asked_for(
    run: Run, volume: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("find", volume, "-o", output, "--intensity", "0,4000") == 0  # too dark
    assert "0 objects" in capsys.readouterr().out


def test_a_network_that_is_not_there_is_told_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["find", str(folder), "-o", str(tmp_path / "labels")]
    assert main([*arguments, "--model", "no_such_model"]) == 2
    assert capsys.readouterr().err.count("no_such_model") == 1
    assert not (tmp_path / "labels").exists()


def test_a_finished_folder_with_a_broken_image_is_no_error(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels"
    assert run("find", folder, "-o", labels) == 0
    assert run("find", folder, "-o", labels) == 0
    assert "3 images passed over" in capsys.readouterr().err


def test_the_network_is_loaded_once_and_names_are_found_from_anywhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str
) -> None:
    loads = []

    def load(model: str, *_: object, **__: object) -> DiskPredictor:
        loads.append(model)
        monkeypatch.chdir(tmp_path)  # where the worker is
        return DiskPredictor()

    (folder / "net.pth").touch()
    (folder / "tiny").mkdir()
    monkeypatch.chdir(folder)
    here = ["find", ".", "-o", "../labels", "--model"]
    assert main([*here, "net.pth"], load) == 0
    assert loads == [str(folder / "net.pth")]
    assert len(list((tmp_path / "labels").iterdir())) == 3
    monkeypatch.chdir(folder)
    assert main([*here, "tiny", "--overwrite"], load) == 0
    assert loads[1:] == ["tiny"]


def test_workers_share_a_folder(
    run: Run,
    folder: Path,
    tmp_path: Path,
    balls: list[np.ndarray],
    capsys: pytest.CaptureFixture[str],
    cluster: str,
) -> None:
    labels = tmp_path / "labels"
    assert run("find", folder, "-o", labels, "--scheduler", cluster) == 0
    check_folder(labels, balls)
    printed = capsys.readouterr()
    assert "6 objects in 3 images of 4" in printed.out
    assert "a7.tif: Expected" in printed.err


def test_a_single_image_has_nothing_to_share(
    refused: Refused, volume: Path, output: Path
) -> None:
    message = refused("find", volume, "-o", output, "--scheduler", "tcp://a:1")
    assert "Expected a folder of images" in message


def test_only_what_is_like_the_examples(
    run: Run, refused: Refused, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = [(25, 25), (25, 75), (25, 125), (75, 25), (75, 75)]
    small = [(75, 120), (75, 140), (120, 20), (120, 40), (120, 60), (120, 80)]
    path, labels = tmp_path / "two.png", tmp_path / "labels.png"
    Image.fromarray(disks_of((large, 18), (small, 5))).save(path)
    assert run("find", path, "-o", labels, "--like", "25,25", "--like", "25,75") == 0
    found = read(labels)
    assert [int(found[place]) for place in large[:2]] == [1, 2]
    assert all(found[place] for place in large)
    assert not any(found[place] for place in small)
    printed = capsys.readouterr().out
    assert "5 objects in" in printed
    assert "s. 6 unlike the examples left out." in printed
    pair = "--like", "25,25", "--like", "20,30", "--overwrite", "--tidy"
    assert run("find", path, "-o", labels, *pair) == 0
    assert "left out. Nothing to tidy" in capsys.readouterr().out
    assert len(np.unique(read(labels))) == 6


def test_the_background_is_no_example(
    refused: Refused, tmp_path: Path, output: Path
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(disks_of(([(75, 75)], 74))).save(path)
    told = refused("find", path, "-o", output, "--like", "75,75")
    assert "row 75, column 75" in told
    assert "most of the slice" in told


def disks_of(*groups: tuple[list[tuple[int, int]], int]) -> np.ndarray:
    """Return disks with centres and one radius for each group."""
    rows, columns = np.mgrid[:150, :150]
    image = 20 + (rows + columns) % 5
    for centres, radius in groups:
        for row, column in centres:
            inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
            image[inside] = 220
    return image.astype(np.uint8)


def test_examples_lie_on_the_one_slice_that_is_searched(
    run: Run, refused: Refused, volume: Path, output: Path
) -> None:
    command = "find", volume, "-o", output, "--like", "5,12,12"
    assert "no --slices" in refused(*command, "--slices", "5")
    assert "no --slices" in refused(*command, "--propagate")
    assert "one slice" in refused(*command, "--like", "6,12,12")
    assert "found none" in refused("find", volume, "-o", output, "--like", "0,1,1")
    assert "inside" in refused("find", volume, "-o", output, "--like", "5,12,999")
    assert "one image" in refused("find", volume.parent, "-o", output, "--like", "1,1")
    assert not output.exists()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_says_that_nothing_was_written(
    number: int, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class InterruptedPredictor(DiskPredictor):
        def predict(self, *asked: Any) -> MaskPrediction:
            if len(self.predicted) == 20:  # on the first slices
                signal.raise_signal(number)
            return super().predict(*asked)

    def load(*_: object, **options: object) -> InterruptedPredictor:
        return InterruptedPredictor()

    output = tmp_path / "labels.tif"
    output.write_text("older")
    command = ["find", str(volume), "-o", str(output), "--overwrite"]
    assert main([*command, "--slices", ":", "--propagate"], load) == 130
    assert capsys.readouterr().err.endswith(
        f"{output} was not written.\nnapari-sam-adapter: stopped\n"
    )
    assert output.read_text() == "older"
    assert sorted(tmp_path.iterdir()) == [output, volume]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_after_the_file_was_written_does_not_say_it_was_not(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "labels.zarr"
    command = ["find", str(volume), "-o", str(output), "--overwrite"]
    assert main(command, lambda *_, **options: DiskPredictor()) == 0
    (output / "older").touch()

    def interrupt_removal(event: str, arguments: tuple[object, ...]) -> None:
        if event == "shutil.rmtree" and hooked and output.exists():
            hooked.clear()
            signal.raise_signal(signal.SIGINT)

    hooked = [True]
    sys.addaudithook(interrupt_removal)
    assert main(command, lambda *_, **options: DiskPredictor()) == 130
    assert not hooked
    assert not (output / "older").exists()
    told = capsys.readouterr().err
    assert "was not written" not in told
    assert told.endswith("napari-sam-adapter: stopped\n")
