import json

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.full_disk import full_disk
from tests.volume.conftest import LEFT, ball
from tests.volume.journal_work import work

from napari_sam_adapter.errors import OutputError, SessionError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.prompts import Prompts, Scribble
from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddPoint,
    AddScribble,
    ChooseCandidate,
    DeleteObject,
    EndHere,
    LockPlane,
    MovePoint,
    NewObject,
    Paint,
    ReleasePaint,
    RemovePoint,
    SetBox,
    SetMaskPrompt,
    SetPrompts,
    UnlockPlane,
)
from napari_sam_adapter.volume.document.journal_entries import (
    EditGroup,
    FinishPropagation,
    Predict,
    PredictTogether,
    Propagated,
    Redo,
    StartPropagation,
    Undo,
    UseIntensity,
    UsePredictor,
)
from napari_sam_adapter.volume.document.objects import same_prompts
from napari_sam_adapter.volume.journal.journal_header import image_identity
from napari_sam_adapter.volume.journal.journal_lines import (
    edit_from_json,
    edit_to_json,
    entry_text,
    new_objects_text,
    predicted_text,
    prompts_text,
)
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationRange,
    PropagationSettings,
)
from napari_sam_adapter.volume.saving.replaying import replay, replay_steps
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((2, 1), (4,))

PROMPTS = Prompts(
    [(0.1, 2)], [False], (1, 2, 3, 4), (Scribble([(1, 2)], False),), np.eye(3) > 0
)

ENTRIES = [
    NewObject(1),
    DeleteObject(1),
    Accept(1),
    AddPoint(1, PLANE, (1 / 3, 2), False),
    AddPoint(np.int64(1), PLANE, (np.float32(1), np.int8(2))),
    MovePoint(1, PLANE, 0, (1.5, 2)),
    RemovePoint(1, PLANE, 0),
    SetBox(1, PLANE, (1, 2, 3, 4)),
    SetBox(1, PLANE, None),
    AddScribble(1, PLANE, np.array([(1.0, 2.0)]), False),
    SetMaskPrompt(1, PLANE, np.eye(3) > 0),
    SetMaskPrompt(1, PLANE, None),
    SetPrompts(1, PLANE, PROMPTS),
    SetPrompts(1, PLANE, Prompts()),
    ChooseCandidate(1, PLANE, 2),
    Paint(PLANE, np.array([(1, 2)]), np.array([3])),
    Paint(PLANE, np.eye(3) > 0, 3),
    UseIntensity(IntensityMapping("lung", -1350.0, 150.0)),
    EditGroup((NewObject(1), SetPrompts(1, PLANE, PROMPTS))),
    Predict(1, PLANE),
    StartPropagation(
        1, (1, 2), PropagationRange(PLANE, 0, 2, 5), PropagationSettings(), True
    ),
    Propagated(1, 2, PLANE),
    ReleasePaint(1, PLANE),
    LockPlane(1, PLANE),
    UnlockPlane(1, PLANE),
    EndHere(1, PLANE),
    FinishPropagation(1),
    Undo(),
    Redo(),
    UsePredictor({"model": "tiny"}),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_every_entry_survives_the_way_through_json(entry):
    text = json.dumps(edit_to_json(entry))
    back = edit_from_json(json.loads(text))
    assert type(back) is type(entry)
    assert json.dumps(edit_to_json(back)) == text


def test_prompts_keep_every_bit_in_json():
    back = edit_from_json(edit_to_json(SetPrompts(1, PLANE, PROMPTS))).prompts
    np.testing.assert_array_equal(back.mask, PROMPTS.mask)
    np.testing.assert_array_equal(back.points, PROMPTS.points)
    np.testing.assert_array_equal(back.signs, PROMPTS.signs)
    np.testing.assert_array_equal(back.mask, PROMPTS.mask)
    np.testing.assert_array_equal(back.scribbles[0].path, PROMPTS.scribbles[0].path)
    assert back.box == PROMPTS.box


@pytest.mark.parametrize(
    "values",
    [{}, {"kind": "Fly"}, {"kind": "NewObject"}, {"kind": "Predict", "plane": 3}],
)
def test_entries_of_another_version_are_refused(values):
    with pytest.raises(SessionError, match="Expected an edit"):
        edit_from_json(values)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((8, 9), "60f1fb19"), ((5, 8, 9), "07f11802"), ((3, 4, 8, 9), "3cb670e5")],
)
def test_images_keep_the_name_that_journals_know_them_by(shape, name):
    image = np.arange(np.prod(shape), dtype="<u2").reshape(shape)
    assert image_identity(Volume(image))["sha256"].startswith(name)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_half_written_last_line_is_dropped(saved, path, volume, plane, cut):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    saved.mask(1, plane)
    saved.apply(DeleteObject(1))
    path.write_bytes(path.read_bytes()[:-cut])
    again = replay(path, volume, DiskPredictor())
    np.testing.assert_array_equal(again.labels == 1, again.labels > 0)
    np.testing.assert_array_equal(again.labels[4] == 1, ball(LEFT)[4])


