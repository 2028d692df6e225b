import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.fakes import DiskEmbedding, DiskPredictor, PackingDiskPredictor
from tests.volume.conftest import LEFT, RIGHT

from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.volume.asking.embedding_ahead import (
    EmbeddedPlane,
    count_windows,
    embedding_steps,
)
from napari_sam_adapter.volume.asking.embedding_room import (
    RoomEstimate,
    steps_with_room,
)
from napari_sam_adapter.volume.embeddings import embedding_store
from napari_sam_adapter.volume.embeddings.embedding_store import (
    ABANDONED,
    EmbeddingStore,
    embedding_key,
)
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.planes.windows import all_windows
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.saving.session_folder import open_session, save_session
from napari_sam_adapter.volume.session.session import Session

ARRAYS = {
    "features": np.linspace(-3, 3, 96).astype(np.float16).reshape(1, 4, 4, 6),
    "skip 0": np.ones((1, 2, 8, 8), np.float16),
}


def embed_ahead(*arguments, **options):
    """Yield what became of the planes."""
    for step in embedding_steps(*arguments, **options):
        if isinstance(step, EmbeddedPlane):
            yield step


@pytest.fixture
def volume(volume):
    volume[:, 0, 0] = np.arange(len(volume))  # no two planes are alike
    return volume


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "embeddings")


def segment(volume, store, predictor=None, **options):
    session = Session(
        volume, predictor or PackingDiskPredictor(), store=store, **options
    )
    session.new_object()
    session.add_point(1, Plane((1, 2), (4,)), LEFT[1:])
    session.mask(1, Plane((1, 2), (4,)))
    return session


def files_of(store, key):
    return [
        path for path in (store.folder / f"{key}.zarr").rglob("*") if path.is_file()
    ]


def test_what_is_saved_is_loaded(store):
    assert store.load("a") is None
    store.save("a", ARRAYS)
    loaded = EmbeddingStore(store.folder).load("a")
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == np.float16
        np.testing.assert_array_equal(loaded[name], array)
    assert len(files_of(store, "a")) == 2  # one chunk and its description


def test_a_store_whose_room_is_taken_away_keeps_and_finds_nothing(store):
    store.save("a", ARRAYS)
    room, store.budget = store.budget, 0
    store.save("b", ARRAYS)
    assert store.load("a") is None
    assert not store.problem
    store.budget = room
    assert "a" in store
    assert "b" not in store


def test_a_second_session_encodes_nothing(volume, store):
    first = segment(volume, store)
    second = segment(volume, EmbeddingStore(store.folder))
    assert len(first.predictor.encoded) == 1
    assert second.predictor.encoded == []
    np.testing.assert_array_equal(first.labels, second.labels)


def test_a_fresh_embedding_is_the_one_that_comes_back_from_disk(volume, store):
    class Exact(PackingDiskPredictor):
        def encode(self, image):
            return DiskEmbedding(super().encode(image).features + np.float32(1e-4))

    for _ in range(2):
        session = Session(volume, Exact(), store=store)
        session.encode_plane(Plane((1, 2), (4,)))
        features = session._plane_predictor.embed(Plane((1, 2), (4,))).features
        np.testing.assert_array_equal(features, features.astype(np.float16))


def test_a_session_with_a_store_is_replayed_without_it(volume, store, tmp_path):
    path = tmp_path / "journal.jsonl"
    session = segment(volume, store, journal=path)
    assert json.loads(path.read_text().splitlines()[0])["rounded"]
    again = replay(path, volume, PackingDiskPredictor())
    np.testing.assert_array_equal(session.labels, again.labels)


def test_a_predictor_that_cannot_pack_works_without_the_store(volume, store):
    session = segment(volume, store, DiskPredictor())
    assert session.labels.any()
    assert not store.folder.exists()


def test_the_key_tells_planes_models_and_windows_apart():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    model = {"model": "a", "dtype": "float32", "device": "cpu"}
    keys = {
        embedding_key(image, model),
        embedding_key(image + 1, model),
        embedding_key(image.reshape(4, 3), model),
        embedding_key(image, {**model, "model": "b"}),
        embedding_key(image, {**model, "dtype": "bfloat16"}),
    }
    assert len(keys) == 5
    elsewhere = {**model, "device": "cuda"}
    assert embedding_key(image.copy(order="F"), elsewhere) in keys


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def damage_kind(path):
    path.write_bytes(b"[]")


