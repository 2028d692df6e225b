"""Folders of the user's choice that cannot be, in the window."""

from __future__ import annotations

import pytest
from tests.plugin.conftest import LEFT_DISK, disks

from napari_sam_adapter.volume.embeddings.embedding_store import FOLDER_VARIABLE
from napari_sam_adapter.volume.saving.autosave_files import AUTOSAVE_VARIABLE
from napari_sam_adapter.weight_store.folder import CACHE_VARIABLE

NOWHERE = "~nobody_knows/here"


@pytest.mark.parametrize("name", [CACHE_VARIABLE, AUTOSAVE_VARIABLE, FOLDER_VARIABLE])
def test_the_window_works_though_nobody_knows_the_home_of_a_folder(
    make_scene, monkeypatch, tmp_path, name
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv(name, NOWHERE)
    scene = make_scene(disks())
    scene.press("use_points")
    scene.click(LEFT_DISK)
    assert scene.value(*LEFT_DISK) == 1
    is_elsewhere = name == AUTOSAVE_VARIABLE
    assert bool(list(tmp_path.rglob("*.jsonl"))) == is_elsewhere


def test_an_unknown_folder_of_autosaves_is_told(make_scene, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv(AUTOSAVE_VARIABLE, NOWHERE)
    told = make_scene(None).state.message
    assert told.is_error
    assert f"Expected a folder in {AUTOSAVE_VARIABLE}, got '{NOWHERE}'" in told.text


def test_without_a_known_cache_folder_there_is_what_was_shipped(
    make_scene, monkeypatch
):
    monkeypatch.setenv(CACHE_VARIABLE, NOWHERE)
    scene = make_scene(disks())
    scene.widget.show_weights()
    weights = scene.widget.weights.state
    assert f"got '{NOWHERE}': nobody knows this home" in weights.message.text
    assert {entry.state.value for entry in weights.entries} == {"shipped"}
    scene.widget.comparison.list_choices()
    assert "microscopy" in scene.widget.comparison_state.choices
