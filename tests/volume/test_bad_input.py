"""Volumes and stores that fail: a sentence, the slices marked, the rest goes on."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import dask.array
import numpy as np
import pytest
import torch
import zarr
from tests.fakes import DiskPredictor, PackingDiskPredictor
from tests.full_disk import full_disk
from tests.volume.conftest import LEFT, ball, paint_balls

from napari_sam_adapter import open_image
from napari_sam_adapter.errors import ImageError, PlaneError, SessionError
from napari_sam_adapter.volume.asking.together import compute_together
from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

DEPTH = 15
MASK = ball((7, *LEFT[1:]), (1000, 6.2, 6.2), (DEPTH, 32, 40))
PLANE = Plane((1, 2), (4,))
IMAGE = paint_balls(MASK)
IMAGE[:, 0, 0] = np.arange(DEPTH)  # no two planes are alike


@pytest.fixture
def damaged(tmp_path):
    """A zarr whose middle chunk, and that alone, cannot be read."""
    path = tmp_path / "damaged.zarr"
    zarr.create_array(path, data=IMAGE, chunks=(1, 32, 40))
    (path / f"c/{DEPTH // 2}/0/0").write_bytes(b"broken")
    return open_image(path).data


def started(image, predictor=None, **options):
    session = Session(image, predictor or DiskPredictor(), **options)
    session.new_object()
    session.add_point(1, PLANE, LEFT[1:])
    session.mask(1, PLANE)
    return session


def doubted(session):
    return [doubt.plane.position[0] for doubt in session.doubts(1)]


def test_an_unreadable_chunk_in_the_middle_is_marked_and_bridged(damaged):
    session = started(damaged)
    found = {r.plane.position[0]: r for r in propagate(session, 1)}
    assert "Cannot read plane (7,)" in found[7].reason
    assert found[7].reason.count("Check that the file is whole") == 1
    assert doubted(session) == [7]
    np.testing.assert_array_equal(session.labels == 1, MASK)


@pytest.mark.parametrize("plane", [4, (4,), None, "4"])
def test_what_is_no_plane_is_refused_and_changes_nothing(plane):
    session = Session(IMAGE, DiskPredictor())
    session.new_object()
    for ask in (
        lambda: session.add_point(1, plane, LEFT[1:]),
        lambda: session.set_box(1, plane, (1, 2, 3, 4)),
        lambda: session.lock(1, plane),
        lambda: session.volume.read(plane),
    ):
        with pytest.raises(PlaneError, match=r"Expected a Plane, got .*position="):
            ask()


def test_a_session_on_damaged_data_is_written_down_and_replayed(damaged, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = started(damaged, journal=path)
    list(propagate(session, 1))
    again = replay(path, damaged, DiskPredictor())
    np.testing.assert_array_equal(again.labels, session.labels)
    mended = replay(path, IMAGE, DiskPredictor())
    np.testing.assert_array_equal(mended.labels == 1, MASK)


def test_a_click_on_an_unreadable_chunk_is_told_and_others_are_answered(damaged):
    session = started(damaged)
    session.add_point(1, PLANE.at(0, 7), LEFT[1:])
    with pytest.raises(ImageError, match=r"Cannot read plane \(7,\)"):
        session.mask(1, PLANE.at(0, 7))
    session.add_point(1, PLANE.at(0, 8), LEFT[1:])
    assert session.mask(1, PLANE.at(0, 8)).any()


def test_a_graph_that_fails_at_random_is_marked_where_it_failed_and_filled_in_later():
    random, is_shaky = np.random.default_rng(1), False
    failed = set()

    def load(block_info):
        (first, last), *_ = block_info[None]["array-location"]
        if is_shaky and random.random() < 0.3:
            failed.add(first)
            raise OSError("the drive is gone")
        return IMAGE[first:last]

    chunks = (1,) * DEPTH, (32,), (40,)
    session = started(dask.array.map_blocks(load, chunks=chunks, dtype=np.uint8))
    is_shaky = True
    list(propagate(session, 1))
    assert 1 < len(failed) < DEPTH - 2
    assert set(doubted(session)) == failed
    sure = [z for z in range(DEPTH) if z not in failed]
    np.testing.assert_array_equal(session.labels[sure] == 1, MASK[sure])
    is_shaky = False
    list(propagate(session, 1))
    np.testing.assert_array_equal(session.labels == 1, MASK)
    assert doubted(session) == []


def test_a_disk_that_becomes_full_costs_only_what_would_be_kept(tmp_path):
    expected = started(IMAGE, PackingDiskPredictor())
    list(propagate(expected, 1))
    store = EmbeddingStore(tmp_path / "store")
    session = started(IMAGE, PackingDiskPredictor(), store=store)
    with full_disk(10):
        list(propagate(session, 1))
    assert "not kept any more" in store.problem
    assert [path.suffix for path in store.folder.iterdir()] == [".zarr"]
    np.testing.assert_array_equal(session.labels, expected.labels)


def test_two_sessions_at_once_share_a_store(tmp_path):
    sessions, barrier = {}, threading.Barrier(2)

    def work(number):
        barrier.wait(10)
        store = EmbeddingStore(tmp_path / "store")
        session = started(IMAGE, PackingDiskPredictor(), store=store)
        list(propagate(session, 1))
        sessions[number] = session

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    np.testing.assert_array_equal(sessions[0].labels, sessions[1].labels)
    np.testing.assert_array_equal(sessions[0].labels == 1, MASK)
    entries = list((tmp_path / "store").iterdir())
    assert {path.suffix for path in entries} == {".zarr"}
    assert len(entries) == DEPTH


def test_a_cancelled_run_keeps_what_it_did_and_can_be_done_again():
    session = started(IMAGE)
    results = propagate(session, 1)
    done = [next(results).plane.position[0] for _ in range(3)]
    results.close()
    marked = np.flatnonzero(session.labels.any(axis=(1, 2)))
    assert marked.tolist() == sorted([4, *done])
    list(propagate(session, 1))
    np.testing.assert_array_equal(session.labels == 1, MASK)


class ForeignPredictor(DiskPredictor):
    """Gives masks of numbers, of planes with some more rows."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def _answer(self, mask, prompts):
        mask = np.pad(mask.astype(np.uint8), ((0, self.more), (0, 0)))
        return super()._answer(mask, prompts)