DAMAGES = {
    "cut": damage_cut,
    "flip": damage_flip,
    "kind": damage_kind,
    "gone": os.remove,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("name", ["0", "zarr.json"])
def test_damaged_entries_are_dropped_and_written_anew(store, damage, name):
    store.save("a", ARRAYS)
    damage(next(path for path in files_of(store, "a") if path.name == name))
    assert store.load("a") is None
    assert "a" not in store
    store.save("a", ARRAYS)
    assert store.load("a") is not None


@pytest.mark.parametrize(
    ("old", "new"), [(b"features", b"feature3"), (b"skip", b"skid")]
)
def test_an_entry_whose_names_were_changed_is_dropped(store, old, new):
    store.save("a", ARRAYS)
    path = next(path for path in files_of(store, "a") if path.name == "zarr.json")
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert store.load("a") is None
    assert "a" not in store


@pytest.mark.skipif(os.name != "posix" or not os.geteuid(), reason="sees all files")
def test_a_folder_that_cannot_be_listed_only_means_that_nothing_more_is_kept(store):
    store.save("a", ARRAYS)
    again = EmbeddingStore(store.folder)  # looks at what is there
    store.folder.chmod(0o300)
    try:
        again.save("b", ARRAYS)
        assert "not kept any more" in again.problem
        assert again.load("b") is not None
    finally:
        store.folder.chmod(0o700)


def test_an_entry_of_another_version_is_not_found(store, monkeypatch):
    image = np.zeros((3, 4), np.uint8)
    store.save(embedding_key(image, {}), ARRAYS)
    monkeypatch.setattr(embedding_store, "VERSION", embedding_store.VERSION + 1)
    assert embedding_key(image, {}) not in store


def test_the_least_recently_used_entries_go_first(tmp_path):
    size = sum(array.nbytes for array in ARRAYS.values()) + 2000
    store = EmbeddingStore(tmp_path, budget=4 * size)
    noise = np.random.default_rng(0).normal(size=400).astype(np.float16)
    for number in range(12):
        key = f"{number:02}"
        store.save(key, {"features": noise})
        os.utime(tmp_path / f"{key}.zarr", (number, number))
        if number > 2 and "02" in store:
            os.utime(tmp_path / "02.zarr", (number + 0.5, number + 0.5))
    kept = sorted(path.stem for path in tmp_path.iterdir())
    assert "02" in kept
    assert "11" in kept
    assert "00" not in kept
    assert sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()) < 4 * size


def test_what_is_there_can_be_spared(tmp_path):
    store = EmbeddingStore(tmp_path)
    for name in "abc":
        store.save(name, ARRAYS)
    small = EmbeddingStore(tmp_path, 2 * store.size_of("a"))
    small.spare_present()
    for name in "de":
        small.save(name, ARRAYS)
    assert all(name in store for name in "abc")
    careless = EmbeddingStore(tmp_path, 2 * store.size_of("a"))
    careless.save("h", ARRAYS)
    assert not any(name in store for name in "abc")


def test_the_newest_entry_stays_even_if_it_is_too_large(tmp_path):
    store = EmbeddingStore(tmp_path, budget=1)
    store.save("a", ARRAYS)
    store.save("b", ARRAYS)
    assert [path.stem for path in tmp_path.iterdir()] == ["b"]


def test_what_killed_processes_left_is_cleaned_up(store):
    store.save("a", ARRAYS)
    for name, age in (("old.unfinished", 2 * ABANDONED), ("new.unfinished", 0)):
        path = store.folder / name
        path.mkdir()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    EmbeddingStore(store.folder).save("b", ARRAYS)
    names = {path.name for path in store.folder.iterdir()}
    assert names == {"a.zarr", "b.zarr", "new.unfinished"}


def test_a_folder_that_cannot_be_written_is_given_up_once(volume, tmp_path):
    (tmp_path / "file").write_text("no folder")
    store = EmbeddingStore(tmp_path / "file" / "embeddings")
    session = segment(volume, store)
    assert session.labels.any()
    assert "not kept any more" in store.problem


def test_values_beyond_half_precision_are_not_kept(store):
    store.save("a", {"features": np.array([np.inf], np.float16)})
    assert "a" not in store


def test_writers_at_the_same_time_leave_one_whole_entry(store):
    barrier = threading.Barrier(4)

    def save(_):
        barrier.wait(10)
        EmbeddingStore(store.folder).save("a", ARRAYS)
        return EmbeddingStore(store.folder).load("a")

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(save, range(4)))
    assert all(arrays is not None for arrays in loaded)
    assert [path.name for path in store.folder.iterdir()] == ["a.zarr"]


