import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT, SHAPE, ball, paint_balls

from napari_sam_adapter.errors import ImageError, PlaneError, PromptError, SessionError
from napari_sam_adapter.intensity import CT_WINDOWS
from napari_sam_adapter.predictions import Capabilities
from napari_sam_adapter.prompts import Prompts, Scribble
from napari_sam_adapter.volume.document.edits import (
    Accept,
    AddPoint,
    AddScribble,
    ChooseCandidate,
    DeleteObject,
    MovePoint,
    NewObject,
    RemovePoint,
    SetBox,
    SetMaskPrompt,
    SetPrompts,
)
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.session.readable_labels import ReadableLabels
from napari_sam_adapter.volume.session.session import Session


def test_a_click_segments_the_object_under_it(session, plane):
    object_id = session.new_object()
    assert session.add_point(object_id, plane, LEFT[1:]) == []
    mask = session.mask(object_id, plane)
    np.testing.assert_array_equal(mask, ball(LEFT)[4])
    np.testing.assert_array_equal(session.labels[4] == object_id, mask)
    assert not session.labels[[3, 5]].any()


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2), (1, 0)])
def test_any_slicing_gives_the_same_object(session, axes):
    plane = Plane.from_index(axes, LEFT)
    session.new_object()
    session.add_point(1, plane, (LEFT[axes[0]], LEFT[axes[1]]))
    expected = plane.view(ball(LEFT))
    np.testing.assert_array_equal(session.mask(1, plane), expected)


@pytest.mark.parametrize("ndim", [2, 3, 4, 5])
def test_images_of_two_to_five_axes_are_segmented(ndim, volume, predictor):
    image = volume[4] if ndim == 2 else volume[(None,) * (ndim - 3)]
    session = Session(image, predictor)
    plane = Plane.from_index((ndim - 2, ndim - 1), (*[0] * (ndim - 3), *LEFT)[-ndim:])
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    np.testing.assert_array_equal(session.mask(1, plane), ball(LEFT)[4])
    assert session.labels.shape == image.shape


def test_colour_images_have_labels_without_colour(volume, predictor, plane):
    session = Session(np.stack([volume] * 3, axis=-1), predictor)
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    assert session.mask(1, plane).any()
    assert session.labels.shape == SHAPE
    assert predictor.encoded[0].shape == (*SHAPE[1:], 3)


def test_labels_are_written_in_place(volume, predictor, plane):
    labels = np.zeros(SHAPE, np.uint8)
    session = Session(Volume(volume), predictor, labels)
    session.apply(NewObject(7), AddPoint(7, plane, LEFT[1:]))
    session.mask(7, plane)
    assert session.labels is labels
    np.testing.assert_array_equal(labels[4] == 7, ball(LEFT)[4])


def test_labels_too_large_for_the_memory_are_refused():
    with pytest.raises(ImageError, match=r"4,503,599.63 GB.*larger disk"):
        ReadableLabels((2**20, 2**20, 2**10))


def test_objects_of_given_labels_are_known(volume, predictor):
    labels = np.zeros(SHAPE, np.int64)
    labels[0, 0, :2] = 2, (1 << 32) - 1
    session = Session(volume, predictor, labels)
    assert session.object_ids == [2, (1 << 32) - 1]
    labels[0, 0, 1] = 9
    assert Session(volume, predictor, labels).new_object() == 10


def test_a_negative_point_removes_a_region(clicked, plane):
    before = clicked.mask(1, plane)
    clicked.add_point(1, plane, (10, 14), positive=False)
    after = clicked.mask(1, plane)
    assert after.sum() < before.sum()
    assert not after[10, 14]
    assert not (after & ~before).any()


def test_prompts_of_one_object_do_not_leak_to_another(clicked, plane):
    clicked.new_object()
    clicked.add_point(2, plane, RIGHT[1:])
    np.testing.assert_array_equal(clicked.mask(2, plane), ball(RIGHT)[4])
    np.testing.assert_array_equal(clicked.mask(1, plane), ball(LEFT)[4])
    assert len(clicked.prompts(1, plane).points) == 1


def test_a_mask_never_takes_pixels_of_another_object(clicked, plane):
    clicked.new_object()
    clicked.add_point(2, plane, LEFT[1:])
    assert not clicked.mask(2, plane).any()
    assert clicked.mask(1, plane).any()


def test_a_mask_takes_pixels_of_another_object_if_told_so(volume, predictor, plane):
    session = Session(volume, predictor, overlap_rule="overwrite")
    for object_id in (1, 2):
        session.new_object()
        session.add_point(object_id, plane, LEFT[1:])
        session.mask(object_id, plane)
    assert not session.mask(1, plane).any()


def test_emptied_prompts_clear_the_mask(clicked, plane):
    (change,) = clicked.apply(RemovePoint(1, plane, 0))
    assert not clicked.labels.any()
    assert (change.before[5] == 1).any()
    assert clicked.score(1, plane) is None
    assert not clicked.needs_mask(1, plane)


