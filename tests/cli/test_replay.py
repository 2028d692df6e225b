from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import CENTRES, Refused, Run
from tests.cli.test_segment import write_pyramid
from tests.fakes import DiskPredictor

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import open_image
from napari_sam_adapter.volume.document.edits import AddPoint, NewObject
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.session_folder import save_session
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(volume: Path, tmp_path: Path) -> Session:
    opened = open_image(volume)
    image = Volume(opened.data, opened.axes)
    session = Session(image, DiskPredictor(), journal=tmp_path / "journal.jsonl")
    for number, (z, *point) in enumerate(CENTRES, start=1):
        plane = Plane((1, 2), (z,))
        session.apply(NewObject(number), AddPoint(number, plane, tuple(point)))
        session.mask(number, plane)
        session.predictor = DiskPredictor(model=f"other {number}")
    list(propagate(session, [1, 2]))
    return session


def load(model, adapter, device, dtype="auto", preprocessing=None):
    return DiskPredictor(model=model)


@pytest.mark.parametrize("kind", ["folder", "journal"])
def test_a_session_gives_the_same_labels_without_a_display(
    session: Session, volume: Path, tmp_path: Path, kind: str
) -> None:
    saved, output = tmp_path / "balls.session", tmp_path / "labels.tif"
    save_session(saved, session)
    source = saved if kind == "folder" else tmp_path / "journal.jsonl"
    arguments = ["replay", source, "--image", volume, "--output", output]
    assert main(list(map(str, arguments)), load) == 0
    again = open_image(output)
    np.testing.assert_array_equal(np.asarray(again.data), session.labels)
    assert again.scale == open_image(volume).scale


@pytest.mark.parametrize("other", ["image", "session"])
def test_labels_never_replace_what_they_are_made_of(
    session: Session, volume: Path, tmp_path: Path, capsys, other: str
) -> None:
    saved, before = tmp_path / "balls.session", volume.read_bytes()
    save_session(saved, session)
    output = {"image": volume, "session": saved / "labels.tif"}[other]
    arguments = ["replay", saved, "--image", volume, "--output", output, "--overwrite"]
    assert main(list(map(str, arguments)), load) == 2
    assert f"the {other}" in capsys.readouterr().err
    assert volume.read_bytes() == before


def test_a_session_on_a_level_of_a_pyramid_finds_its_level(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    image, output = tmp_path / "a.zarr", tmp_path / "labels.zarr"
    write_pyramid(image, pixels)
    level = open_image(image).level(1)
    journal = tmp_path / "journal.jsonl"
    session = Session(level.data, DiskPredictor(), axes="zyx", journal=journal)
    z, *point = CENTRES[0]
    session.apply(
        NewObject(1), AddPoint(1, Plane((1, 2), (z,)), (point[0] / 2, point[1] / 2))
    )
    arguments = ["replay", journal, "--image", image, "--output", output]
    assert main(list(map(str, arguments)), load) == 0
    assert open_image(output).scale == level.scale


def test_labels_never_replace_those_of_the_session_they_are_made_of(
    session: Session, volume: Path, tmp_path: Path, capsys
) -> None:
    saved = tmp_path / "balls.session"
    save_session(saved, session)
    journal, labels = saved / "journal.jsonl", saved / "labels.tif"
    before = labels.read_bytes()
    arguments = ["replay", journal, "--image", volume, "-o", labels, "--overwrite"]
    assert main(list(map(str, arguments)), load) == 2
    assert "one inside the other" in capsys.readouterr().err
    assert labels.read_bytes() == before


def test_the_methods_sentence_is_all_that_is_printed(
    session: Session, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "journal.jsonl"
    arguments = ["replay", source, "--image", volume, "--methods"]
    assert main(list(map(str, arguments)), load) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("2 objects were segmented with napari-sam-adapter")
    assert "the model other 1" in printed


def test_bad_input_is_refused_before_anything_is_done(
    session: Session, volume: Path, tmp_path: Path, refused: Refused
) -> None:
    source = tmp_path / "journal.jsonl"
    assert "--methods" in refused("replay", source, "--image", volume)
    missing = tmp_path / "none.session"
    output = tmp_path / "labels.tif"
    assert "journal" in refused("replay", missing, "--image", volume, "-o", output)
    assert not output.exists()
    output.write_text("before")
    assert "exists" in refused("replay", source, "--image", volume, "-o", output)
    assert output.read_text() == "before"


def test_a_format_for_pictures_is_refused_before_a_volume_is_replayed(
    session: Session, volume: Path, tmp_path: Path, capsys
) -> None:
    def load_nothing(*_: object) -> None:
        pytest.fail("the replay began although its labels cannot be written")

    source, output = tmp_path / "journal.jsonl", tmp_path / "labels.png"
    arguments = ["replay", source, "--image", volume, "-o", output]
    assert main(list(map(str, arguments)), load_nothing) == 2
    assert "labels of 3 axes" in capsys.readouterr().err


def test_another_network_is_refused(
    session: Session, volume: Path, tmp_path: Path, run: Run, refused: Refused
) -> None:
    source, output = tmp_path / "journal.jsonl", tmp_path / "labels.tif"
    error = refused("replay", source, "--image", volume, "-o", output)
    assert "Expected the predictor" in error
    assert not output.exists()


def test_channels_that_napari_shows_with_a_slider_are_planes(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    image, output = tmp_path / "channels.ome.tif", tmp_path / "labels.tif"
    tifffile.imwrite(image, pixels, metadata={"axes": "CYX"})
    session = Session(pixels, DiskPredictor(), journal=tmp_path / "journal.jsonl")
    plane = Plane((1, 2), (CENTRES[0][0],))
    session.apply(NewObject(1), AddPoint(1, plane, CENTRES[0][1:]))
    session.mask(1, plane)
    arguments = ["replay", tmp_path / "journal.jsonl", "--image", image, "-o", output]
    assert main(list(map(str, arguments)), load) == 0
    np.testing.assert_array_equal(np.asarray(open_image(output).data), session.labels)
