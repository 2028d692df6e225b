"""Bytes of a URL to a file, in steps, going on where an earlier try stopped."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import CheckpointError, OutputError
from napari_sam_adapter.weight_store.folder import writing
from napari_sam_adapter.wording import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

CONNECT_SECONDS, READ_SECONDS = 15, 30
"""How long a server may be silent."""
STEP_SECONDS = 0.1
"""Between two reports of progress."""
_CHUNK = 1 << 16
_LENGTH = re.compile(r"([0-9]{1,19})( *, *\1)*")
"""Proxies may repeat it."""
_NO_MORE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_PAGE = re.compile(r"text/html|application/xhtml\+xml", re.IGNORECASE)
_TEXT = re.compile(r"text/|application/(.*\+)?(json|xml)\b", re.IGNORECASE)
"""What no weights are sent as; where a sum will tell, only a page is refused."""


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is.

    Parameters
    ----------
    done : int
        Bytes on disk.
    total : int
        Bytes in all; 0 if the server does not say.
    """

    done: int
    total: int


def transfer(url: str, part: Path, has_sum: bool) -> Iterator[DownloadProgress]:
    """Fetch a URL into a file.

    Parameters
    ----------
    url : str
        http or https; redirects are followed.
    part : Path
        The file; what came is kept when the connection breaks.
    has_sum : bool
        Whether a known checksum will tell if all is right. Only then does it go on
        after what is in the file, and take a file whose size the server does not tell.

    Yields
    ------
    DownloadProgress
        At least twice, about ten times a second.

    Raises
    ------
    CheckpointError
        If the server cannot be reached, refuses, stops early, or sends a page or a
        text instead of a file.
    OutputError
        If the disk is full; the part is removed then.
    """
    import requests

    start = part.stat().st_size if has_sum and part.exists() else 0
    try:
        with _request(url, start) as response:
            if start and response.status_code == _NO_MORE:
                yield DownloadProgress(start, start)  # all was there: its sum decides
                return
            response.raise_for_status()
            _check_status(response)
            start, total = _range(response, start)
            _check_content(response, has_sum, total)
            _check_space(part, start, total)
            yield DownloadProgress(start, total)
            yield from _receive(response, part, start, total)
    except requests.RequestException as error:
        raise CheckpointError(_reason(error)) from error


def _request(url: str, start: int) -> requests.Response:
    import requests

    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = CONNECT_SECONDS, READ_SECONDS
    try:
        return requests.get(url, stream=True, timeout=timeout, headers=headers)
    except requests.exceptions.InvalidHeader:
        raise
    except ValueError as error:  # of an address: ours, of a redirect or a proxy
        told = " ".join(str(error).split())[:200]
        raise CheckpointError(f"the request cannot be made ({told})") from error


def _range(response: requests.Response, start: int) -> tuple[int, int]:
    """Return first byte and size of the whole; servers may ignore the range."""
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes ([0-9]{1,19})-[0-9]+/([0-9]{1,19})", given)
    if response.status_code == HTTPStatus.PARTIAL_CONTENT and match:
        if int(match[1]) == start:
            return start, int(match[2])
        raise CheckpointError(f"the server sent bytes from {match[1]}, not {start}")
    length = _LENGTH.fullmatch(response.headers.get("Content-Length", ""))
    return 0, int(length[1]) if length else 0


def _check_status(response: requests.Response) -> None:
    """Refuse what is neither an error nor the file, such as a list of choices."""
    if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        told = f"{response.status_code} {response.reason}".strip()
        raise CheckpointError(f"the server answered {told} instead of the file")


def _check_content(response: requests.Response, has_sum: bool, total: int) -> None:
    chunked = response.headers.get("Transfer-Encoding") == "chunked"
    if not (total or has_sum or chunked):
        raise CheckpointError("the server does not tell the size of the file")
    kind = response.headers.get("Content-Type", "").strip()
    if _PAGE.match(kind):
        raise CheckpointError("the server sent a web page instead of the file")
    if not has_sum and _TEXT.match(kind):
        raise CheckpointError(f"the server sent {kind[:60]} instead of the file")


def _check_space(part: Path, start: int, total: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total - start > free:
        raise OutputError(
            f"Expected {readable_size(total - start)} of free space in {part.parent}, "
            f"got {readable_size(free)}. Free some space, or choose another folder."
        )


def _receive(
    response: requests.Response, part: Path, start: int, total: int
) -> Iterator[DownloadProgress]:
    done, reported = start, 0.0
    with _open_part(part, start) as file:
        for chunk in response.iter_content(_CHUNK):
            _write(file, chunk, part)
            done += len(chunk)
            if time.monotonic() - reported > STEP_SECONDS:
                reported = time.monotonic()
                yield DownloadProgress(done, total)
    if total and done != total:
        raise CheckpointError(_cut_off(done, total))
    yield DownloadProgress(done, total)


def _open_part(part: Path, start: int) -> Any:
    with writing(part):
        # without a buffer, so that a full disk is told where it is filled
        return part.open("ab" if start else "wb", buffering=0)


def _write(file: Any, chunk: bytes, part: Path) -> None:
    """Write all of a chunk, or remove the part, which fills the disk."""
    try:
        with writing(part):
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
    except OutputError:
        file.close()
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _cut_off(done: int, total: int) -> str:
    return (
        f"the connection ended after {readable_size(done)} of {readable_size(total)}; "
        "start it again"
    )


def _reason(error: requests.RequestException) -> str:
    """Say in a few words what `requests` says in several lines."""
    import requests

    response = error.response
    if isinstance(error, requests.HTTPError) and response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    # a body that stops coming is a ConnectionError to requests
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection ended too early; start it again"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to the server"
    return " ".join(str(error).split())[:200]