def test_a_journal_cut_at_any_byte_is_there_up_to_its_last_whole_line(
    saved, path, volume
):
    work(saved)
    steps = replay_steps(path, volume, DiskPredictor())
    states = [step.session.labels.copy() for step in steps]
    content = path.read_bytes()
    ends = [place for place, value in enumerate(content, 1) if value == ord("\n")]
    for end in (*ends, *range(ends[0], len(content), 97)):
        path.write_bytes(content[:end])
        lines = content[:end].count(b"\n")
        labels = replay(path, volume, DiskPredictor()).labels
        np.testing.assert_array_equal(labels, states[lines - 1])


@pytest.mark.parametrize("size", [0, 1, 40])
def test_a_journal_without_a_whole_first_line_holds_nothing(saved, path, volume, size):
    saved.new_object()
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SessionError, match="breaks off in its first line") as refusal:
        replay(path, volume, DiskPredictor())
    assert "emove" not in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"name": "mine"}',
        b"[1, 2]",
        b"\x93NUMPY\x01\x00v\x00{",
        b"x",
        b" ",
        b"y,x\n1,2\n",
    ],
    ids=["object", "list", "npy", "text", "space", "table"],
)
def test_a_file_that_is_no_journal_is_neither_to_be_removed_nor_cut(
    path, volume, content
):
    path.write_bytes(content)
    with pytest.raises(SessionError, match="which is none") as refusal:
        replay(path, volume, DiskPredictor())
    assert not any(word in str(refusal.value) for word in ("emove", "cut it"))
    assert path.read_bytes() == content


def test_a_journal_of_another_version_is_told(saved, path, volume):
    saved.new_object()
    path.write_bytes(path.read_bytes().replace(b'"version": 3', b'"version": 9', 1))
    with pytest.raises(SessionError, match="got 9"):
        replay(path, volume, DiskPredictor())


def test_two_sessions_do_not_overwrite_each_other_in_a_journal(
    saved, path, volume, tmp_path
):
    saved.new_object()
    other = replay(path, volume, DiskPredictor(), resume=True)
    saved.add_point(1, PLANE, (1, 2))
    with pytest.raises(OutputError, match="another session has written") as refusal:
        other.new_object()
    assert "room" not in str(refusal.value)
    assert str(refusal.value).endswith("Save this session under another name.")
    other.new_object()
    saved.new_object()
    again = replay(path, volume, DiskPredictor())
    assert again.object_ids == [1, 2]
    assert again.prompts(1, PLANE).points.tolist() == [[1, 2]]
    save_session(tmp_path / "other.session", other)
    opened = open_session(tmp_path / "other.session", volume, DiskPredictor())
    assert opened.object_ids == [1, 2, 3]
    assert not opened.prompts(1, PLANE).points.size


@pytest.mark.parametrize("part", ["image", "labels", "intensity", "spacing"])
@pytest.mark.parametrize("value", [-1, "x", ["x"], {"x": 1}])
def test_a_journal_whose_first_line_is_damaged_is_told(
    saved, path, volume, part, value
):
    saved.new_object()
    first, *others = path.read_text().splitlines()
    damaged = json.dumps(json.loads(first) | {part: value})
    path.write_text("\n".join([damaged, *others, ""]))
    for read in (replay, open_session):
        with pytest.raises(SessionError, match="first line of"):
            read(path, volume, DiskPredictor())


def test_a_name_that_no_file_can_have_is_told(tmp_path, volume):
    with pytest.raises(SessionError, match="Expected a journal at"):
        open_session(tmp_path / ("n" * 300), volume, DiskPredictor())


