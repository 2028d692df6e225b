"""A small volume of bright balls on a dark ground, and sessions on it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.session.session import Session

SHAPE = (9, 32, 40)
LEFT, RIGHT = (4, 10, 10), (4, 20, 28)
RADII = (3.5, 6.0, 6.0)


def ball(centre, radii=RADII, shape=SHAPE):
    offsets = [
        (np.arange(length) - middle) / radius
        for length, middle, radius in zip(shape, centre, radii, strict=True)
    ]
    return sum(np.meshgrid(*(o**2 for o in offsets), indexing="ij")) <= 1


def paint_balls(*balls):
    ground = np.indices(balls[0].shape).sum(axis=0) % 3
    return np.where(np.logical_or.reduce(balls), 200, ground).astype(np.uint8)


@pytest.fixture
def volume():
    return paint_balls(ball(LEFT), ball(RIGHT))


@pytest.fixture
def plane():
    return Plane((1, 2), (4,))


@pytest.fixture
def predictor():
    return DiskPredictor()


@pytest.fixture
def session(volume, predictor):
    return Session(volume, predictor)


@pytest.fixture
def clicked(session, plane):
    """A session with one object, clicked and segmented."""
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    session.mask(1, plane)
    return session


@pytest.fixture
def path(tmp_path):
    """Where a session writes its journal."""
    return tmp_path / "journal.jsonl"


@pytest.fixture
def saved(volume, predictor, path):
    """A session with a journal."""
    return Session(volume, predictor, journal=path)
