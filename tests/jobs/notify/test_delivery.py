"""Messages to URLs and commands: real servers on loopback that answer, refuse, fail, stay silent or lead elsewhere."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from odtool.jobs.notify import delivery

MESSAGE = {"run": "first", "state": "failed", "reason": "'; touch forged; '\n\x1b[2J", "metrics": None}


class Hook:
    """A server that answers each post with the next of some numbers."""

    def __init__(self, *codes: int, headers: dict[str, str] | None = None) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        answers = iter(codes)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler: Any) -> None:  # noqa: N805 - self is the hook
                content = handler.rfile.read(int(handler.headers["Content-Length"]))
                assert handler.headers["Content-Type"] == "application/json"
                self.received.append((handler.path, json.loads(content)))
                handler.send_response(next(answers), "as\x1bordered")
                for name, value in (headers or {}).items():
                    handler.send_header(name, value)
                handler.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/secret?token=secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Callable[..., Hook]]:
    hooks: list[Hook] = []

    def make(*codes: int, **options: Any) -> Hook:
        hooks.append(Hook(*codes, **options))
        return hooks[-1]

    yield make
    for one in hooks:
        one.server.shutdown()
        one.server.server_close()


class Log:
    """What was said, and how long was waited."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pauses: list[float] = []

    def deliver(self, target: str) -> bool:
        return delivery.deliver(target, MESSAGE, say=self.lines.append, sleep=self.pauses.append)


def test_a_message_is_posted_once(hook: Callable[..., Hook]) -> None:
    server, log = hook(204), Log()
    assert log.deliver(server.url)
    assert server.received == [("/services/secret?token=secret", MESSAGE)]
    assert (log.lines, log.pauses) == ([f"told http://127.0.0.1:{server.server.server_port}"], [])


def test_a_server_that_fails_is_asked_again(hook: Callable[..., Hook]) -> None:
    server, log = hook(503, 429, 200), Log()
    assert log.deliver(server.url)
    assert len(server.received) == 3
    assert log.pauses == list(delivery.PAUSES)
    assert "it answers 503 as\\x1bordered; again in 1 s" in log.lines[0]


def test_a_server_that_keeps_failing_is_given_up(hook: Callable[..., Hook]) -> None:
    server, log = hook(500, 500, 500, 500, 500), Log()
    assert not log.deliver(server.url)
    assert len(server.received) == len(delivery.PAUSES) + 1
    assert log.lines[-1].endswith("given up")


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_a_refusal_is_final(hook: Callable[..., Hook], code: int) -> None:
    server, log = hook(code), Log()
    assert not log.deliver(server.url)
    assert (len(server.received), log.pauses) == (1, [])


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_post_follows_nobody_elsewhere(hook: Callable[..., Hook], code: int) -> None:
    elsewhere = hook(200)
    server, log = hook(code, headers={"Location": elsewhere.url}), Log()
    assert not log.deliver(server.url)
    assert (len(server.received), elsewhere.received) == (1, [])
    assert f"it answers {code}" in log.lines[0]


def test_nothing_that_is_written_down_has_the_secret_of_the_address(hook: Callable[..., Hook]) -> None:
    log = Log()
    for codes in ((200,), (404,), (500,) * 4):
        log.deliver(hook(*codes).url)
    assert "secret" not in "".join(log.lines)


def test_where_nobody_listens_it_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    log = Log()
    assert not log.deliver(url)
    assert log.pauses == list(delivery.PAUSES)
    assert "Connection refused" in log.lines[0]


def test_a_server_that_says_nothing_or_nonsense_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        log = Log()
        assert not log.deliver(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert "timed out" in log.lines[0] or "no answer" in log.lines[0]

    def talk(server: socket.socket) -> None:
        for _ in range(len(delivery.PAUSES) + 1):
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"\x00\xff nonsense\r\n\r\n")

    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as server:
        talker = threading.Thread(target=talk, args=(server,))
        talker.start()
        log = Log()
        assert not log.deliver(f"http://127.0.0.1:{server.getsockname()[1]}/")
        talker.join()
    assert "BadStatusLine" in log.lines[0]


def test_a_command_gets_the_message_on_stdin_and_nothing_of_it_is_obeyed(tmp_path: Path) -> None:
    log = Log()
    assert log.deliver(f"cd {shlex.quote(str(tmp_path))} && cat > told")
    assert json.loads((tmp_path / "told").read_text()) == MESSAGE
    assert [path.name for path in tmp_path.iterdir()] == ["told"]
    assert log.lines == ["told 'cd'"]


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    log = Log()
    assert not log.deliver("sh -c 'echo no such relay >&2; exit 7'")
    assert log.lines == ["'sh' was not told: exit code 7: no such relay"]
    assert log.pauses == []


def test_a_command_that_reads_nothing_has_been_told() -> None:
    assert Log().deliver("true")


def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(delivery, "COMMAND_TIMEOUT", 0.5)
    log = Log()
    program = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    assert not log.deliver(f"{shlex.join([sys.executable, '-c', program])} | cat")
    assert "it ran longer than" in log.lines[0]
    if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text()):
        until(lambda: not Path("/proc", pid).exists() or "Z" in Path("/proc", pid, "stat").read_text())


@pytest.mark.parametrize(
    "target",
    [
        "https://hooks.example.com/services/T0/B0/x",
        "HTTP://127.0.0.1:8080",
        "http://[::1]:80/x?y=%20",
        "sh -c 'mail me'",
        "cat",
        "$HOME/tell",
        "/bin/sh x",
    ],
)
def test_what_can_be_told(target: str) -> None:
    assert delivery.explain_unusable(target) == ""


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("", "neither a URL nor a command"),
        ("  ", "neither a URL nor a command"),
        ("http://", "not a URL with a host"),
        ("https:///path", "not a URL with a host"),
        ("http://host:port/", "not a URL"),
        ("http://host:99999/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://host/a b", "spaces"),
        ("http://host/\r\nHost: other", "spaces"),
        ("http://me:secret@host/", "name or password"),
        ("ftp://host/x", "'ftp://host/x' is not an http or https address"),
        ("file:///etc/passwd", "not an http or https address"),
        ("no-such-command-here now", "there is no command 'no-such-command-here'"),
    ],
)
def test_what_cannot_be_told_is_refused(target: str, complaint: str) -> None:
    assert complaint in delivery.explain_unusable(target)
