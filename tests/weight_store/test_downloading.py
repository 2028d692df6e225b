from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.conftest import CONTENT, SHA256, MakeEntry

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.model.variants import ModelVariant
from napari_sam_adapter.weight_store import transfer
from napari_sam_adapter.weight_store.downloading import download, offer
from napari_sam_adapter.weight_store.entries import Entry, Kind, State
from napari_sam_adapter.weight_store.folder import check_sum, pinned_sum

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web_server import WebServer

ELSEWHERE = """
import sys
from pathlib import Path
from napari_sam_adapter.model.variants import ModelVariant
from napari_sam_adapter.weight_store.downloading import download
from napari_sam_adapter.weight_store.entries import Entry, Kind, State
url, sha256, path = sys.argv[1:]
variant = ModelVariant("web", "", "", "", url=url, sha256=sha256)
for progress in download(
    Entry(variant, Kind.MODEL, State.TO_DOWNLOAD, Path(path), 0)
):
    print(progress.done, flush=True)
"""


def elsewhere(entry: Entry) -> subprocess.Popen[str]:
    """Download in another process."""
    command = [sys.executable, "-c", ELSEWHERE, str(entry.variant.url), SHA256]
    return subprocess.Popen(
        [*command, str(entry.path)], stdout=subprocess.PIPE, text=True
    )


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_download_arrives_whole_with_progress_to_the_end(entry: MakeEntry) -> None:
    wanted = entry()
    steps = list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT
    assert [steps[0].done, steps[-1].done] == [0, len(CONTENT)]
    assert {step.total for step in steps} == {len(CONTENT)}
    assert visible(wanted.path.parent) == {"weights.pth"}


def test_what_is_here_is_not_fetched_again(entry: MakeEntry, server: WebServer) -> None:
    list(download(entry()))
    list(download(entry()))
    assert len(server.asked) == 1


def test_redirects_are_followed(entry: MakeEntry, server: WebServer) -> None:
    server.redirects["/old.pth"] = "/weights.pth"
    wanted = entry(path="/old.pth")
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_missing_page_tells_where_to_put_the_file(entry: MakeEntry) -> None:
    wanted = entry(path="/gone.pth")
    with pytest.raises(CheckpointError, match="404 Not Found") as caught:
        list(download(wanted))
    assert str(caught.value).endswith(str(wanted.path))
    assert visible(wanted.path.parent) == set()


