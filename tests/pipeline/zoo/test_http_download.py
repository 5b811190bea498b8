"""Downloading over real HTTP, from a server that misbehaves."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.zoo import http_download

CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture
def partial(tmp_path: Path) -> http_download.PartialDownload:
    return http_download.PartialDownload(tmp_path / "zoo" / ".file.part")


@pytest.fixture
def reports() -> list[tuple[int, ...]]:
    """What was reported: bytes here, bytes in all."""
    return []


@pytest.fixture
def fetch(server: Any, partial: http_download.PartialDownload, reports: list[tuple[int, ...]]) -> Callable[..., int]:
    """Downloads the server's file without waiting between attempts."""
    server.content = CONTENT

    def run(path: str = "/file", most: int = 1 << 30) -> int:
        return http_download.download(
            server.url + path, partial, report=lambda *said: reports.append(said), most=most, sleep=lambda _: None
        )

    return run


def test_a_file_comes_whole_with_reports_on_the_way(
    fetch: Any, partial: http_download.PartialDownload, reports: list[tuple[int, ...]]
) -> None:
    assert fetch() == 0
    assert partial.path.read_bytes() == CONTENT
    assert reports[0] == (0, 1_000_000)
    assert reports[-1] == (1_000_000, 1_000_000)


def test_a_broken_download_goes_on_where_it_broke_off(
    fetch: Any, server: Any, partial: http_download.PartialDownload
) -> None:
    server.breaks_off_after = [300_000, 200_000]
    fetch()
    assert partial.path.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(
    fetch: Any, server: Any, partial: http_download.PartialDownload
) -> None:
    server.breaks_off_after = [300_000, 0, 0, 0, 0]
    with pytest.raises(
        ConfigError, match="closed after 300,000 of 1,000,000 bytes; the 300,000 bytes received so far are kept"
    ):
        fetch()
    assert fetch() == 300_000
    assert partial.path.read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_from_the_start(
    fetch: Any, server: Any, partial: http_download.PartialDownload
) -> None:
    server.knows_ranges = False
    server.breaks_off_after = [300_000]
    fetch()
    assert partial.path.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"second"', ""])
def test_a_file_that_changed_meanwhile_is_taken_anew(
    fetch: Any, server: Any, partial: http_download.PartialDownload, etag: str
) -> None:
    server.etag = server.etag if etag else ""
    server.breaks_off_after = [300_000, 0, 0, 0, 0]
    with pytest.raises(ConfigError):
        fetch()
    server.content, server.etag = CONTENT[::-1] + b"more", etag
    fetch()
    assert partial.path.read_bytes() == server.content


def test_another_address_starts_anew(fetch: Any, server: Any, partial: http_download.PartialDownload) -> None:
    server.breaks_off_after = [300_000, 0, 0, 0, 0]
    with pytest.raises(ConfigError):
        fetch()
    assert fetch("/other") == 0
    assert partial.path.read_bytes() == CONTENT


def test_a_whole_file_is_not_fetched_twice(fetch: Any, server: Any, partial: http_download.PartialDownload) -> None:
    fetch()
    assert fetch() == 1_000_000
    assert partial.path.read_bytes() == CONTENT


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_length_that_is_a_lie_is_an_error(fetch: Any, server: Any, knows_ranges: bool) -> None:
    server.announced, server.knows_ranges = 2_000_000, knows_ranges
    with pytest.raises(
        ConfigError, match=r"closed after 1,000,000 of 2,000,000 bytes|has changed since the download be"
    ):
        fetch()
    assert len(server.requests) <= 6


def test_a_server_may_say_no_length(fetch: Any, server: Any, partial: http_download.PartialDownload) -> None:
    server.gives_length = False
    fetch()
    assert partial.path.read_bytes() == CONTENT


@pytest.mark.parametrize("gives_length", [True, False])
def test_more_than_can_be_wanted_is_refused(fetch: Any, server: Any, gives_length: bool) -> None:
    server.gives_length = gives_length
    with pytest.raises(ConfigError, match="bytes"):
        fetch(most=900_000)


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(
    fetch: Any, server: Any, partial: http_download.PartialDownload
) -> None:
    server.statuses = [503, 429]
    fetch()
    assert partial.path.read_bytes() == CONTENT
    server.statuses = [404]
    with pytest.raises(ConfigError, match="/other: the server responds 404 Not Found"):
        fetch("/other")


def test_no_network_is_said_at_once(partial: http_download.PartialDownload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    waits: list[float] = []
    with pytest.raises(ConfigError, match="Connection refused"):
        http_download.download("http://127.0.0.1:9/x", partial, report=lambda *_: None, most=1, sleep=waits.append)
    assert waits == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "no address"])
def test_only_the_web_is_asked(partial: http_download.PartialDownload, url: str) -> None:
    with pytest.raises(ConfigError, match="not an http or https address"):
        http_download.download(url, partial, report=lambda *_: None, most=1)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Takes what a server answers byte by byte; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answers: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answers[0])

        threading.Thread(target=serve, daemon=True).start()

        def answer(content: bytes) -> str:
            answers[:] = [content]
            return f"http://127.0.0.1:{listener.getsockname()[1]}/x.tar.gz"

        yield answer
        listener.shutdown(socket.SHUT_RDWR)


MANY = "9" * 5000


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (f"HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\nabc", "it announces a length of 5000 digits"),
        (f"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/{MANY}\r\n\r\nabc", "has changed since"),
        (f"HTTP/1.1 206 P\r\nContent-Range: bytes {MANY}-2/3\r\n\r\nabc", "has changed since"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", "cannot be understood"),
        ("HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\n\r\n", "not allowed"),
        ("HTTP/1.1 302 F\r\nLocation: ftp://127.0.0.1/x\r\n\r\n", "sends on to ftp://127.0.0.1/x"),
        ("HTTP/1.1 302 F\r\nLocation: http://[::1/x\r\n\r\n", "cannot be understood"),
        (f"HTTP/1.1 302 F\r\nLocation: http://{'a' * 70}.com/\r\n\r\n", "cannot be understood"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_and_not_asked_for_again(
    partial: http_download.PartialDownload, answering: Callable[[bytes], str], answer: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        http_download.download(
            answering(answer.encode()), partial, report=lambda *_: None, most=1 << 20, sleep=lambda _: None
        )


def test_what_a_server_says_is_not_repeated_in_full_length(
    partial: http_download.PartialDownload, answering: Callable[[bytes], str]
) -> None:
    for answer in (b"HTTP/1.1 404 " + b"x" * 60_000 + b"\r\n\r\n", b"y" * 60_000 + b"\r\n\r\n"):
        with pytest.raises(ConfigError) as error:
            http_download.download(
                answering(answer), partial, report=lambda *_: None, most=1 << 20, sleep=lambda _: None
            )
        assert len(error.value.message) < 400


@pytest.mark.parametrize("url", ["http://[::1/x", "http://127.0.0.1/\u00fc", f"http://{'a' * 70}/x", "http://h/\udcff"])
def test_an_address_that_is_none_is_an_error(partial: http_download.PartialDownload, url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be understood"):
        http_download.download(url, partial, report=lambda *_: None, most=1, sleep=lambda _: None)
