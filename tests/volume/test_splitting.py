"""An object in one piece is cut where it is narrowest."""

import json

import numpy as np
import pytest

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.document.object_edits import LockObject, SplitObject
from napari_sam_adapter.volume.document.splitting import pieces_of
from napari_sam_adapter.volume.journal.journal_lines import edit_from_json, edit_to_json
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.session.session import Session


def balls(shape, centres, radii, spacing=None):
    spacing = np.ones(len(shape)) if spacing is None else np.array(spacing)
    found = np.zeros(shape, dtype=bool)
    for centre, radius in zip(centres, radii, strict=True):
        away = [
            (np.arange(size) - place) * step
            for size, place, step in zip(shape, centre, spacing, strict=True)
        ]
        squares = np.meshgrid(*[a**2 for a in away], indexing="ij")
        found |= sum(squares) <= radius**2
    return found


def test_two_touching_disks_are_cut_between_their_centres():
    pixels = balls((60, 90), [(30, 28), (30, 60)], [18, 18])
    pieces = pieces_of(pixels, (1, 1))
    assert np.array_equal(pieces > 0, pixels)
    left, right = pieces[30, 20], pieces[30, 70]
    assert left != right
    columns = np.nonzero(pieces == left)[1]
    assert columns.max() == pytest.approx(44, abs=2)


def test_a_small_one_is_cut_off_a_large_one():
    pixels = balls((80, 100), [(40, 35), (40, 72)], [28, 12])
    pieces = pieces_of(pixels, (1, 1))
    areas = sorted(np.bincount(pieces.ravel())[1:])
    assert areas == pytest.approx([np.pi * 12**2, np.pi * 28**2], rel=0.1)


@pytest.mark.parametrize("shape", ["disk", "ellipse", "bar"])
def test_what_has_no_waist_stays_whole(shape):
    pixels = balls((70, 70), [(35, 35)], [25])
    if shape == "ellipse":
        pixels = balls((70, 70), [(35, 35)], [25], (1, 2))
    elif shape == "bar":
        pixels[:] = False
        pixels[20:31, 5:65] = True
    assert pieces_of(pixels, (1, 1)).max() == 1


def test_thick_slices_count_with_their_thickness():
    spacing, centres = (5, 1, 1), [(4, 25, 20), (4, 25, 52)]
    pixels = balls((9, 50, 75), centres, [18, 18], spacing)
    pieces = pieces_of(pixels, spacing)
    numbers = [pieces[centre] for centre in centres]
    assert len(set(numbers)) == 2
    for number, (_, _, column) in zip(numbers, centres, strict=True):
        found = np.nonzero(pieces == number)[2]
        assert abs(found.mean() - column) < 2


@pytest.mark.parametrize("thickness", [0.2, 1, 5])
def test_on_one_slice_of_a_volume_only_the_outline_counts(thickness):
    flat = balls((60, 90), [(30, 28), (30, 60)], [18, 18])
    pieces = pieces_of(flat[None], (thickness, 1, 1))
    assert np.array_equal(pieces[0], pieces_of(flat, (1, 1)))
    assert pieces.max() == 2


def test_the_edit_makes_two_objects_and_goes_back():
    labels = balls((3, 60, 90), [(1, 30, 28), (1, 30, 60)], [18, 18], (9, 1, 1))
    image = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    session = Session(image, labels=labels.astype(np.int32))
    edit = SplitObject(1, (9.0, 1.0, 1.0))
    session.apply(edit_from_json(json.loads(json.dumps(edit_to_json(edit)))))
    assert session.object_ids == [1, 2]
    assert np.array_equal(session.labels > 0, labels)
    session.undo()
    assert np.array_equal(session.labels, labels)


@pytest.fixture
def touching():
    labels = balls((3, 60, 90), [(1, 30, 28), (1, 30, 60)], [18, 18], (9, 1, 1))
    image = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    return Session(image, labels=labels.astype(np.int32))


def test_pieces_found_ahead_give_the_same_objects(touching):
    spacing = 9.0, 1.0, 1.0
    found = touching.objects.piece_search(1, spacing).find()
    edit = SplitObject(1, spacing, found)
    assert "found" not in edit_to_json(edit)
    touching.apply(edit)
    ahead = touching.labels.copy()
    touching.undo()
    touching.apply(SplitObject(1, spacing))
    assert touching.object_ids == [1, 2]
    assert np.array_equal(touching.labels, ahead)


def test_pieces_of_what_has_changed_are_refused(touching):
    found = touching.objects.piece_search(1).find()
    touching.apply(Paint(Plane((1, 2), (1,)), np.array([[30, 28]]), np.array([0])))
    with pytest.raises(SessionError, match="changed meanwhile"):
        touching.apply(SplitObject(1, found=found))
    assert touching.object_ids == [1]


@pytest.mark.parametrize("shift", [0, 9])
def test_pieces_of_another_session_are_refused(touching, shift):
    found = touching.objects.piece_search(1).find()
    other = np.roll(touching.labels, shift, axis=1)
    other = Session(np.arange(other.size).reshape(other.shape) % 99, labels=other)
    with pytest.raises(SessionError, match="changed meanwhile"):
        other.apply(SplitObject(1, found=found))
    assert other.object_ids == [1]


def test_a_locked_object_is_refused_before_its_pieces_are_looked_for(touching):
    touching.apply(LockObject(1))
    with pytest.raises(SessionError, match="locked"):
        touching.objects.piece_search(1)
