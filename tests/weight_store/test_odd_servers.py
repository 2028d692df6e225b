"""Answers of servers that are no file, or make no sense."""

from __future__ import annotations

import io
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.conftest import CONTENT, SHA256, MakeEntry

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.weight_store.downloading import download

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web_server import WebServer


INSIDE = CONTENT[:2000] + bytes(3000)
"""Of a zip file."""


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/problem+json; charset=utf-8",
        "Application/XML",
        "application/xhtml+xml",
        "text/plain",
    ],
)
def test_a_message_of_a_program_is_not_taken_for_weights(
    entry: MakeEntry, server: WebServer, content_type: str
) -> None:
    wanted = entry(sha256=None)
    server.content_type = content_type
    with pytest.raises(CheckpointError, match="instead of the file"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_a_known_sum_decides_over_what_the_server_says(
    entry: MakeEntry, server: WebServer, content_type: str
) -> None:
    wanted = entry()
    server.content_type = content_type
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [203, 300])
def test_an_answer_that_is_not_the_file_is_refused(
    entry: MakeEntry, server: WebServer, status: int
) -> None:
    wanted = entry(sha256=None)
    server.status = status
    with pytest.raises(CheckpointError, match=f"answered {status} .* instead of"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()


def test_a_server_that_refuses_any_range_is_told(
    entry: MakeEntry, server: WebServer
) -> None:
    server.files["/weights.pth"] = b""
    with pytest.raises(CheckpointError, match="answered 416"):
        list(download(entry(sha256=None)))


@pytest.mark.parametrize("told", ["abc", "-5", "", "9" * 30, "5000, 6000"])
def test_a_size_that_is_no_number_is_no_size(
    entry: MakeEntry, server: WebServer, told: str
) -> None:
    server.told_size = told
    with pytest.raises(CheckpointError, match=r"tell the size|unmatching values"):
        list(download(entry(sha256=None)))


@pytest.mark.parametrize("times", [2, 3])
def test_a_size_may_be_told_several_times(
    entry: MakeEntry, server: WebServer, times: int
) -> None:
    server.told_size = ", ".join([str(len(CONTENT))] * times)
    wanted = entry(sha256=None)
    list(download(wanted))
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "address",
    ["http://[::1", "http://.../x", f"http://{'a' * 70}.com/", "ftp://x/y"],
)
def test_a_redirect_to_no_address_is_told(
    entry: MakeEntry, server: WebServer, address: str
) -> None:
    server.redirects["/old.pth"] = address
    wanted = entry(path="/old.pth")
    with pytest.raises(CheckpointError, match="request cannot be made") as caught:
        list(download(wanted))
    assert str(caught.value).endswith(str(wanted.path))


METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def zipped(method: int) -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("w.pth", INSIDE)
    return bytearray(buffer.getvalue())


def damaged(method: int) -> bytes:
    content = zipped(method)
    content[60:90] = b"\xff" * 30
    return bytes(content)


def encrypted() -> bytes:
    """A zip file that says of itself that it is."""
    content = zipped(zipfile.ZIP_DEFLATED)
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def test_a_python_without_lzma_unpacks_others(
    entry: MakeEntry, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)
    server.files["/w.zip"] = bytes(zipped(zipfile.ZIP_DEFLATED))
    wanted = entry(sha256=None, path="/w.zip", is_archive=True)
    list(download(wanted))
    assert wanted.path.read_bytes() == INSIDE


@pytest.mark.parametrize(
    "content",
    [*map(damaged, METHODS.values()), encrypted()],
    ids=[*METHODS, "encrypted"],
)
@pytest.mark.parametrize("sha256", [None, SHA256], ids=["no sum", "sum"])
def test_a_zip_file_that_cannot_be_unpacked_is_told_and_does_not_stay(
    entry: MakeEntry, server: WebServer, content: bytes, sha256: str | None
) -> None:
    server.files["/w.zip"] = content
    wanted = entry(sha256=sha256, path="/w.zip", is_archive=True)
    with pytest.raises(CheckpointError, match="the zip file cannot be unpacked"):
        list(download(wanted))
    assert visible(wanted.path.parent) == set()
