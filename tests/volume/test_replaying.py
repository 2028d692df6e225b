"""A journal gives the same session again, or says why not."""

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT
from tests.volume.journal_work import same, work, work_through_planes

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.document.edits import (
    AddPoint,
    DeleteObject,
    NewObject,
    Paint,
)
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.propagation.propagation import follow, propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((2, 1), (4,))


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


def test_a_propagation_that_does_not_get_as_far_is_reported(saved, path, volume, plane):
    saved.apply(NewObject(1), AddPoint(1, plane, LEFT[1:]))
    list(propagate(saved, 1))
    with pytest.raises(SessionError, match="stopped before"):
        replay(path, volume, DiskPredictor(score=0.1))


def test_points_and_boxes_given_as_arrays_are_replayed(path, volume, plane):
    session = Session(volume, DiskPredictor(), journal=str(path))
    object_id = session.new_object()
    session.add_point(object_id, plane, np.array(LEFT[-2:]))
    session.set_box(object_id, plane, np.array([1, 1, 12, 12]))
    session.mask(object_id, plane)
    again = replay(str(path), volume, DiskPredictor())
    assert again.prompts(object_id, plane).extends(session.prompts(object_id, plane))
    assert np.array_equal(again.labels, session.labels)
