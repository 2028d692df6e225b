"""Anything in any order: what must hold whatever a user does."""

import contextlib
import itertools

import numpy as np
import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT, RIGHT, SHAPE, ball, paint_balls

from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.volume.document.edits import (
    Accept,
    DeleteObject,
    EndHere,
    LockPlane,
    Paint,
)
from napari_sam_adapter.volume.document.object_edits import (
    LockObject,
    MergeObjects,
    RenameObject,
    SetOverlapRule,
    SplitObject,
    TidyObject,
    UnlockObject,
)
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import (
    FollowRule,
    follow,
    propagate,
)
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

IMAGE = paint_balls(ball(LEFT), ball(RIGHT), ball((3, 11, 24), (2, 5, 4)))
CENTRES = [LEFT, RIGHT, (3, 11, 24)]
AXES = [(1, 2), (1, 2), (1, 2), (2, 1), (0, 2)]
METHODS = ["model", "model", "three-way", "interpolation"]


class Monkey:
    """Does random things to a session."""

    def __init__(self, session, seed):
        self.session = session
        self.rng = np.random.default_rng(seed)
        self.request, self.results, self.ahead = None, iter(()), []
        for centre in CENTRES[:2]:
            object_id, plane = session.new_object(), Plane((1, 2), (centre[0],))
            session.add_point(object_id, plane, centre[1:])
            session.mask(object_id, plane)

    def act(self):
        actions = [
            self.click, self.click, self.click, self.follow, self.start, self.step,
            self.step, self.lock, self.paint, self.session.undo, self.session.redo,
            self.accept, self.whole_objects,
        ]  # fmt: skip
        with contextlib.suppress(SamAdapterError):  # refused: nothing happened
            actions[self.rng.integers(len(actions))]()

    def chance(self, share):
        return bool(self.rng.random() < share)

    def plane(self, object_id):
        number = object_id - 1 if self.chance(0.7) else self.rng.integers(3)
        near = np.add(CENTRES[number % 3], self.rng.integers(-2, 3, 3))
        axes = AXES[self.rng.integers(len(AXES))]
        point = np.clip(near, 0, np.subtract(SHAPE, 1)).tolist()
        return Plane.from_index(axes, point), tuple(point[axis] for axis in axes)

    def object(self):
        ids = self.session.object_ids
        if len(ids) < 3:
            ids.append(self.session.new_object())
        return int(self.rng.choice(ids))

    def click(self):
        object_id = self.object()
        plane, point = self.plane(object_id)
        self.session.add_point(object_id, plane, point, self.chance(0.8))
        self.session.mask(object_id, plane)

    def asked(self):
        rule = FollowRule(neighbour_points=int(self.rng.integers(3)))
        method = METHODS[self.rng.integers(len(METHODS))]
        ids = self.rng.permutation(self.session.object_ids)[:2].tolist()
        settings = PropagationSettings(rule, method=method)
        return ids, {"settings": settings, "again": self.chance(0.3)}

    def follow(self):
        ids, options = self.asked()
        results = propagate(self.session, ids, **options)
        for _ in range(int(self.rng.integers(1, 20))):
            next(results, None)

    def start(self):
        """Begin a propagation as the plugin does, beside everything else."""
        ids, options = self.asked()
        self.request = self.session.propagation(ids, **options)
        self.results, self.ahead = follow(self.request), []

    def step(self):
        """Let the worker run ahead, and commit some of what it has."""
        for result in itertools.islice(self.results, 8):
            self.ahead += [result] if result else []
        for _ in range(4):
            if self.ahead:
                self.session.commit(self.ahead.pop(0))
        if not self.ahead and self.request:
            self.session.finish_propagation(self.request)

    def lock(self):
        object_id = self.object()
        edit = (LockPlane, EndHere)[self.rng.integers(2)]
        self.session.apply(edit(object_id, self.plane(object_id)[0]))

    def paint(self):
        object_id = self.object()
        plane, point = self.plane(object_id)
        value = object_id if self.chance(0.5) else 0
        self.session.apply(Paint(plane, np.array([point]), np.array([value])))

    def accept(self):
        self.session.apply(Accept(self.object()))

    def whole_objects(self):
        one, other = self.object(), self.object()
        edits = [
            MergeObjects((one, other)), SplitObject(one), LockObject(one),
            UnlockObject(other), SetOverlapRule("cut"), SetOverlapRule("keep"),
            DeleteObject(one), RenameObject(one, f"like {other}"),
            TidyObject(one), TidyObject(other, (2, 0), smoothing=1),
        ]  # fmt: skip
        self.session.apply(edits[self.rng.integers(len(edits))])


def sizes(session):
    """Voxels and slices of every object that has any, counted anew."""
    found = {}
    for object_id in np.unique(session.labels[session.labels > 0]).tolist():
        own = session.labels == object_id
        found[object_id] = int(own.sum()), int(own.any(axis=(1, 2)).sum())
    return found


def listed(session):
    """What the session says about sizes without counting."""
    lines = [session.objects.summary(object_id) for object_id in session.objects.ids]
    return {line.object_id: (line.voxels, line.slices) for line in lines if line.voxels}


def kept(session):
    """Voxels that only the user may change, with what they hold."""
    marked = np.zeros(SHAPE, bool)
    for object_id in session.object_ids:
        for plane in session.anchors(object_id):
            record = session._document.record(object_id, plane)
            own = plane.view(session.labels) == object_id
            if record.locked:
                plane.view(marked)[own] = True
            elif record.painted is not None:
                plane.view(marked)[own & record.painted.unpack()] = True
    return marked


@pytest.mark.parametrize("rule", ["keep", "overwrite"])
@pytest.mark.parametrize("seed", range(5))
def test_random_sessions_keep_locks_and_can_be_undone_and_replayed(
    seed, rule, tmp_path
):
    path = tmp_path / "journal.jsonl"
    session = Session(
        IMAGE, DiskPredictor(), journal=path, overlap_rule=rule, spacing=(2, 1, 1)
    )
    monkey = Monkey(session, seed)
    for _ in range(20):
        monkey.act()
        before, marked = session.labels.copy(), kept(session)
        with contextlib.suppress(SamAdapterError):
            monkey.follow()
        np.testing.assert_array_equal(session.labels[marked], before[marked])
    assert listed(session) == sizes(session)
    again = replay(path, IMAGE, DiskPredictor())
    np.testing.assert_array_equal(again.labels, session.labels)
    assert again.doubts(below=2) == session.doubts(below=2)
    while session.can_undo:
        session.undo()
    assert not session.labels.any()
    assert session._document.records == {}
    assert session._document.kept == {}
    assert listed(session) == {}
