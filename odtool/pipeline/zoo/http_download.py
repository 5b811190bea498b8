"""One file over HTTP: downloaded with its size checked, and gone on with where an earlier attempt broke off."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from odtool import __version__, files
from odtool.errors import ConfigError

Report = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes of the whole file; 0 where the server does not say."""

_BLOCK = 1 << 18
_PATIENCE = 60.0
"""Seconds without a byte after which a connection counts as broken."""
_ATTEMPTS = 5
"""Attempts in a row that bring nothing new before giving up."""
_LONGEST_PAUSE = 16.0
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_OTHER = "the server's file is not the one that the download began with"


@dataclass(frozen=True)
class Partial:
    """A download under way: its bytes so far, and beside them what the server said of the file."""

    path: Path

    @property
    def account(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def known(self, url: str) -> dict[str, Any]:
        """What the server said of the file when these bytes came; empty where they are of another address."""
        try:
            said = json.loads(self.account.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return said if isinstance(said, dict) and said.get("url") == url else {}

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove(self) -> None:
        self.account.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


class _BrokenOffError(Exception):
    """The connection ended before the file did, or what came was not a part of it."""


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
    url: str, partial: Partial, *, report: Report, most: int, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Downloads `url` to the partial file, from where an earlier attempt left it.

    Args:
        most: bytes beyond which the file cannot be what is wanted.
        sleep: waits between attempts.

    Returns:
        The bytes of it that were here before.

    Raises:
        ConfigError: the server cannot be reached, has no such file, or keeps breaking off; what came is kept.
        OSError: the disk cannot take it.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url}: not an http or https address", "Give an address that a browser would open.")
    partial.path.parent.mkdir(parents=True, exist_ok=True)
    if not partial.known(url):
        partial.remove()
    before, failures = partial.size(), 0
    furthest = before
    while True:
        try:
            _attempt(url, partial, report, most)
        except urllib.error.HTTPError as error:
            error.close()
            cause = f"the server answers {error.code} {' '.join(str(error.reason).split())}"
            failures = failures + 1 if error.code >= 500 or error.code in _LATER else _ATTEMPTS
        except _BROKEN as error:
            cause = str(getattr(error, "reason", error)) or type(error).__name__
            # A server that was never reached in this run will not be reached a second later either.
            reached = not isinstance(error, urllib.error.URLError) or failures > 0
            # The same bytes again are nothing new: a server whose file is shorter than it says would go on for ever.
            failures = 1 if partial.size() > furthest else failures + 1 if reached else _ATTEMPTS
        else:
            return before
        furthest = max(furthest, partial.size())
        if failures >= _ATTEMPTS:
            kept = f"; the {partial.size():,} bytes that came are kept" if partial.size() else ""
            raise ConfigError(f"{url}: {cause}{kept}")
        sleep(min(2.0 ** (failures - 1), _LONGEST_PAUSE))


def _attempt(url: str, partial: Partial, report: Report, most: int) -> None:
    """One request; returns when the whole file is here."""
    known, have = partial.known(url), partial.size()
    request = urllib.request.Request(
        url, headers={"User-Agent": f"odtool/{__version__}", "Accept-Encoding": "identity"}
    )
    if have:
        request.add_header("Range", f"bytes={have}-")
        if mark := known.get("etag") or known.get("modified"):
            request.add_header("If-Range", mark)
    try:
        response = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        with error:
            if have == known.get("total"):  # the last attempt ended exactly at the end
                return
        partial.remove()
        raise _BrokenOffError(_OTHER) from None
    with response:
        start, total = _extent(response, partial, known)
        if total > most:
            raise ConfigError(f"{url}: {total:,} bytes are more than any model of the zoo has", "Is the address right?")
        if start == 0:
            _note(url, partial, response, total)
        with open(partial.path, "r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            _receive(response, stream, start, total, most, report)


def _extent(response: Any, partial: Partial, known: dict[str, Any]) -> tuple[int, int]:
    """Where in the file the answer begins, and the file's size; 0 where the server does not say.

    A server that ignores Range, or whose file has changed since, answers with the whole file.
    """
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else 0
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    total = int(match[2]) if match and match[2] != "*" else 0
    if match is None or int(match[1]) != partial.size() or total != (known.get("total") or total):
        partial.remove()
        raise _BrokenOffError(_OTHER)
    return int(match[1]), total


def _note(url: str, partial: Partial, response: Any, total: int) -> None:
    """Keeps what tells this file from a later one of the same address. A weak ETag does not tell bytes apart."""
    etag = response.headers.get("ETag", "")
    said = {
        "url": url,
        "total": total,
        "etag": "" if etag.startswith("W/") else etag,
        "modified": response.headers.get("Last-Modified", ""),
    }
    partial.path.write_bytes(b"")  # old bytes must never stand beside a new account
    files.write_atomically(partial.account, json.dumps(said))


def _receive(response: Any, stream: BinaryIO, start: int, total: int, most: int, report: Report) -> None:
    have = start
    report(have, total)
    while block := response.read(_BLOCK):
        have += len(block)
        if have > most:
            raise ConfigError(f"{response.url}: more than {most:,} bytes came", "Is the address right?")
        stream.write(block)
        report(have, total)
    if total and have != total:
        raise _BrokenOffError(f"the connection ended after {have:,} of {total:,} bytes")
