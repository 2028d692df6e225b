from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter.errors import CheckpointError, OutputError, SettingError
from napari_sam_adapter.model.variants import MODELS
from napari_sam_adapter.weight_store.downloading import download
from napari_sam_adapter.weight_store.entries import Kind, State, entries, find_entry
from napari_sam_adapter.weight_store.folder import (
    cache_folder,
    check_sum,
    file_sum,
    pinned_sum,
    used_bytes,
)
from napari_sam_adapter.weight_store.importing import (
    add_file,
    checked_path,
    remove,
    remove_downloads,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeEntry

    from napari_sam_adapter.weight_store.entries import Entry


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "from_a_friend.PTH"
    path.write_bytes(b"weights of a friend")
    return path


@pytest.fixture
def listed(entry: MakeEntry, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A download that is in the table."""
    wanted = entry()
    monkeypatch.setitem(MODELS, "web", wanted.variant)
    return wanted


def now(name: str) -> Entry:
    found = find_entry(name, Kind.MODEL)
    assert found is not None
    return found


def test_every_named_model_says_where_its_weights_are(cache: Path) -> None:
    states = {entry.name: entry.state for entry in entries()}
    shipped = ("tiny", "microscopy", "medical")
    assert {states.pop(name) for name in shipped} == {State.SHIPPED}
    by_hand = ("lite_medsam", "sam_med2d", "sam_adapter")
    assert {states.pop(name) for name in by_hand} == {State.BY_HAND}
    assert set(states.values()) == {State.TO_DOWNLOAD}
    files = [entry.path for entry in entries()]
    assert len(set(files)) == len(files)


def test_a_model_changes_its_state_with_its_file(listed: Entry) -> None:
    assert now("web").state is State.TO_DOWNLOAD
    assert not now("web").can_be_removed
    list(download(listed))
    assert now("web").state is State.DOWNLOADED
    assert now("web").size == listed.size
    remove(now("web"))
    assert now("web").state is State.TO_DOWNLOAD


def test_an_imported_file_gets_a_name_and_stays_as_it_was(
    cache: Path, own_file: Path
) -> None:
    added = add_file(own_file, "mine", Kind.MODEL)
    assert added == now("mine")
    assert added.state is State.IMPORTED
    assert added.path == cache / "models" / "mine" / "from_a_friend.PTH"
    assert added.path.read_bytes() == own_file.read_bytes()
    assert checked_path(added) == added.path
    added.path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="damaged or was replaced"):
        checked_path(added)


def test_models_and_adapters_may_share_a_name(cache: Path, own_file: Path) -> None:
    add_file(own_file, "mine", Kind.MODEL)
    add_file(own_file, "mine", Kind.ADAPTER)
    assert [e.kind for e in entries() if e.name == "mine"] == [Kind.MODEL, Kind.ADAPTER]


@pytest.mark.parametrize("name", ["vit_b", "TINY", "mine"])
def test_a_taken_name_is_refused(cache: Path, own_file: Path, name: str) -> None:
    add_file(own_file, "mine", Kind.MODEL)
    with pytest.raises(CheckpointError, match="Expected a new name"):
        add_file(own_file, name, Kind.MODEL)


@pytest.mark.parametrize(
    ("name", "kind"), [("Tiny", Kind.ADAPTER), ("medical", Kind.MODEL)]
)
def test_a_known_name_of_the_other_kind_is_refused(
    cache: Path, own_file: Path, name: str, kind: Kind
) -> None:
    with pytest.raises(CheckpointError, match=f"{name.lower()}' is there already"):
        add_file(own_file, name, kind)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "none", "é"])
def test_a_name_that_is_no_file_name_is_refused(
    cache: Path, own_file: Path, name: str
) -> None:
    with pytest.raises(CheckpointError, match="Expected a name of letters"):
        add_file(own_file, name, Kind.MODEL)
    assert not cache.exists()


def test_a_missing_file_is_refused(cache: Path) -> None:
    with pytest.raises(CheckpointError, match="found none"):
        add_file(cache / "nowhere.pth", "mine", Kind.MODEL)


@pytest.mark.parametrize("ending", [".sha256", ".images"])
def test_an_ending_that_the_store_uses_is_refused(
    cache: Path, own_file: Path, ending: str
) -> None:
    path = own_file.rename(own_file.with_suffix(ending))
    with pytest.raises(CheckpointError, match=f"the ending {ending} is for"):
        add_file(path, "mine", Kind.MODEL)
    assert not cache.exists()


@pytest.mark.parametrize(
    "name", ["größe.pth", os.fsdecode(b"gr\xf6\xdfe.pth")], ids=ascii
)
def test_a_file_of_any_name_gets_a_sum(tmp_path: Path, cache: Path, name: str) -> None:
    path = tmp_path / name
    try:
        path.write_bytes(b"weights")
    except OSError:
        pytest.skip("no name on this system")
    added = add_file(path, "mine", Kind.MODEL)
    beside = added.path.with_name(f"{name}.sha256")
    assert beside.read_bytes().endswith(b"  " + os.fsencode(name) + b"\n")
    assert checked_path(added) == added.path
    assert pinned_sum(added.path) == file_sum(added.path)


def test_a_failed_import_leaves_nothing(cache: Path, own_file: Path) -> None:
    cache.mkdir()
    (cache / "models").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="Free some space"):
        add_file(own_file, "mine", Kind.MODEL)
    assert [path.name for path in cache.iterdir()] == ["models"]


def test_removing_takes_the_sum_and_the_part_along(
    cache: Path, own_file: Path, listed: Entry
) -> None:
    added = add_file(own_file, "mine", Kind.MODEL, "medsam")
    assert now("mine").variant.preprocessing == "medsam"
    remove(added)
    assert list((cache / "models").iterdir()) == []
    listed.part.write_bytes(b"half")
    assert now("web").can_be_removed
    remove(now("web"))
    assert not listed.part.exists()


@pytest.mark.parametrize("name", ["tiny", "vit_b"])
def test_there_may_be_nothing_to_remove(cache: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="nothing to remove"):
        remove(now(name))
    assert now("tiny").path.is_file()


def test_all_downloads_can_go_and_imports_stay(
    cache: Path, own_file: Path, listed: Entry
) -> None:
    add_file(own_file, "mine", Kind.MODEL)
    list(download(listed))
    assert used_bytes() > listed.size
    assert [entry.name for entry in remove_downloads()] == ["web"]
    assert now("mine").is_here
    assert used_bytes() < 1000


def test_a_file_put_by_hand_is_pinned_at_first_use(cache: Path) -> None:
    cache.mkdir()
    (cache / "lite_medsam.pth").write_bytes(b"from a colleague")
    entry = now("lite_medsam")
    assert entry.state is State.DOWNLOADED
    checked_path(entry)
    assert pinned_sum(entry.path) is not None
    entry.path.write_bytes(b"from a stranger")
    with pytest.raises(CheckpointError, match="sha256"):
        check_sum(entry.path, None)


def test_a_cache_folder_that_cannot_be_looked_into_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: Entry, own_file: Path
) -> None:
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", str(tmp_path / ("long" * 100)))
    assert {entry.state for entry in entries() if entry.is_here} == {State.SHIPPED}
    assert not now("web").can_be_removed
    assert used_bytes() == 0
    with pytest.raises(OutputError, match="choose another folder with NAPARI_SAM"):
        list(download(now("web")))
    with pytest.raises(OutputError, match="choose another folder with NAPARI_SAM"):
        add_file(own_file, "mine", Kind.MODEL)


def test_the_home_of_nobody_is_no_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", "~nobody_at_all/weights")
    with pytest.raises(SettingError, match="Give the whole path"):
        entries()


def test_the_cache_folder_is_absolute_and_may_be_missing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert used_bytes() == 0
    monkeypatch.setenv("NAPARI_SAM_ADAPTER_CACHE", "somewhere")
    assert cache_folder().is_absolute()
    monkeypatch.delenv("NAPARI_SAM_ADAPTER_CACHE")
    assert cache_folder().name == "weights"
