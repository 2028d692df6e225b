import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.document.edits import (
    Accept,
    DeleteObject,
    NewObject,
    Paint,
)
from napari_sam_adapter.volume.propagation.propagation import follow, propagate


@pytest.fixture
def waiting(session, plane):
    """A session with one computed mask that is not committed yet."""
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    return session, session.compute(session.request(1, plane))


def use_other_predictor(session, plane):
    session.predictor = DiskPredictor(model="other")


def recreate(session, plane):
    session.apply(DeleteObject(1))
    session.apply(NewObject(1))


OUTDATING = {
    "another-point": lambda s, p: s.add_point(1, p, (11, 11)),
    "paint": lambda s, p: s.apply(Paint(p, np.array([(0, 0)]), np.array([1]))),
    "undo": lambda s, p: s.undo(),
    "undo-and-redo": lambda s, p: (s.undo(), s.redo()),
    "delete": lambda s, p: s.apply(DeleteObject(1)),
    "delete-and-undo": lambda s, p: (s.apply(DeleteObject(1)), s.undo()),
    "delete-and-make": recreate,
    "predictor": use_other_predictor,
    "own-commit": lambda s, p: s.mask(1, p),
}


@pytest.mark.parametrize("outdate", OUTDATING.values(), ids=OUTDATING.keys())
def test_results_of_an_older_state_are_dropped(waiting, plane, outdate):
    session, late = waiting
    outdate(session, plane)
    labels, can_redo = session.labels.copy(), session.can_redo
    assert not session.is_current(late)
    assert session.commit(late) == []
    np.testing.assert_array_equal(session.labels, labels)
    assert session.can_redo is can_redo


KEEPING = {
    "other-plane": lambda s, p: s.add_point(1, p.at(0, 3), LEFT[1:]),
    "other-object": lambda s, p: s.apply(NewObject(2)),
    "accept": lambda s, p: s.apply(Accept(1)),
    "nothing-new": lambda s, p: s.set_prompts(1, p, s.prompts(1, p)),
}


@pytest.mark.parametrize("edit", KEEPING.values(), ids=KEEPING.keys())
def test_results_survive_edits_elsewhere(waiting, plane, edit):
    session, late = waiting
    edit(session, plane)
    assert session.is_current(late)
    (change,) = session.commit(late)
    assert not change.is_empty
    assert not session.needs_mask(1, plane)


def test_computing_touches_nothing(waiting, plane):
    session, _ = waiting
    assert not session.labels.any()
    assert session.score(1, plane) is None
    assert session.needs_mask(1, plane)


def test_a_mask_that_changes_no_pixel_is_still_committed(clicked, plane):
    clicked.add_point(1, plane, (11, 11))
    (change,) = clicked.commit(clicked.compute(clicked.request(1, plane)))
    assert change.is_empty
    assert not clicked.needs_mask(1, plane)


def results_of(request):
    return [result for result in follow(request) if result is not None]


END_PROPAGATION = {
    "undo": lambda s, r, p: s.undo(),
    "finish": lambda s, r, p: s.finish_propagation(r),
    "finish-twice": lambda s, r, p: [s.finish_propagation(r) for _ in range(2)],
    "delete": lambda s, r, p: s.apply(DeleteObject(1)),
    "prompts-there": lambda s, r, p: s.add_point(1, p, LEFT[1:]),
    "predictor": lambda s, r, p: use_other_predictor(s, p),
}


@pytest.mark.parametrize("end", END_PROPAGATION.values(), ids=END_PROPAGATION.keys())
def test_late_propagated_masks_are_dropped(clicked, plane, end):
    request = clicked.propagation(1)
    first, second, *_ = results_of(request)
    clicked.commit(first)
    end(clicked, request, second.plane)
    assert clicked.commit(second) == []
    assert not (clicked.labels[second.plane.position] == 1).any()


def test_a_click_elsewhere_does_not_end_a_propagation(clicked, plane):
    first, second, *_ = results_of(clicked.propagation(1))
    clicked.commit(first)
    clicked.apply(NewObject(2))
    clicked.add_point(2, plane, RIGHT[1:])
    assert clicked.commit(second)


def test_another_window_outdates_results_and_embeds_anew(clicked, plane, predictor):
    clicked.add_point(1, plane, (12, 12))
    late = clicked.compute(clicked.request(1, plane))
    encoded = len(predictor.encoded)
    clicked.intensity = IntensityMapping("contrast_limits", 0.0, 400.0)
    assert clicked.commit(late) == []
    clicked.mask(1, plane)
    assert len(predictor.encoded) == encoded + 1
    assert predictor.encoded[-1].max() == 128


def test_another_window_is_followed_anew(clicked):
    first = [result.plane for result in propagate(clicked, 1)]
    assert [result.plane for result in propagate(clicked, 1)] == []
    clicked.intensity = IntensityMapping("contrast_limits", 0.0, 250.0)
    assert [result.plane for result in propagate(clicked, 1)] == first
