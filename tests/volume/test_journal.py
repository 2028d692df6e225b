import contextlib
import json

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT, ball

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
from napari_sam_adapter.volume.propagation.propagation import follow, propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationRange,
    PropagationSettings,
)
from napari_sam_adapter.volume.saving.replaying import replay, replay_steps
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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


@pytest.fixture
def saved(volume, predictor, path):
    return Session(volume, predictor, journal=path)


def work_through_planes(session):
    """Follow two objects at once, correct, lock, end, and follow again."""
    plane = Plane((1, 2), (4,))
    for object_id, centre in ((1, LEFT), (2, RIGHT)):
        session.apply(NewObject(object_id), AddPoint(object_id, plane, centre[1:]))
    session.mask(1, plane)
    session.mask(2, plane)
    session.accept(session.new_object())
    list(propagate(session, [1, 2]))
    session.add_point(1, plane.at(0, 6), (10, 12), positive=False)
    session.lock(2, plane.at(0, 5))
    session.apply(EndHere(2, plane.at(0, 2)))
    list(propagate(session, [1, 2], settings=PropagationSettings(method="three-way")))
    next(propagate(session, [2, 1], 1, 7, again=True))
    session.undo()


def work(session):
    """Do something of everything, with late masks, undo and redo in between."""
    plane = Plane((1, 2), (4,))
    session.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    late = session.compute(session.request(1, plane))
    session.new_object()
    session.set_box(2, plane, (14, 22, 26, 34))
    session.mask(2, plane)
    session.commit(late)
    session.apply(ChooseCandidate(1, plane, 1))
    session.apply(Paint(plane, np.array([(10, 10), (0, 0)]), np.array([0, 1])))
    session.add_point(1, plane, (12, 12), positive=False)
    session.mask(1, plane)
    session.undo()
    session.undo()
    session.redo()
    list(propagate(session, 2, 2, 7))
    session.add_point(2, Plane((0, 2), (20,)), (3, 28), positive=False)
    session.mask(2, Plane((0, 2), (20,)))


def same(session, other):
    np.testing.assert_array_equal(session.labels, other.labels)
    assert session.labels.dtype == other.labels.dtype
    assert session.object_ids == other.object_ids
    for object_id in session.object_ids:
        planes = session.anchors(object_id)
        assert planes == other.anchors(object_id)
        for plane in planes:
            assert session.score(object_id, plane) == other.score(object_id, plane)


def test_a_session_is_replayed_bit_for_bit(saved, path, volume):
    work(saved)
    again = replay(path, volume, DiskPredictor())
    same(saved, again)
    while saved.can_undo:
        saved.undo()
        again.undo()
        same(saved, again)


def test_propagations_of_many_objects_are_replayed_bit_for_bit(saved, path, volume):
    work_through_planes(saved)
    again = replay(path, volume, DiskPredictor())
    same(saved, again)
    assert saved.doubts(below=1) == again.doubts(below=1)
    while saved.can_undo:
        saved.undo()
        again.undo()
        same(saved, again)


def test_a_window_changed_in_the_middle_is_replayed(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    saved.mask(1, plane)
    before = saved.labels.copy()
    saved.intensity = IntensityMapping("contrast_limits", 0.0, 1.0)
    saved.add_point(1, plane, RIGHT[1:])
    saved.mask(1, plane)
    assert (saved.labels != before).any()
    again = replay(path, volume, DiskPredictor())
    same(saved, again)
    assert again.intensity == saved.intensity


@pytest.mark.parametrize(
    ("shape", "name"),
    [((8, 9), "60f1fb19"), ((5, 8, 9), "07f11802"), ((3, 4, 8, 9), "3cb670e5")],
)
def test_images_keep_the_name_that_journals_know_them_by(shape, name):
    image = np.arange(np.prod(shape), dtype="<u2").reshape(shape)
    assert image_identity(Volume(image))["sha256"].startswith(name)


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "f8"])
def test_the_order_of_bytes_in_memory_makes_no_other_image_or_labels(
    volume, path, plane, dtype
):
    labels = np.zeros(volume.shape, "u2")
    labels[0, 0, 0] = 7
    for here, there in "><", "<>":
        session = Session(
            volume.astype(here + dtype),
            DiskPredictor(),
            labels=labels.astype(f"{here}u2"),
            journal=path.with_suffix(f".{ord(here)}"),
        )
        session.add_point(7, plane, LEFT[1:])
        session.mask(7, plane)
        again = replay(
            path.with_suffix(f".{ord(here)}"),
            volume.astype(there + dtype),
            DiskPredictor(),
            labels=labels.astype(f"{there}u2"),
        )
        assert np.array_equal(session.labels, again.labels)


def test_the_spacing_is_kept(volume, path):
    Session(volume, DiskPredictor(), journal=path, spacing=(5, 1, 0.5))
    assert replay(path, volume, DiskPredictor()).spacing == (5, 1, 0.5)


