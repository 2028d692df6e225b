"""Answers of servers that are no file, or make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conftest import CONTENT, MakeEntry

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.weight_store.downloading import download

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web_server import WebServer


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
