import json
import zipfile

import numpy as np
import pytest
from tests.fakes import CallableDiskPredictor, DiskPredictor
from tests.volume.conftest import LEFT, RIGHT
from tests.volume.journal_work import same, work, work_through_planes

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.image_io import open_image, save_labels
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.document.edits import AddPoint, NewObject
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    RenameObject,
    SetOverlapRule,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session


@pytest.fixture
def saved(volume, predictor, tmp_path):
    return Session(volume, predictor, journal=tmp_path / "autosave.jsonl")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cells.session"


@pytest.mark.parametrize("labour", [work, work_through_planes])
def test_a_saved_session_opens_as_it_was_without_a_predictor(
    saved, folder, volume, labour
):
    labour(saved)
    save_session(folder, saved)
    opened = open_session(folder, volume)
    same(saved, opened)
    assert opened.doubts(below=1) == saved.doubts(below=1)
    while saved.can_redo:
        saved.redo()
        opened.redo()
    while saved.can_undo:
        saved.undo()
        opened.undo()
        same(saved, opened)


def test_parts_of_a_saved_session_have_the_names_they_always_had(saved, folder):
    work(saved)
    save_session(folder, saved)
    with zipfile.ZipFile(folder / "state.zip") as file:
        parts = json.loads(file.read("state.json"))["parts"]
    named = {part[0]: part[1] for part in parts if isinstance(part[1], list)}
    assert named["Answer"] == [
        "prompts", "chosen", "candidates", "confidence", "score_is_trusted", "window",
        "number",
    ]  # fmt: skip
    assert named["PackedCandidate"] == ["mask", "score", "logits"]
    assert named["PackedChange"] == ["object_id", "plane", "box", "before", "after"]
    assert named["PackedArray"] == ["shape", "dtype", "data", "box"]


@pytest.mark.parametrize("refinable", [1, 100])
def test_an_opened_session_goes_on_as_the_first_would_have(
    saved, folder, volume, plane, tmp_path, monkeypatch, refinable
):
    limit = "napari_sam_adapter.volume.document.document.MOST_REFINABLE"
    monkeypatch.setattr(limit, refinable)
    work(saved)
    save_session(folder, saved)
    path = tmp_path / "further.jsonl"
    opened = open_session(folder, volume, DiskPredictor(), journal=path)
    for session in (saved, opened):
        session.add_point(2, plane, RIGHT[1:])
        session.mask(2, plane)
        work_on(session, plane)
    same(saved, opened)
    same(opened, replay(path, volume, DiskPredictor()))
    assert not replay(folder, volume, DiskPredictor()).prompts(3, plane).points.size


def work_on(session, plane):
    session.apply(NewObject(3), AddPoint(3, plane, LEFT[1:]))
    session.mask(3, plane)
    session.undo()
    session.redo()


def spoil_state(folder):
    (folder / "state.zip").write_bytes(b"PK no zip")


def spoil_labels(folder):
    labels = np.array(open_image(folder / "labels.tif").data)
    labels[0, 0, 0] = 77
    save_labels(folder / "labels.tif", labels, overwrite=True)


def spoil_journal(folder):
    path = folder / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "NewObject", "object_id": 9}\n')


def lose_state(folder):
    (folder / "state.zip").unlink()


@pytest.mark.parametrize(
    "spoil", [spoil_state, spoil_labels, spoil_journal, lose_state]
)
def test_what_does_not_belong_to_the_journal_is_repeated(saved, folder, volume, spoil):
    work(saved)
    save_session(folder, saved)
    spoil(folder)
    with pytest.raises(SessionError, match="Give a predictor"):
        open_session(folder, volume)
    opened = open_session(folder, volume, DiskPredictor())
    if spoil is spoil_journal:
        saved.apply(NewObject(9))
    same(saved, opened)


def test_labels_of_a_saved_session_are_a_file_of_their_own(saved, folder):
    work(saved)
    save_session(folder, saved)
    labels = np.asarray(open_image(folder / "labels.tif").data)
    np.testing.assert_array_equal(labels, saved.labels)


def test_a_saved_session_is_only_replaced_when_asked(saved, folder, volume):
    saved.new_object()
    save_session(folder, saved)
    saved.new_object()
    with pytest.raises(OutputError, match=r"cells\.session"):
        save_session(folder, saved)
    assert open_session(folder, volume).object_ids == [1]
    save_session(folder, saved, overwrite=True)
    assert open_session(folder, volume).object_ids == [1, 2]
    assert [path.name for path in folder.parent.glob("*.session")] == [folder.name]


def test_a_session_that_cannot_be_written_leaves_nothing(saved, folder, tmp_path):
    saved.new_object()
    (tmp_path / "autosave.jsonl").unlink()
    with pytest.raises(SessionError, match="Save the labels"):
        save_session(folder, saved)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["cells", "cells.tif", ".session"])
def test_other_names_are_refused(saved, tmp_path, name):
    with pytest.raises(OutputError, match=r"\.session"):
        save_session(tmp_path / name, saved)


def test_a_session_without_a_journal_cannot_be_saved(session, folder):
    with pytest.raises(SessionError, match="journal"):
        save_session(folder, session)
    assert not folder.exists()


def test_a_saved_session_of_another_image_is_refused(saved, folder, volume):
    save_session(folder, saved)
    with pytest.raises(SessionError, match="Expected the image"):
        open_session(folder, volume[:, ::-1])