def test_without_a_server_the_error_tells_where_to_put_the_file(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    nowhere = ModelVariant("web", "", "", "", url="http://127.0.0.1:9/weights.pth")
    offline = Entry(nowhere, Kind.MODEL, State.TO_DOWNLOAD, wanted.path, 0)
    with pytest.raises(CheckpointError, match="no connection") as caught:
        list(download(offline))
    assert str(caught.value).endswith(str(wanted.path))
    assert server.asked == []


def test_a_cut_off_download_goes_on_where_it_stopped(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    server.cut_at = 600_000
    with pytest.raises(CheckpointError, match="ended"):
        list(download(wanted))
    assert not wanted.path.exists()
    came = wanted.part.stat().st_size
    assert 500_000 < came <= 600_000
    server.cut_at = None
    steps = list(download(wanted))
    assert steps[0].done == came
    assert server.asked[1] == ("/weights.pth", f"bytes={came}-")
    assert wanted.path.read_bytes() == CONTENT


def test_a_silent_server_is_given_up_and_what_came_is_kept(
    entry: MakeEntry, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "READ_SECONDS", 0.2)
    wanted = entry()
    server.gate.clear()
    with pytest.raises(CheckpointError, match="does not answer"):
        list(download(wanted))
    assert not wanted.path.exists()
    server.gate.set()
    assert next(download(wanted)).done > 400_000


def test_a_server_without_ranges_sends_all_again(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    wanted.path.parent.mkdir()
    wanted.part.write_bytes(CONTENT[:1000])
    server.ranges = False
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_only_its_name(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    wanted.path.parent.mkdir()
    wanted.part.write_bytes(CONTENT)
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_damaged_part_is_told_and_the_next_try_starts_anew(entry: MakeEntry) -> None:
    wanted = entry()
    wanted.path.parent.mkdir()
    wanted.part.write_bytes(b"?" * 1000)
    with pytest.raises(CheckpointError, match="sha256"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_file_with_a_wrong_sum_does_not_stay(entry: MakeEntry) -> None:
    wanted = entry(sha256="0" * 64)
    with pytest.raises(CheckpointError, match="sha256 0000"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_a_damaged_file_is_fetched_again(entry: MakeEntry) -> None:
    wanted = entry()
    wanted.path.parent.mkdir()
    wanted.path.write_bytes(CONTENT[:-1])
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_sign_in_page_is_not_taken_for_weights(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry(sha256=None)
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(CheckpointError, match="web page"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_a_file_without_size_needs_a_known_sum(
    entry: MakeEntry, server: WebServer
) -> None:
    server.tells_size = False
    wanted = entry(sha256=None)
    with pytest.raises(CheckpointError, match="does not tell the size"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()
    list(download(entry()))
    assert wanted.path.read_bytes() == CONTENT


def test_an_unknown_sum_is_pinned_and_checked_afterwards(entry: MakeEntry) -> None:
    wanted = entry(sha256=None)
    list(download(wanted))
    assert pinned_sum(wanted.path) == SHA256
    check_sum(wanted.path, None)
    wanted.path.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match="damaged or was replaced"):
        check_sum(wanted.path, None)


def test_an_unknown_sum_never_joins_two_halves(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry(sha256=None)
    wanted.path.parent.mkdir()
    wanted.part.write_bytes(b"?" * 1000)
    list(download(wanted))
    assert server.asked == [("/weights.pth", None)]
    assert wanted.path.read_bytes() == CONTENT


def test_a_stopped_download_leaves_no_final_file_and_goes_on_later(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    server.gate.clear()
    steps = download(wanted)
    next(steps)
    steps.close()
    assert not wanted.path.exists()
    server.gate.set()
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_a_killed_process_leaves_no_final_file_and_another_goes_on(
    entry: MakeEntry, server: WebServer
) -> None:
    wanted = entry()
    server.gate.clear()
    with elsewhere(wanted) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert server.half_sent.wait(20)
        process.send_signal(signal.SIGKILL)
    assert not wanted.path.exists()
    server.gate.set()
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


def test_two_processes_fetch_it_once(entry: MakeEntry, server: WebServer) -> None:
    wanted = entry()
    server.gate.clear()
    with elsewhere(wanted) as first, elsewhere(wanted) as second:
        assert first.stdout is not None
        assert second.stdout is not None
        first.stdout.readline()
        second.stdout.readline()
        server.gate.set()
        assert [first.wait(30), second.wait(30)] == [0, 0]
    assert len(server.asked) == 1
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_full_disk_is_told_and_nothing_is_left(entry: MakeEntry) -> None:
    wanted = entry(sha256=None)
    wanted.path.parent.mkdir()
    wanted.part.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_a_file_larger_than_the_disk_is_refused_before_it_comes(
    entry: MakeEntry, server: WebServer
) -> None:
    server.told_size = 10**18
    wanted = entry()
    with pytest.raises(OutputError, match=r"free space .* got "):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_a_folder_that_cannot_be_made_is_told(entry: MakeEntry, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="NAPARI_SAM_ADAPTER_CACHE"):
        list(download(entry()))


def zipped(*names: str, content: bytes = CONTENT) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zipped_file_is_unpacked(entry: MakeEntry, server: WebServer) -> None:
    server.files["/w.zip"] = zipped("__MACOSX/w.pth", "w.pth")
    wanted = entry(sha256=None, path="/w.zip", is_archive=True)
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT
    assert pinned_sum(wanted.path) == SHA256


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK no zip file", "cannot be unpacked"),
        (zipped("a.pth", "b.pth"), "2 files"),
        (zipped("bomb.pth", content=bytes(10_000_000)), "would grow to 10 MB"),
    ],
    ids=["broken", "two files", "bomb"],
)
def test_a_bad_zip_file_is_refused(
    entry: MakeEntry, server: WebServer, content: bytes, told: str
) -> None:
    server.files["/w.zip"] = content
    wanted = entry(sha256=None, path="/w.zip", is_archive=True)
    with pytest.raises(CheckpointError, match=told):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_what_no_program_may_fetch_is_told_with_its_page(cache: Path) -> None:
    page = "https://example.org/weights"
    variant = ModelVariant("hand", "", "", "", page=page, saved_as="hand.pth")
    wanted = Entry(variant, Kind.MODEL, State.BY_HAND, cache / "hand.pth", 0)
    with pytest.raises(CheckpointError, match=page) as caught:
        list(download(wanted))
    assert str(caught.value).endswith(str(cache / "hand.pth"))


def test_the_offer_tells_size_licence_and_source(entry: MakeEntry) -> None:
    told = offer(entry())
    assert "1 MB" in told
    assert "CC0" in told
    assert "/weights.pth" in told
