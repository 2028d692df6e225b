"""Several channels as colours, in the shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import CENTRES, Refused, Run
from tests.fakes import DiskPredictor, PackingDiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels
from napari_sam_adapter.volume.document.edits import AddPoint, NewObject
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

POINT = "5,12,12"


@pytest.fixture
def channels(tmp_path: Path, balls: list[np.ndarray]) -> Path:
    """One ball in each of two channels, which differ in brightness."""
    path = tmp_path / "channels.tif"
    pair = [ball * high for ball, high in zip(balls, (4000, 200), strict=True)]
    stack = np.stack(pair, axis=1).astype(np.uint16)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    return path


def options_of(command: str, folder: Path) -> list[Any]:
    return {
        "segment": ["-p", POINT, "-o", folder / "labels.tif"],
        "find": ["--slices", "5", "-o", folder / "labels.tif"],
        "embed": ["--embeddings", folder / "embeddings"],
    }[command]


@pytest.mark.parametrize("command", ["segment", "find", "embed"])
def test_the_network_sees_channels_as_colours(
    channels: Path, tmp_path: Path, command: str
) -> None:
    predictor = PackingDiskPredictor()
    asked = command, channels, *options_of(command, tmp_path), "--channel", "0,1"
    assert main([str(word) for word in asked], lambda *_, **__: predictor) == 0
    seen = open_image(channels).composite((0, 1)).data[5]
    assert any(np.array_equal(plane, seen) for plane in predictor.encoded)
    centres = [tuple(place) for _, *place in CENTRES]
    assert [seen[place].tolist() for place in centres] == [[255, 255, 0], [0, 0, 255]]


def test_a_window_is_that_of_each_channel(channels: Path, tmp_path: Path) -> None:
    predictor, report = DiskPredictor(), tmp_path / "report.json"
    asked = "segment", channels, *options_of("segment", tmp_path), "--channel", "0,1"
    words = [str(word) for word in (*asked, "--intensity", "0,400", "--json", report)]
    assert main(words, lambda *_, **__: predictor) == 0
    (seen,) = predictor.encoded
    assert seen[CENTRES[1][1:]].tolist() == [0, 0, 128]
    window = {"rule": "contrast_limits", "low": 0.0, "high": 400.0}
    told = json.loads(report.read_text())
    assert told["channel_intensities"] == [window, window]
    assert told["intensity"]["rule"] == "as_is"


def test_channels_that_nobody_chose_are_refused_with_both_ways(
    refused: Refused, channels: Path, tmp_path: Path
) -> None:
    told = refused("segment", channels, *options_of("segment", tmp_path))
    assert "--channel 0, or both as colours with --channel 0,1." in told


def test_three_channels_are_offered_as_colours_too(
    refused: Refused, pixels: np.ndarray, tmp_path: Path
) -> None:
    several = np.stack([pixels[5]] * 3)
    like = OpenedImage(several, "cyx", (1.0,) * 3, ("pixel",) * 3)
    save_labels(tmp_path / "three.tif", several, like)
    told = refused("segment", tmp_path / "three.tif", *options_of("segment", tmp_path))
    assert "--channel 0,1 or --channel 0,1,2." in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--channel", "0;1"], "--channel as N or N,N"),
        (["--channel", "0,"], "--channel as N or N,N"),
        (["--channel", "0,2"], "from 0 to 1, got 2"),
        (["--channel", "0,1,0,1"], "two or three channels as colours, got 4"),
        (["--channel", "0,1", "--intensity", "plane"], "hold for all planes"),
        (["--channel", "0,1", "--intensity", "file"], "DICOM files may"),
        (["--channel", "0,1", "--level", "1"], "only 0, got 1"),
    ],
)
def test_channels_that_cannot_be_colours_are_refused(
    refused: Refused, channels: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    asked = options_of("segment", tmp_path)
    assert message in refused("segment", channels, *asked, *options)


def test_a_session_on_colours_is_replayed(
    run: Run, refused: Refused, channels: Path, tmp_path: Path
) -> None:
    image = open_image(channels).composite((0, 1))
    journal, output = tmp_path / "journal.jsonl", tmp_path / "labels.tif"
    session = Session(image, DiskPredictor(), journal=journal)
    z, *point = CENTRES[0]
    session.apply(NewObject(1), AddPoint(1, Plane((1, 2), (z,)), tuple(point)))
    session.mask(1, Plane((1, 2), (z,)))
    command = "replay", journal, "--image", channels, "-o", output
    assert "image" in refused(*command, "--channel", "1,0")
    assert run(*command, "--channel", "0,1") == 0
    np.testing.assert_array_equal(np.asarray(open_image(output).data), session.labels)
    assert session.labels.any()