def test_the_journal_of_a_saved_session_is_as_before(saved, folder, volume):
    work(saved)
    save_session(folder, saved)
    lines = (folder / "journal.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["version"] == 3
    same(saved, replay(folder, volume, DiskPredictor()))


def test_window_names_and_the_rule_for_neighbours_are_opened_too(
    saved, folder, volume, plane
):
    work(saved)
    saved.intensity = IntensityMapping("contrast_limits", 10, 90)
    saved.apply(RenameObject(1, "left"), SetOverlapRule("cut"), LockObject(2))
    saved.accept(1)
    save_session(folder, saved)
    opened = open_session(folder, volume)
    assert opened.intensity == saved.intensity
    for object_id in saved.object_ids:
        assert opened.objects.summary(object_id) == saved.objects.summary(object_id)
        assert opened.anchors(object_id) == saved.anchors(object_id)
    for session in (saved, opened):
        session.predictor = DiskPredictor()
        session.new_object()
        session.add_point(max(session.object_ids), plane, LEFT[1:])
        session.mask(max(session.object_ids), plane)
    assert np.array_equal(saved.labels, opened.labels)


def test_a_folder_that_is_no_session_is_refused(tmp_path, volume):
    with pytest.raises(SessionError, match=r"saved session.*NAME\.session itself"):
        open_session(tmp_path, volume, DiskPredictor())


def test_the_spacing_of_a_saved_session_is_opened_too(saved, folder, volume, plane):
    saved.spacing = (5, 1, 1)
    saved.new_object()
    saved.add_point(1, plane, LEFT[1:])
    assert list(propagate(saved, 1))
    save_session(folder, saved)
    opened = open_session(folder, volume, DiskPredictor())
    assert opened.spacing == (5, 1, 1)
    assert list(propagate(opened, 1)) == []
    saved.spacing = (2, 1, 1)  # which no propagation has seen
    save_session(folder, saved, overwrite=True)
    assert open_session(folder, volume).spacing == (2, 1, 1)


def test_a_saved_session_that_does_not_tell_its_spacing_has_the_one_it_began_with(
    saved, folder, volume
):
    save_session(folder, saved)
    with zipfile.ZipFile(folder / "state.zip") as file:
        values, rest = json.loads(file.read("state.json")), file.read("bytes")
    del values["state"]["spacing"]  # as in those of earlier versions
    with zipfile.ZipFile(folder / "state.zip", "w") as file:
        file.writestr("state.json", json.dumps(values))
        file.writestr("bytes", rest)
    assert open_session(folder, volume).spacing == (1, 1, 1)


@pytest.mark.parametrize("shape", [(1, 32, 40), (3, 1, 32, 40), (1, 1, 32, 40)])
@pytest.mark.parametrize("is_labelled", [False, True])
def test_axes_of_length_1_are_opened(volume, tmp_path, folder, shape, is_labelled):
    image = np.broadcast_to(volume[LEFT[0]], shape)
    labels = np.zeros(shape, np.uint16)
    labels[..., 0, 0] = 7
    session = Session(
        image,
        DiskPredictor(),
        labels=labels if is_labelled else None,
        journal=tmp_path / "autosave.jsonl",
    )
    number = session.new_object()
    plane = Plane((len(shape) - 2, len(shape) - 1), (0,) * (len(shape) - 2))
    session.add_point(number, plane, LEFT[1:])
    session.mask(number, plane)
    save_session(folder, session)
    same(session, open_session(folder, image))


def test_labels_of_a_session_that_is_repeated_are_given(volume, tmp_path, folder):
    labels = np.zeros(volume.shape, np.int32)
    labels[0, 0, 0] = 7
    session = Session(volume, labels=labels.copy(), journal=tmp_path / "a.jsonl")
    session.new_object()
    save_session(folder, session)
    lose_state(folder)
    with pytest.raises(SessionError, match="Give them as `labels`"):
        open_session(folder, volume, DiskPredictor())
    same(session, open_session(folder, volume, DiskPredictor(), labels=labels))


def test_the_first_predictor_of_a_session_may_come_when_it_is_opened(
    volume, plane, tmp_path, folder
):
    session = Session(volume, journal=tmp_path / "autosave.jsonl")
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    save_session(folder, session)
    assert open_session(folder, volume, DiskPredictor()).mask(1, plane).any()

    def load(description):
        raise AssertionError("there is nothing to load")

    assert open_session(folder, volume, load).predictor is None


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_predictor_that_can_be_called_is_no_loader(
    volume, plane, tmp_path, folder, is_repeated
):
    session = Session(volume, CallableDiskPredictor(), journal=tmp_path / "a.jsonl")
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    session.mask(1, plane)
    save_session(folder, session)
    if is_repeated:
        lose_state(folder)
    predictor = CallableDiskPredictor()
    opened = open_session(folder, volume, predictor)
    same(session, opened)
    assert opened.predictor is predictor


def test_an_opened_session_is_saved_again_without_a_new_journal(
    saved, folder, volume, plane, tmp_path
):
    work(saved)
    save_session(folder, saved)
    before = (folder / "journal.jsonl").read_bytes()
    opened = open_session(folder, volume, DiskPredictor())
    work_on(opened, plane)
    save_session(tmp_path / "other.session", opened)
    assert (folder / "journal.jsonl").read_bytes() == before
    save_session(folder, opened, overwrite=True)
    work_on_further(opened, plane)
    save_session(folder, opened, overwrite=True)
    same(opened, open_session(folder, volume))
    same(opened, replay(folder, volume, DiskPredictor()))


def work_on_further(session, plane):
    session.add_point(3, plane, RIGHT[1:], positive=False)
    session.mask(3, plane)


def test_a_half_written_line_is_not_saved_again(saved, folder, volume, tmp_path):
    saved.new_object()
    saved.close()
    path = tmp_path / "autosave.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "NewOb')
    opened = open_session(path, volume, DiskPredictor())
    opened.new_object()
    save_session(folder, opened)
    assert replay(folder, volume, DiskPredictor()).object_ids == [1, 2]
