import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT

PATIENCE = 10
"""Seconds after which a test has failed; never reached if all is well."""


class GatedPredictor(DiskPredictor):
    """Encodes only while its gate is open, and notices two jobs at once."""

    def __init__(self):
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.busy, self.was_shared = threading.Lock(), False

    def encode(self, image):
        self.was_shared |= not self.busy.acquire(blocking=False)
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.busy.release()
        return super().encode(image)


@pytest.fixture
def predictor():
    return GatedPredictor()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_the_main_thread_never_waits_for_the_device(session, plane, predictor, pool):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    job = pool.submit(session.compute, session.request(1, plane))
    assert predictor.entered.wait(PATIENCE)
    session.add_point(1, plane, (11, 11))
    session.request(1, plane)
    session.undo()
    session.redo()
    session.predictor = DiskPredictor()
    assert not job.done()
    predictor.gate.set()
    assert session.commit(job.result(PATIENCE)) == []


def test_one_job_at_a_time_uses_the_device(session, plane, predictor, pool):
    planes = [plane.at(0, index) for index in (2, 3, 4, 5)] * 3
    predictor.gate.set()
    list(pool.map(session.encode_plane, planes))
    assert not predictor.was_shared
    assert len(predictor.encoded) == 4


def test_a_plane_wanted_twice_at_once_is_encoded_once(session, plane, predictor, pool):
    jobs = [pool.submit(session.encode_plane, plane) for _ in range(4)]
    assert predictor.entered.wait(PATIENCE)
    predictor.gate.set()
    for job in jobs:
        job.result(PATIENCE)
    assert len(predictor.encoded) == 1


def test_masks_are_computed_where_they_are_asked_for(session, plane, predictor, pool):
    session.new_object()
    session.add_point(1, plane, LEFT[1:])
    predictor.gate.set()
    pool.submit(session.compute, session.request(1, plane)).result(PATIENCE)
    assert threading.get_ident() not in predictor.thread_ids


def test_threads_agree_on_one_intensity_window(session, pool):
    windows = list(pool.map(lambda _: session.volume.intensity, range(8)))
    assert len({id(window) for window in windows}) == 1
