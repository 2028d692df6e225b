"""Slices that cannot be read, in the window."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
from tests.plugin.conftest import LEFT_DISK, stack
from tests.plugin.test_safekeeping import end, open_saved, save_as


@pytest.fixture
def missing():
    return set()


def shaky(missing):
    """Return a stack of which some slices cannot be read."""
    image = stack(9, 0, 8)

    def load(block_info):
        (first, last), *_ = block_info[None]["array-location"]
        if first in missing:
            raise OSError("the drive is gone")
        return image[first:last]

    chunks = (1,) * 9, image.shape[1:2], image.shape[2:]
    return dask.array.map_blocks(load, chunks=chunks, dtype=np.uint8)


@pytest.fixture
def scene(make_scene, missing):
    scene = make_scene(shaky(missing), name="shaky")
    scene.viewer.dims.set_current_step(0, 2)
    scene.press("use_points")
    scene.click(LEFT_DISK)
    missing.add(5)
    return scene


def test_a_slice_that_cannot_be_read_is_told_marked_and_bridged(scene):
    scene.press("propagate")
    scene.settle()
    assert all(scene.value(z, *LEFT_DISK) for z in range(9))
    told = scene.state.message
    assert not told.is_error
    assert "Not looked at: 5. Expected to read plane (5,)" in told.text
    (doubt,) = scene.workspace.session.doubts(1)
    assert doubt.plane.position == (5,)


def test_going_to_a_slice_that_cannot_be_shown_is_told_in_a_sentence(scene):
    scene.press("propagate")
    scene.settle()
    scene.controller.do("next_doubt")
    assert scene.state.message.is_error
    assert "Expected to show plane (5,)" in scene.state.message.text
    scene.viewer.dims.set_current_step(0, 6)
    scene.click(LEFT_DISK)
    assert not scene.state.message.is_error


def test_a_session_opens_though_its_last_slice_cannot_be_shown(
    scene, make_scene, missing, tmp_path, autosaves
):
    save_as(scene, tmp_path / "shaky.session")
    end(scene)
    missing.add(2)
    later = make_scene(shaky(missing), name="shaky")
    open_saved(later, tmp_path / "shaky.session")
    assert "Expected to show plane (2,)" in later.state.message.text
    assert later.value(2, *LEFT_DISK) == 1
    assert later.widget.object_panel.table.model().rowCount() == 1
    end(later)
    assert not list(autosaves.glob("*.jsonl"))  # it is saved
