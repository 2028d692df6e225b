"""A web server on loopback that misbehaves on demand."""

from __future__ import annotations

import contextlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 16


@dataclass
class WebServer:
    """What it serves, how it behaves, and what it was asked for.

    `cut_at` ends the connection after so many bytes of the answer. While `gate` is
    shut, the second half of an answer waits. Paths in `redirects` lead elsewhere.
    `status` is told instead of success.
    """

    files: dict[str, bytes]
    url: str = ""
    cut_at: int | None = None
    ranges: bool = True
    content_type: str = "application/octet-stream"
    told_size: int | str | None = None
    tells_size: bool = True
    status: int | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    half_sent: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[WebServer]:
    """Serve some files until the block ends."""
    state = WebServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Range")))
            _answer(self, state)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, state: WebServer) -> None:
    if handler.path in state.redirects:
        handler.send_response(302)
        handler.send_header("Location", state.redirects[handler.path])
        handler.end_headers()
        return
    content = state.files.get(handler.path)
    if content is None:
        handler.send_error(404)
        return
    start = _start(handler) if state.ranges else 0
    if start >= len(content):
        handler.send_error(416)
        return
    handler.send_response(state.status or (206 if start else 200))
    if start:
        whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.send_header("Content-Range", whole)
    size = len(content) - start if state.told_size is None else state.told_size
    if state.tells_size:
        handler.send_header("Content-Length", str(size))
    handler.send_header("Content-Type", state.content_type)
    handler.end_headers()
    with contextlib.suppress(ConnectionError):  # the client may have gone
        _send(handler, state, content[start:])


def _start(handler: BaseHTTPRequestHandler) -> int:
    asked = handler.headers.get("Range", "bytes=0-")
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def _send(handler: BaseHTTPRequestHandler, state: WebServer, body: bytes) -> None:
    if state.cut_at is not None:
        body = body[: state.cut_at]
    half = len(body) // 2
    for part in (body[:half], body[half:]):
        for at in range(0, len(part), PIECE):
            handler.wfile.write(part[at : at + PIECE])
        handler.wfile.flush()
        state.half_sent.set()
        state.gate.wait(20)