def test_a_stack_is_embedded_ahead_and_again_only_where_it_was_not(volume, store):
    predictor = PackingDiskPredictor()
    planes = [Plane((1, 2), (z,)) for z in range(9)]
    steps = embed_ahead(Volume(volume), predictor, store, planes, batch=2)
    next(steps)
    steps.close()
    done = list(embed_ahead(Volume(volume), predictor, store, planes, batch=2))
    assert [step.plane for step in done] == planes
    assert [step.was_there for step in done] == [True, True] + [False] * 7
    assert len(predictor.encoded) == 9
    assert segment(volume, store).predictor.encoded == []


def test_planes_that_cannot_be_embedded_are_named_and_the_rest_goes_on(volume, store):
    image = volume.copy()
    image[3] = 7
    planes = [Plane((1, 2), (z,)) for z in range(9)]
    done = list(embed_ahead(Volume(image), PackingDiskPredictor(), store, planes))
    assert [step.plane.position[0] for step in done if step.problem] == [3]
    assert len(list(store.folder.iterdir())) == 8


class OverflowingPredictor(PackingDiskPredictor):
    def pack(self, embedding):
        return {"features": np.full((2, 2), np.inf, np.float16)}


def test_a_stack_of_which_nothing_can_be_kept_is_gone_through(volume, store):
    planes = [Plane((1, 2), (z,)) for z in range(3)]
    predictor = OverflowingPredictor()
    done = list(steps_with_room(Volume(volume), predictor, store, planes, "", 1))
    assert [step.plane for step in done if isinstance(step, EmbeddedPlane)] == planes
    assert not any(isinstance(step, RoomEstimate) for step in done)


def test_the_windows_of_large_planes_are_embedded_ahead(volume, store):
    side = max(volume.shape[1:]) // 6
    predictor = PackingDiskPredictor(image_size=2 * side)
    plane = Plane((1, 2), (4,))
    done = list(embed_ahead(Volume(volume), predictor, store, [plane], batch=3))
    assert [step.was_there for step in done] == [False]
    assert {image.shape for image in predictor.encoded} == {(side, side)}
    predictor.encoded.clear()
    segment(volume, store, predictor)
    assert (side, side) not in {image.shape for image in predictor.encoded}


def test_a_large_plane_is_read_window_by_window_and_an_empty_one_named(store):
    class Watched:
        shape, dtype = (2, 120, 130), np.dtype(np.uint8)

        def __getitem__(self, index):
            z, rows, _ = index
            assert len(range(*rows.indices(120))) <= 20
            if z == 1:
                return np.full((120, 130), 7, np.uint8)[index[1:]]
            return np.arange(120 * 130).reshape(120, 130).astype(np.uint8)[index[1:]]

    predictor = PackingDiskPredictor(image_size=40)
    volume = Volume(Watched(), intensity=IntensityMapping())
    planes = [Plane((1, 2), (z,)) for z in range(2)]
    first, second = embed_ahead(volume, predictor, store, planes)
    assert not first.problem
    assert "structure" in second.problem
    expected = {
        embedding_key(image, predictor.description) for image in predictor.encoded
    }
    assert all(key in store for key in expected)
    assert count_windows((120, 130), 40) == len(all_windows((120, 130), 20))


WRITER = """
import itertools, sys
import numpy as np
from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore

store = EmbeddingStore(sys.argv[1])
for number in itertools.count():
    store.save(str(number), {"features": np.full((1, 256, 32, 32), 3, np.float16)})
    print(number, flush=True)
"""


def test_killed_processes_on_one_folder_leave_only_whole_entries(store):
    command = [sys.executable, "-c", WRITER, str(store.folder)]
    writers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for writer in writers:
        with writer:
            assert [writer.stdout.readline() for _ in range(8)][-1] == "7\n"
            writer.kill()
    entries = [path for path in store.folder.iterdir() if path.suffix == ".zarr"]
    assert len(entries) >= 8
    for path in entries:
        assert (store.load(path.stem)["features"] == 3).all()


@pytest.mark.parametrize("again", [replay, open_session])
def test_a_session_that_is_opened_again_gets_its_store(volume, store, tmp_path, again):
    session = segment(volume, store, journal=tmp_path / "journal.jsonl")
    save_session(tmp_path / "cells.session", session)
    predictor = PackingDiskPredictor()
    opened = again(tmp_path / "cells.session", volume, predictor, store=store)
    plane = Plane((1, 2), (4,))
    opened.add_point(1, plane, RIGHT[1:])
    opened.mask(1, plane)
    assert not predictor.encoded