def test_one_plane_is_encoded_once(clicked, plane, predictor):
    clicked.add_point(1, plane, (11, 11))
    clicked.mask(1, plane)
    clicked.encode_plane(plane)
    assert len(predictor.encoded) == 1


def test_the_cache_keeps_to_its_budget(volume, predictor, plane):
    session = Session(volume, predictor, cache_bytes=1)
    for index in (3, 4, 3):
        session.encode_plane(plane.at(0, index))
    assert len(predictor.encoded) == 3


def test_added_points_refine_the_last_answer(clicked, plane, predictor):
    clicked.add_point(1, plane, (11, 11))
    clicked.mask(1, plane)
    _, previous = predictor.predicted[-1]
    np.testing.assert_array_equal(previous.mask, ball(LEFT)[4])


@pytest.mark.parametrize(
    "edit",
    [
        lambda plane: MovePoint(1, plane, 0, (11.0, 11.0)),
        lambda plane: SetBox(1, plane, (4, 4, 16, 16)),
        lambda plane: SetPrompts(1, plane, Prompts([(10, 10)], [True], (4, 4, 9, 9))),
        lambda plane: SetMaskPrompt(1, plane, ball(LEFT)[4]),
    ],
    ids=["moved", "box", "replaced", "mask"],
)
def test_changed_prompts_begin_anew(clicked, plane, predictor, edit):
    clicked.apply(edit(plane))
    clicked.mask(1, plane)
    assert predictor.predicted[-1][1] is None


def test_scribbles_rebuilt_by_a_layer_still_refine(clicked, plane, predictor):
    path = [(8, 8), (12, 12)]
    first = Prompts([(10, 10)], scribbles=(Scribble(path),), mask=ball(LEFT)[4])
    second = Prompts([(10, 10)], scribbles=(Scribble(path), Scribble(path)))
    clicked.set_prompts(1, plane, first)
    clicked.mask(1, plane)
    clicked.set_prompts(1, plane, first.with_point((9, 9)))
    clicked.mask(1, plane)
    assert predictor.predicted[-1][1] is not None
    clicked.set_prompts(1, plane, second)
    clicked.mask(1, plane)
    assert predictor.predicted[-1][1] is None


def test_equal_prompts_are_no_edit(clicked, plane):
    clicked.set_prompts(1, plane, Prompts([LEFT[1:]]))
    assert not clicked.needs_mask(1, plane)
    clicked.undo()
    assert clicked.prompts(1, plane).is_empty


def test_every_kind_of_prompt_reaches_the_predictor(session, plane, predictor):
    mask = ball(LEFT)[4]
    session.apply(
        NewObject(1),
        AddPoint(1, plane, (9, 9)),
        SetBox(1, plane, (4, 4, 16, 16)),
        AddScribble(1, plane, np.array([(8, 8), (12, 12)]), False),
        SetMaskPrompt(1, plane, mask),
    )
    session.mask(1, plane)
    asked, _ = predictor.predicted[-1]
    assert asked.points.tolist() == [[9, 9]]
    assert asked.box == (4, 4, 16, 16)
    assert not asked.scribbles[0].positive
    np.testing.assert_array_equal(asked.mask, mask)


def test_another_candidate_replaces_the_mask(clicked, plane):
    candidates = clicked.candidates(1, plane)
    assert [round(c.score, 1) for c in candidates] == [0.9, 0.8, 0.7]
    clicked.apply(ChooseCandidate(1, plane, 1))
    np.testing.assert_array_equal(clicked.mask(1, plane), candidates[1].mask)
    assert clicked.score(1, plane) == candidates[1].score
    assert len(clicked.candidates(1, plane)) == 3


def test_candidates_of_older_prompts_are_not_offered(clicked, plane):
    clicked.add_point(1, plane, (11, 11))
    assert clicked.candidates(1, plane) == ()
    with pytest.raises(SessionError, match="0 candidates"):
        clicked.apply(ChooseCandidate(1, plane, 0))


def test_deleting_removes_the_object_from_every_plane(clicked, plane):
    across = Plane((0, 2), (10,))
    clicked.new_object()
    clicked.add_point(2, plane, RIGHT[1:])
    clicked.mask(2, plane)
    clicked.add_point(1, across, (4, 10))
    clicked.mask(1, across)
    changes = clicked.apply(DeleteObject(1))
    assert len(changes) == 7
    assert clicked.object_ids == [2]
    assert np.unique(clicked.labels).tolist() == [0, 2]
    assert clicked.anchors(1) == []


def test_accepting_marks_the_object(clicked):
    assert clicked.accept(1) == []
    assert clicked.accepted_ids == [1]
    clicked.undo()
    assert clicked.accepted_ids == []