def test_a_line_that_nests_too_deeply_is_told(saved, path, volume):
    saved.new_object()
    path.write_text(path.read_text() + "[" * 100_000 + "\n")
    with pytest.raises(SessionError, match="in line 4 of"):
        replay(path, volume, DiskPredictor())


@pytest.mark.parametrize(
    ("overwrite", "rule"), [(b"false", "keep"), (b"true", "overwrite")]
)
def test_a_journal_of_the_version_before_is_read(saved, path, volume, overwrite, rule):
    saved.new_object()
    content = path.read_bytes().replace(b'"version": 3', b'"version": 2', 1)
    old = b'"overwrite": ' + overwrite
    path.write_bytes(content.replace(b'"overlap_rule": "keep"', old, 1))
    again = replay(path, volume, DiskPredictor(), resume=True)
    assert (again.object_ids, again.overlap_rule) == ([1], rule)
    again.new_object()
    assert replay(path, volume, DiskPredictor()).object_ids == [1, 2]


def test_an_existing_journal_is_never_overwritten(saved, path, volume):
    with pytest.raises(OutputError, match="exists"):
        Session(volume, journal=path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no json\n", b"[1]\n", b'{"version": 99}\n', b'{"version": 1}\n'],
    ids=["empty", "text", "list", "version", "header"],
)
def test_files_that_are_no_journal_are_refused(path, volume, content):
    path.write_bytes(content)
    with pytest.raises(SessionError, match="Expected"):
        replay(path, volume, DiskPredictor())


def test_a_missing_journal_is_refused(path, volume):
    with pytest.raises(SessionError, match="Expected a journal"):
        replay(path, volume, DiskPredictor())
    with pytest.raises(OutputError, match="Expected to write"):
        Session(volume, journal=path / "deeper")
    with pytest.raises(OutputError, match="Expected to write"):
        Session(volume).continue_journal(path)


def test_damage_in_the_middle_is_reported_with_its_line(saved, path, volume):
    saved.new_object()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\x00\x00\n", *lines[2:]]))
    with pytest.raises(SessionError, match="line 3"):
        replay(path, volume, DiskPredictor())


def test_a_full_disk_is_reported_once_and_nothing_is_left_out(saved, path, volume):
    saved.new_object()
    whole = path.read_bytes()
    with full_disk(len(whole) + 10):
        with pytest.raises(OutputError, match="save the labels"):
            saved.new_object()
        assert saved.new_object() == 3
    assert path.read_bytes() == whole
    assert saved.new_object() == 4
    assert replay(path, volume, DiskPredictor()).object_ids == [1, 2, 3, 4]


def test_a_closed_journal_lets_go_of_its_file(path, volume):
    session = Session(volume, journal=path)
    session.new_object()
    session.close()
    path.unlink()
    session.new_object()
    assert not path.exists()


def test_a_mask_prompt_is_written_and_read_in_its_box():
    mask = np.zeros((400, 300), bool)
    mask[5:9, 7:20] = True
    prompts = Prompts(mask=mask)
    written = edit_to_json(SetPrompts(1, PLANE, prompts))["prompts"]["mask"]
    assert written["box"] == [5, 7, 9, 20]
    assert "whole_mask" not in vars(prompts)


@pytest.mark.parametrize("run", [0, 5])
def test_what_is_written_piece_by_piece_reads_as_the_entry(run):
    text = prompts_text(PROMPTS)
    numbers = 3, 7
    edits = [e for n in numbers for e in (NewObject(n), SetPrompts(n, PLANE, PROMPTS))]
    made = new_objects_text(PLANE, [(n, text) for n in numbers], run)
    assert made == entry_text(EditGroup(edits, run))
    assert ('"run"' in made) == bool(run)
    assert edit_from_json(json.loads(made)).run == run
    asked = PredictTogether(PLANE, (PROMPTS, PROMPTS), numbers, 2)
    predicted = predicted_text(PLANE, (text, text), numbers, 2)
    assert json.loads(predicted) == edit_to_json(asked)


def test_points_and_masks_of_earlier_journals_are_read():
    values = edit_to_json(SetPrompts(1, PLANE, PROMPTS))
    for name in ("points", "polarities", "mask"):
        packed = PackedArray.of(getattr(PROMPTS, name))
        values["prompts"][name] = packed.to_json()
    assert same_prompts(edit_from_json(values).prompts, PROMPTS)
