"""Sessions with a journal: work that fills one, and what makes two equal."""

import numpy as np
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.volume.document.edits import (
    AddPoint,
    ChooseCandidate,
    EndHere,
    NewObject,
    Paint,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)


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