def test_scores_are_known_only_with_a_mask(session, plane):
    session.new_object()
    assert session.score(1, plane) is None
    session.add_point(1, plane, LEFT[1:])
    session.mask(1, plane)
    assert session.score(1, plane) == session.confidence(1, plane) == 0.9


def test_a_mask_without_prompts_needs_no_predictor(volume, plane):
    session = Session(volume)
    session.new_object()
    assert not session.mask(1, plane).any()
    session.add_point(1, plane, LEFT[1:])
    with pytest.raises(SessionError, match="Load one first"):
        session.mask(1, plane)
    with pytest.raises(SessionError, match="Load one first"):
        session.encode_plane(plane)


def test_another_predictor_embeds_anew(clicked, plane):
    other = type(clicked.predictor)(model="other")
    clicked.predictor = other
    clicked.add_point(1, plane, (11, 11))
    clicked.mask(1, plane)
    assert clicked.predictor is other
    assert len(other.encoded) == 1


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (AddPoint(2, Plane((1, 2), (4,)), (1, 1)), SessionError),
        (AddPoint(1, Plane((1, 2), (9,)), (1, 1)), PlaneError),
        (AddPoint(1, Plane((0, 1)), (1, 1)), PlaneError),
        (AddPoint(1, Plane((1, 2), (4,)), (40, 1)), PromptError),
        (AddPoint(1, Plane((1, 2), (4,)), (1, 2, 3)), PromptError),
        (MovePoint(1, Plane((1, 2), (4,)), 1, (1, 1)), PromptError),
        (RemovePoint(1, Plane((1, 2), (4,)), -1), PromptError),
        (SetBox(1, Plane((1, 2), (4,)), (50, 50, 60, 60)), PromptError),
        (SetMaskPrompt(1, Plane((1, 2), (4,)), np.ones((2, 2))), PromptError),
        (NewObject(1), SessionError),
        (NewObject(0), SessionError),
        (NewObject(1 << 40), SessionError),
        (DeleteObject(5), SessionError),
        (Accept(5), SessionError),
    ],
)
def test_refused_edits_change_nothing(clicked, edit, error):
    labels = clicked.labels.copy()
    with pytest.raises(error, match="Expected"):
        clicked.apply(NewObject(9), DeleteObject(1), NewObject(1), edit)
    with pytest.raises(error, match="Expected"):
        clicked.apply(edit)
    np.testing.assert_array_equal(clicked.labels, labels)
    assert clicked.object_ids == [1]
    assert clicked.score(1, Plane((1, 2), (4,))) == 0.9


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((2, 2), int),
        np.zeros(SHAPE),
        np.broadcast_to(np.int32(0), SHAPE),
        [[0]],
    ],
    ids=["shape", "float", "read-only", "list"],
)
def test_labels_that_cannot_be_written_are_refused(volume, labels):
    with pytest.raises(SessionError, match="Expected labels"):
        Session(volume, labels=labels)


def test_asking_without_prompts_is_refused(clicked, plane):
    with pytest.raises(SessionError, match="Expected prompts"):
        clicked.request(1, plane.at(0, 0))
    with pytest.raises(SessionError, match="Expected an object"):
        clicked.mask(3, plane)


def test_a_constant_plane_is_refused_with_a_sentence(predictor, plane):
    image = paint_balls(ball(LEFT))
    image[4] = 7
    session = Session(image, predictor)
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    with pytest.raises(ImageError, match="every pixel is 7"):
        session.mask(1, plane)
    assert session.needs_mask(1, plane)


def test_score_that_is_not_trusted_is_not_told(session, predictor, plane):
    predictor.capabilities = Capabilities(score_is_trusted=False)
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    assert session.mask(1, plane).any()
    assert session.score(1, plane) is None
    assert session.confidence(1, plane) == 0.9


def test_a_window_that_an_adapter_learned_holds_for_a_volume_that_has_none(volume):
    lung = CT_WINDOWS["lung"]
    adapted = DiskPredictor()
    adapted.intensity = lung
    image = volume.astype(np.int16)
    assert Session(image, adapted).intensity == lung
    assert Session(Volume(image), adapted).intensity == lung
    assert (
        Session(Volume(image, intensity=CT_WINDOWS["bone"]), adapted).intensity
        == (CT_WINDOWS["bone"])
    )
    assert Session(Volume(volume), adapted).intensity.rule == "percentile"
    given = Volume(image)
    assert given.intensity.rule == "percentile"  # an estimate is no choice
    assert Session(given, adapted).intensity == lung
    session = Session(given)
    session.predictor = adapted
    assert session.intensity.rule == "percentile"


@pytest.mark.parametrize(
    "given", [{"axes": "tyx"}, {"intensity": CT_WINDOWS["bone"]}], ids=str
)
def test_what_a_volume_has_is_not_given_beside_it(volume, given):
    with pytest.raises(SessionError, match=f"got {next(iter(given))}, too"):
        Session(Volume(volume), **given)
