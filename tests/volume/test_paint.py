import numpy as np
import pytest
from tests.volume.conftest import LEFT, ball

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.volume.document.edits import DeleteObject, Paint
from napari_sam_adapter.volume.planes.planes import Plane


def paint(plane, pixels, value):
    return Paint(plane, np.array(pixels), np.full(len(pixels), value))


def test_painting_changes_pixels_at_once(session, plane):
    (change,) = session.apply(paint(plane, [(1, 2), (3, 4)], 5))
    assert np.argwhere(session.labels == 5).tolist() == [[4, 1, 2], [4, 3, 4]]
    assert change.box == (1, 2, 4, 5)
    assert change.object_id == 5
    assert session.object_ids == [5]


def test_painting_on_a_transposed_plane_hits_the_same_pixels(session):
    session.apply(paint(Plane((2, 1), (4,)), [(2, 1)], 5))
    assert session.labels[4, 1, 2] == 5


def test_added_and_erased_pixels_survive_later_masks(clicked, plane):
    clicked.apply(paint(plane, [(0, 0)], 1), paint(plane, [(10, 10)], 0))
    clicked.add_point(1, plane, (11, 11))
    expected = ball(LEFT)[4]
    expected[0, 0], expected[10, 10] = True, False
    np.testing.assert_array_equal(clicked.mask(1, plane), expected)


def test_painted_pixels_survive_emptied_prompts_but_not_deletion(clicked, plane):
    clicked.apply(paint(plane, [(0, 0)], 1))
    clicked.set_prompts(1, plane, type(clicked.prompts(1, plane))())
    assert np.argwhere(clicked.mask(1, plane)).tolist() == [[0, 0]]
    clicked.apply(DeleteObject(1))
    assert not clicked.labels.any()


def test_hand_edits_bind_only_their_own_object_and_plane(clicked, plane):
    clicked.apply(paint(plane, [(10, 10)], 0))
    below = plane.at(0, 3)
    clicked.add_point(1, below, LEFT[1:])
    assert clicked.mask(1, below)[10, 10]
    clicked.new_object()
    clicked.add_point(2, plane, LEFT[1:])
    assert np.argwhere(clicked.mask(2, plane)).tolist() == [[10, 10]]


def test_undone_paint_no_longer_binds(clicked, plane):
    clicked.apply(paint(plane, [(10, 10)], 0))
    clicked.undo()
    clicked.add_point(1, plane, (11, 11))
    assert clicked.mask(1, plane)[10, 10]


def test_painting_over_another_object_binds_both(clicked, plane):
    (change,) = clicked.apply(paint(plane, [(10, 10), (0, 0)], 2))
    assert change.object_id == 0
    assert clicked.anchors(2) == clicked.anchors(1) == [plane]


@pytest.mark.parametrize("values", [7, np.array([7, 8, 9])], ids=["one", "each"])
def test_a_mask_paints_as_the_list_of_its_pixels(session, plane, values):
    mask = np.zeros(plane.shape(session.labels.shape), bool)
    mask[1, 2] = mask[1, 5] = mask[3, 4] = True
    session.apply(Paint(plane, mask, values))
    by_mask = session.labels.copy()
    session.undo()
    assert not session.labels.any()
    session.apply(Paint(plane, np.argwhere(mask), values))
    assert by_mask.any()
    assert np.array_equal(session.labels, by_mask)


@pytest.mark.parametrize("shape", [(3, 3), (40,)], ids=["small", "flat"])
def test_masks_of_another_shape_are_refused(session, plane, shape):
    with pytest.raises(SessionError, match="Expected"):
        session.apply(Paint(plane, np.ones(shape, bool), 1))


def test_an_empty_stroke_is_no_step(session, plane):
    session.apply(Paint(plane, np.zeros((0, 2), int), np.zeros(0, int)))
    assert not session.can_undo


@pytest.mark.parametrize(
    ("pixels", "values"),
    [
        ([(40, 0)], [1]),
        ([(-1, 0)], [1]),
        ([(1.5, 0)], [1]),
        ([(1, 0, 0)], [1]),
        ([(1, 0)], [1, 2]),
        ([(1, 0)], [-1]),
        ([(1, 0)], [1 << 40]),
        ([(1, 0)], [1.5]),
    ],
)
def test_strokes_that_do_not_fit_are_refused(session, plane, pixels, values):
    with pytest.raises(SessionError, match="Expected"):
        session.apply(Paint(plane, np.array(pixels), np.array(values)))
    assert not session.labels.any()
    assert not session.can_undo


def test_painting_outside_the_volume_is_refused(session):
    with pytest.raises(PlaneError):
        session.apply(paint(Plane((1, 2), (99,)), [(0, 0)], 1))


@pytest.mark.parametrize(
    ("pixels", "values", "message"),
    [
        ([(1, 1), (-3, 2), (50, 60)], [1] * 3, r"32 x 40, got \(-3, 2\)\. Leave out"),
        ([(1, 1), (5, 40)], [1] * 2, r"got \(5, 40\)\. Leave out"),
        (
            [(1, 1), (2, 2), (3, 3)],
            [5, -7, 9],
            r"from 0 to 2147483647 .* got -7\. Paint",
        ),
        ([(1, 1)], [1 << 40], r"got 1099511627776\. .* larger integer type"),
        ([(1, 1)], [1.5], r"\(1,\) float64\. Give \(row, column\) and a label"),
    ],
)
def test_what_does_not_fit_a_stroke_is_named(session, plane, pixels, values, message):
    with pytest.raises(SessionError, match=message):
        session.apply(Paint(plane, np.array(pixels), np.array(values)))
