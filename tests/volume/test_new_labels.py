import gc
import os

import numpy as np
import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.volume.document import new_labels as module
from napari_sam_adapter.volume.document.new_labels import new_labels
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

SHAPE = (3, 20, 30)


def test_small_labels_are_in_memory():
    labels = new_labels(SHAPE)
    assert type(labels) is np.ndarray
    assert labels.dtype == np.int32
    assert not labels.any()


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="needs files with holes")
def test_large_labels_take_no_room_until_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    labels = new_labels((2000, 2048, 2048))
    assert isinstance(labels, np.memmap)
    labels[1500, 3:5] = 7
    assert (labels[1500, :6].max(axis=1) == [0, 0, 0, 7, 7, 0]).all()
    del labels
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_begun_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 100)
    monkeypatch.setattr(module, "LEAST_ROOM", 10**18)
    with pytest.raises(ImageError, match=r"B left\. Set TMPDIR"):
        new_labels(SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_labels_that_fit_nowhere_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 100)
    with pytest.raises(ImageError, match=r"\(3, 20, 30\).*TMPDIR"):
        new_labels(SHAPE)


def test_a_session_with_labels_in_a_file_is_replayed(volume, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 100)
    session = Session(volume, DiskPredictor(), journal=tmp_path / "journal.jsonl")
    assert isinstance(session.labels, np.memmap)
    session.new_object()
    session.add_point(1, Plane((1, 2), (4,)), (12, 12))
    session.mask(1, Plane((1, 2), (4,)))
    again = replay(tmp_path / "journal.jsonl", volume, DiskPredictor())
    assert np.array_equal(again.labels, session.labels)
