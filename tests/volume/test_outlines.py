from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.prompts import Polygon, Prompts
from napari_sam_adapter.volume.document.edits import NewObject, SetPrompts
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session


def square(point, half=4.4, positive=True):
    middle = np.array(point[-2:])
    offsets = np.array([(-half, -half), (-half, half), (half, half), (half, -half)])
    return Polygon(middle + offsets, positive)


def draw(session, plane, *polygons, **others):
    if not session.object_ids:
        session.apply(NewObject(1))
    session.apply(SetPrompts(1, plane, Prompts(polygons=polygons, **others)))
    return session.mask(1, plane)


def test_an_outline_is_asked_as_mask_and_box(session, plane, predictor):
    mask = draw(session, plane, square(LEFT))
    assert mask[LEFT[1:]]
    asked, previous = predictor.predicted[-1]
    assert previous is None
    assert not asked.polygons
    assert asked.mask.sum() == 81
    assert asked.box == (5.5, 5.5, 14.5, 14.5)
    assert session.prompts(1, plane).polygons


def test_a_new_outline_changes_the_mask_that_is_there(session, plane, predictor):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    before = session.mask(1, plane).copy()
    mask = draw(session, plane, square(RIGHT), points=[LEFT[1:]])
    assert mask[LEFT[1:]]
    assert mask[RIGHT[1:]]
    asked, previous = predictor.predicted[-1]
    assert previous is None
    assert asked.mask[before].all()


def test_an_outline_of_background_takes_a_part_out(session, plane, predictor):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    session.mask(1, plane)
    out = square((LEFT[1], LEFT[2] + 4), 2.4, positive=False)
    mask = draw(session, plane, out, points=[LEFT[1:]])
    assert not mask[LEFT[1], LEFT[2] + 4]
    asked, previous = predictor.predicted[-1]
    assert previous is not None
    assert asked.mask is None
    assert asked.signs.tolist() == [True, False]
    assert asked.points[1].tolist() == [LEFT[1], LEFT[2] + 4]


def test_background_is_taken_out_of_an_outlined_mask(session, plane, predictor):
    out = square((LEFT[1], LEFT[2] + 4), 2.4, positive=False)
    draw(session, plane, square(LEFT), out)
    asked, _ = predictor.predicted[-1]
    assert asked.mask.sum() == 81 - 15


def test_a_click_after_an_outline_refines_its_answer(session, plane, predictor):
    draw(session, plane, square(LEFT))
    draw(session, plane, square(LEFT), points=[(12, 12)])
    assert predictor.predicted[-1][1] is not None


def test_outlines_are_replayed_bit_for_bit(volume, plane, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = Session(volume, DiskPredictor(), journal=path)
    draw(session, plane, square(LEFT), square(RIGHT, 2.3, positive=False))
    again = replay(path, volume, DiskPredictor())
    assert np.array_equal(again.labels, session.labels)
    kept, drawn = (s.prompts(1, plane).polygons for s in (again, session))
    assert [p.positive for p in kept] == [True, False]
    assert all(
        np.array_equal(a.corners, b.corners) for a, b in zip(kept, drawn, strict=True)
    )


@pytest.mark.parametrize(
    "corners", [[(1, 1), (2, 2)], [(1, 1), (2, 2), (np.nan, 0)], [(1, 1, 1)] * 3]
)
def test_malformed_outlines_are_refused(corners):
    with pytest.raises(PromptError):
        Polygon(corners)


@pytest.mark.parametrize("middle", [(-20, 5), (5, 400), (5.5, 5.5)])
def test_an_outline_around_no_pixel_is_refused(session, plane, middle):
    session.new_object()
    with pytest.raises(PromptError, match="around none"):
        draw(session, plane, square(middle, 0.3))
    assert session.prompts(1, plane).is_empty


def test_outlines_reach_over_the_edge(session, plane):
    assert draw(session, plane, square((0, 0), 6)).shape == (32, 40)