@pytest.mark.parametrize(
    "image",
    [
        None,
        "a.tif",
        [[1, 2]],
        torch.ones(9, 9),
        SimpleNamespace(shape=(9, 9), dtype=None),
        SimpleNamespace(shape=(9, 9), dtype=("u1", -2)),
    ],
)
def test_what_is_no_array_is_no_image_of_a_session(image):
    with pytest.raises(ImageError, match=r"Expected an array, got .*numpy\.asarray"):
        Session(image, DiskPredictor())


def test_masked_pixels_are_no_values():
    hidden = np.ma.masked_array(IMAGE, IMAGE > 100)
    with pytest.raises(ImageError, match=r"masked array\. .*filled"):
        Session(hidden, DiskPredictor())
    seen = Session(np.ma.masked_array(IMAGE), DiskPredictor())
    np.testing.assert_array_equal(seen.volume.read(PLANE), IMAGE[4])


def test_a_mask_of_numbers_is_a_mask():
    session = started(IMAGE, ForeignPredictor(0))
    np.testing.assert_array_equal(session.mask(1, PLANE), MASK[4])
    session.add_point(1, PLANE, (LEFT[1] + 1, LEFT[2]))
    np.testing.assert_array_equal(session.mask(1, PLANE), MASK[4])


def test_a_mask_of_another_plane_is_not_written():
    with pytest.raises(SessionError, match=r"mask of \(32, 40\), got \(33, 40\)"):
        started(IMAGE, ForeignPredictor(1))


def test_of_masks_that_shared_a_pass_all_are_written_or_none():
    session = started(IMAGE)
    session.add_point(session.new_object(), PLANE, (LEFT[1] + 1, LEFT[2]))
    session.add_point(session.new_object(), PLANE, (LEFT[1], LEFT[2] + 1))
    before, state = session.labels.copy(), dict(session.state.records)
    requests = [session.request(number, PLANE) for number in (2, 3)]
    joint = compute_together(requests)
    good, bad = joint.results
    bad = replace(bad, mask=np.ones((33, 40), bool), box=None)
    with pytest.raises(SessionError, match="mask of"):
        session.commit(replace(joint, results=(good, bad)))
    assert session.state.records == state
    np.testing.assert_array_equal(session.labels, before)