def test_a_propagation_with_edits_in_between_is_replayed(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    saved.mask(1, plane)
    request = saved.propagation(1)
    found = (result for result in follow(request) if result is not None)
    for number, result in enumerate(found):
        saved.commit(result)
        if number == 1:
            saved.apply(Paint(plane.at(0, 3), np.array([(10, 10)]), np.array([2])))
            saved.add_point(1, plane.at(0, 2), LEFT[1:])
    saved.finish_propagation(request)
    assert saved.labels[3, 10, 10] == 2
    same(saved, replay(path, volume, DiskPredictor()))


def test_a_propagation_left_early_is_replayed(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    next(propagate(saved, 1))
    same(saved, replay(path, volume, DiskPredictor()))


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


def test_a_replayed_session_goes_on_in_the_same_file(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    path.write_bytes(path.read_bytes() + b'{"kind": "Und')
    again = replay(path, volume, DiskPredictor(), resume=True)
    again.mask(1, plane)
    same(again, replay(path, volume, DiskPredictor()))


def test_a_replay_without_resume_leaves_the_file_alone(saved, path, volume):
    saved.new_object()
    before = path.read_bytes()
    replay(path, volume, DiskPredictor()).new_object()
    assert path.read_bytes() == before


def test_labels_at_the_start_are_needed_again(volume, predictor, path, plane):
    labels = np.zeros(volume.shape, np.uint16)
    labels[0, :2] = 9
    start = labels.copy()
    session = Session(volume, predictor, labels, journal=path)
    session.apply(DeleteObject(9))
    same(session, replay(path, volume, DiskPredictor(), labels=start.copy()))
    with pytest.raises(SessionError, match="Expected the labels"):
        replay(path, volume, DiskPredictor())


@pytest.mark.parametrize("rule", ["keep", "cut", "overwrite"])
def test_the_rule_and_the_intensity_window_are_kept(volume, path, rule):
    window = IntensityMapping("contrast_limits", 1, 99)
    image = Volume(volume, intensity=window)
    Session(image, DiskPredictor(), overlap_rule=rule, journal=path)
    for again_image in (volume, Volume(volume)):
        again = replay(path, again_image, DiskPredictor())
        assert again.volume.intensity == window
        assert again.overlap_rule == rule
        again.apply(NewObject(1), NewObject(2))
        for object_id in (1, 2):
            again.add_point(object_id, PLANE, (28, 20))
            again.mask(object_id, PLANE)
        assert again.mask(1, PLANE).any() == (rule == "keep")


def test_another_image_is_refused(saved, path, volume):
    other = volume.copy()
    other[4, 3, 3] += 1
    with pytest.raises(SessionError, match="Expected the image") as refused:
        replay(path, other, DiskPredictor())
    assert "other pixels" in str(refused.value)
    assert "checksum" not in str(refused.value)


def test_an_image_of_another_shape_is_refused_by_its_shape(saved, path, volume):
    shapes = [" x ".join(map(str, shape)) for shape in (volume.shape, volume[1:].shape)]
    expected = f"session, {shapes[0]} pixels, got one of {shapes[1]} pixels. Open"
    with pytest.raises(SessionError, match=expected):
        replay(path, volume[1:], DiskPredictor())


def test_an_image_of_another_type_is_refused_by_its_type(saved, path, volume):
    with pytest.raises(SessionError, match="got one of type float64"):
        replay(path, volume.astype(float), DiskPredictor())


def test_another_version_or_note_is_no_other_predictor(volume, path):
    class Noted(DiskPredictor):
        description = {"model": "disk", "version": "1", "note": "as it was"}

    class Later(DiskPredictor):
        description = {"model": "disk", "version": "2"}

    session = Session(volume, Noted(), journal=path)
    session.new_object()
    same(session, replay(path, volume, Later()))


def test_another_predictor_is_refused(saved, path, volume):
    with pytest.raises(SessionError, match="Expected the predictor"):
        replay(path, volume, DiskPredictor(model="other"))


def test_several_predictors_are_found_by_their_description(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    saved.mask(1, plane)
    saved.predictor = DiskPredictor(score=0.5, model="other")
    saved.add_point(1, plane, RIGHT[1:])
    saved.mask(1, plane)
    scores = {"disk": 0.9, "other": 0.5}

    def load(description):
        return DiskPredictor(scores[description["model"]], description["model"])

    same(saved, replay(path, volume, load))


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


def test_a_propagation_that_does_not_get_as_far_is_reported(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    list(propagate(saved, 1))
    with pytest.raises(SessionError, match="stopped before"):
        replay(path, volume, DiskPredictor(score=0.1))


@contextlib.contextmanager
def full_disk(size):
    """No file of this process may grow beyond a size."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


def test_points_and_boxes_given_as_arrays_are_replayed(path, volume, plane):
    session = Session(volume, DiskPredictor(), journal=str(path))
    object_id = session.new_object()
    session.add_point(object_id, plane, np.array(LEFT[-2:]))
    session.set_box(object_id, plane, np.array([1, 1, 12, 12]))
    session.mask(object_id, plane)
    again = replay(str(path), volume, DiskPredictor())
    assert again.prompts(object_id, plane).extends(session.prompts(object_id, plane))
    assert np.array_equal(again.labels, session.labels)


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
