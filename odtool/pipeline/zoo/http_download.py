"""One file over HTTP: its size is checked, and a download continues where an earlier attempt broke off."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from odtool import __version__, files, state_files
from odtool.errors import ConfigError
from odtool.state_files import Count, StateError

Report = Callable[[int, int], None]
"""Called with the bytes received and the bytes of the whole file; 0 where the server does not say."""

_BLOCK = 1 << 18
_PATIENCE = 60.0
"""Seconds without a byte after which a connection counts as broken."""
_ATTEMPTS = 5
"""Attempts in a row that bring nothing new before giving up."""
_LONGEST_PAUSE = 16.0
_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", re.ASCII)
_DIGITS = 19
"""Of a length in bytes: a longer one does not fit into 64 bits."""
_SHOWN = 200
"""Characters of what a server says that a message can bear."""
_OTHER = "the file on the server has changed since the download began"


_LARGEST = 1 << 16
"""Bytes of a description."""


@dataclass(frozen=True)
class _Description:
    """What tells the file of a download from a later one at the same address."""

    url: str
    total: Count
    etag: str
    modified: str


@dataclass(frozen=True)
class PartialDownload:
    """A download in progress: its bytes so far, and beside them a description of the file."""

    path: Path

    @property
    def description(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def describe(self, url: str) -> dict[str, Any]:
        """Size and version of the file when these bytes came; empty where they are of another address."""
        try:
            description = asdict(state_files.read(self.description, _Description, largest=_LARGEST))
        except (FileNotFoundError, StateError):
            return {}
        return description if description["url"] == url else {}

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove(self) -> None:
        self.description.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


class _BrokenOffError(Exception):
    """The connection ended before the file did, or what came was not a part of it."""


class _NonsenseError(Exception):
    """An address that is none, the user's or that of a redirect, or an answer that Python cannot make sense of."""


class _StayOnWeb(urllib.request.HTTPRedirectHandler):
    """Python's own follows a redirect to an ftp server, too."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(("http://", "https://")):
            raise urllib.error.HTTPError(newurl, code, f"{msg} and sends on to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_BROKEN = (
    _BrokenOffError,
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    http.client.HTTPException,
)
_LATER = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)
"""Answers that ask for another attempt, as all from 500 do."""


def download(
    url: str, partial: PartialDownload, *, report: Report, most: int, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Downloads `url` to the partial file, from where an earlier attempt left it.

    Args:
        most: bytes beyond which the file cannot be what is wanted.
        sleep: waits between attempts.

    Returns:
        The bytes of it that an earlier attempt had brought.

    Raises:
        ConfigError: the server cannot be reached, has no such file, or keeps breaking off; what was received is kept.
        OSError: the disk cannot take it.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url}: not an http or https address", "Use an address that opens in a browser.")
    partial.path.parent.mkdir(parents=True, exist_ok=True)
    if not partial.describe(url):
        partial.remove()
    before, failures = partial.size(), 0
    furthest = before
    while True:
        try:
            _attempt(url, partial, report, most)
        except urllib.error.HTTPError as error:
            error.close()
            cause = f"the server responds {error.code} {' '.join(str(error.reason).split())[:_SHOWN]}"
            failures = failures + 1 if error.code >= 500 or error.code in _LATER else _ATTEMPTS
        except _NonsenseError as error:
            cause, failures = str(error)[:_SHOWN], _ATTEMPTS
        except _BROKEN as error:
            cause = str(getattr(error, "reason", error))[:_SHOWN] or type(error).__name__
            # A server that was never reached in this run will not be reached a second later either.
            reached = not isinstance(error, urllib.error.URLError) or failures > 0
            # The same bytes again are nothing new: a file shorter than announced would never be complete.
            failures = 1 if partial.size() > furthest else failures + 1 if reached else _ATTEMPTS
        else:
            return before
        furthest = max(furthest, partial.size())
        if failures >= _ATTEMPTS:
            rest = f"; the {partial.size():,} bytes received so far are kept" if partial.size() else ""
            raise ConfigError(f"{url}: {cause}{rest}")
        sleep(min(2.0 ** (failures - 1), _LONGEST_PAUSE))


def _attempt(url: str, partial: PartialDownload, report: Report, most: int) -> None:
    """One request; returns when the file is complete."""
    description, received = partial.describe(url), partial.size()
    headers = {"User-Agent": f"odtool/{__version__}", "Accept-Encoding": "identity"}
    with _refusing_nonsense():
        request = urllib.request.Request(url, headers=headers)
    if received:
        request.add_header("Range", f"bytes={received}-")
        if version := description.get("etag") or description.get("modified"):
            request.add_header("If-Range", version)
    try:
        with _refusing_nonsense():
            response = urllib.request.build_opener(_StayOnWeb).open(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        with error:
            if received == description.get("total"):  # the last attempt ended exactly at the end
                return
        partial.remove()
        raise _BrokenOffError(_OTHER) from None
    with response:
        start, total = _find_extent(response, partial, description)
        if total > most:
            raise ConfigError(f"{url}: {total:,} bytes is larger than any model of the zoo", "Check the address.")
        if start == 0:
            _describe(url, partial, response, total)
        with open(partial.path, "r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            _receive(response, stream, start, total, most, report)


@contextmanager
def _refusing_nonsense() -> Iterator[None]:
    """Raises _NonsenseError for what urllib and http.client run into where nobody thought of it."""
    try:
        yield
    except ValueError as error:  # UnicodeError among them, of a host's name that is none
        raise _NonsenseError(f"the address or the answer cannot be understood: {error}") from None


def _read_block(response: Any) -> bytes:
    with _refusing_nonsense():
        block: bytes = response.read(_BLOCK)
    return block


def _find_extent(response: Any, partial: PartialDownload, description: dict[str, Any]) -> tuple[int, int]:
    """Where in the file the answer begins, and the file's size; 0 where the server does not say.

    A server that ignores Range, or whose file has changed since, answers with the whole file.
    """
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length", "")
        if not length.isdecimal():
            return 0, 0
        if len(length) > _DIGITS:
            raise _NonsenseError(f"it announces a length of {len(length)} digits")
        return 0, int(length)
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    total = int(match[2]) if match and match[2] != "*" else 0
    if match is None or int(match[1]) != partial.size() or total != (description.get("total") or total):
        partial.remove()
        raise _BrokenOffError(_OTHER)
    return int(match[1]), total


def _describe(url: str, partial: PartialDownload, response: Any, total: int) -> None:
    """Writes down what tells this file from a later one at the same address; a weak ETag does not."""
    etag = response.headers.get("ETag", "")
    description = {
        "url": url,
        "total": total,
        "etag": "" if etag.startswith("W/") else etag,
        "modified": response.headers.get("Last-Modified", ""),
    }
    partial.path.write_bytes(b"")  # old bytes must never stand beside a new description
    files.write_atomically(partial.description, json.dumps(description))


def _receive(response: Any, stream: BinaryIO, start: int, total: int, most: int, report: Report) -> None:
    received = start
    report(received, total)
    while block := _read_block(response):
        received += len(block)
        if received > most:
            raise ConfigError(f"{response.url}: larger than {most:,} bytes", "Check the address.")
        stream.write(block)
        report(received, total)
    if total and received != total:
        raise _BrokenOffError(f"the connection closed after {received:,} of {total:,} bytes")
