"""Masks on neighbouring planes become objects."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.finding.tracks import (
    LONGEST,
    Settled,
    Sighting,
    Track,
    Tracks,
)
from napari_sam_adapter.volume.planes.plane import Plane

NONE = Settled([], None, None)


def plane(index):
    return Plane((1, 2), (index,))


def tracks_of(indices):
    return Tracks({plane(index): 0 for index in indices})


def seen(index, *columns):
    """Return squares of 10 x 10 pixels that begin in these columns."""
    found = []
    for column in columns:
        pixels = np.zeros((20, 60), bool)
        pixels[5:15, column : column + 10] = True
        mask = BoxedMask.of(pixels)
        prompts = Prompts(np.array([[10.0, column]]))
        found.append(Track((Sighting(plane(index), prompts),), mask, mask))
    return found


def places(settled):
    """Return the plane and the column of the middle of each."""
    middles = [track.outwards[0] for track in settled.tracks]
    return sorted((s.plane.position[0], int(s.prompts.points[0, 1])) for s in middles)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_an_object_is_put_together_in_any_order(order):
    tracks = tracks_of(range(4))
    for index in order:
        tracks.note(plane(index), seen(index, 2 * index))
    assert places(tracks.settled()) == [(2, 4)]
    assert tracks.settled() == NONE


def test_an_object_waits_for_both_ends():
    tracks = tracks_of(range(6))
    for index in (2, 1, 3, 4):
        tracks.note(plane(index), seen(index, 0) if index < 4 else [])
        assert tracks.settled() == NONE
    tracks.note(plane(0), [])
    assert places(tracks.settled()) == [(2, 0)]


def test_the_rest_is_there_as_far_as_it_was_seen():
    tracks = tracks_of(range(6))
    tracks.note(plane(2), seen(2, 0, 30))
    tracks.note(plane(3), seen(3, 0))
    assert tracks.settled() == NONE
    rest = tracks.rest()
    assert places(rest) == [(2, 30), (3, 0)]  # no noise: slice 1 was not looked at
    assert (rest.low, rest.high) == (None, None)
    assert tracks.rest() == NONE


def test_of_two_masks_the_more_alike_goes_on():
    tracks = tracks_of(range(2))
    tracks.note(plane(0), seen(0, 10))
    tracks.note(plane(1), seen(1, 6, 12))
    assert places(tracks.settled()) == [(1, 6), (1, 12)]


def test_masks_that_hardly_overlap_are_two_objects():
    tracks = tracks_of(range(2))
    tracks.note(plane(0), seen(0, 0))
    tracks.note(plane(1), seen(1, 6))
    assert places(tracks.settled()) == [(0, 0), (1, 6)]


def test_what_is_seen_once_is_noise_but_not_at_an_end():
    tracks = tracks_of(range(4))
    for index in range(4):
        tracks.note(plane(index), seen(index, 12 * index))
    assert places(tracks.settled()) == [(0, 0), (3, 36)]


def test_what_is_seen_once_between_far_planes_is_kept():
    tracks = tracks_of((0, 10, 20))
    for index in (0, 10, 20):
        tracks.note(plane(index), seen(index, index))
    assert places(tracks.settled()) == [(0, 0), (10, 10), (20, 20)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_across_a_plane_that_cannot_be_seen_an_object_is_one(order):
    tracks = tracks_of(range(4))
    for index in order:
        if index == 1:
            tracks.pass_over(plane(index))
        else:
            tracks.note(plane(index), seen(index, 0))
    (track,) = tracks.settled().tracks
    assert [s.plane for s in track.sightings] == [plane(0), plane(2), plane(3)]


@pytest.mark.parametrize("blank", [(1,), (3,), (1, 3)])
def test_what_is_seen_once_beside_a_plane_that_cannot_be_seen_is_kept(blank):
    tracks = tracks_of(range(5))
    for index in range(5):
        if index in blank:
            tracks.pass_over(plane(index))
        else:
            tracks.note(plane(index), seen(index, 0) if index == 2 else [])
    assert places(tracks.settled()) == [(2, 0)]


@pytest.mark.parametrize("beside", [1, 3])
def test_what_is_seen_once_is_kept_where_it_may_be_on_a_plane_beside(beside):
    tracks = Tracks({plane(i): 0 for i in range(5)}, lambda p, _: p == plane(beside))
    for index in range(5):
        tracks.note(plane(index), seen(index, 0) if index == 2 else [])
    assert places(tracks.settled()) == [(2, 0)]


def test_a_long_object_is_not_waited_for():
    tracks = tracks_of(range(LONGEST + 9))
    for index in range(LONGEST):
        assert tracks.settled() == NONE
        tracks.note(plane(index), seen(index, 0))
    settled = tracks.settled()
    assert places(settled) == [(LONGEST // 2, 0)]
    assert settled.high is None  # it goes on


def test_an_object_is_not_followed_far_beyond_its_ends():
    tracks, limits = tracks_of(range(20)), []
    for index in range(20):
        tracks.note(plane(index), seen(index, 0) if 8 <= index <= 11 else [])
        if (settled := tracks.settled()).tracks:
            limits.append((settled.low, settled.high))
    assert limits == [(6, 13)]


def test_beyond_planes_that_are_not_looked_at_there_is_no_limit():
    tracks = tracks_of((8, 9, 10))
    for index in (8, 9, 10):
        tracks.note(plane(index), seen(index, 0) if index < 10 else [])
    assert tracks.settled()[1:] == (None, None)


def test_objects_of_two_times_are_not_one():
    planes = [Plane((2, 3), (time, 0)) for time in range(2)]
    tracks = Tracks(dict.fromkeys(planes, 1))
    for where in planes:
        (track,) = seen(0, 0)
        sighting = track.sightings[0]._replace(plane=where)
        tracks.note(where, [track._replace(sightings=(sighting,))])
    assert len(tracks.settled().tracks) == 2
