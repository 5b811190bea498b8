"""The meeting of a training's processes, over real sockets."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from odtool.cluster import Cluster
from odtool.engine.train import cluster_secret, rendezvous
from odtool.errors import OdtoolError

SETTINGS = {"pipeline.config": "abc", "TensorFlow": "2.20.0"}
PLAN = {"checkpoint": "ckpt-40"}
SECRET = b"nobody else knows this one"


@pytest.fixture
def addresses() -> tuple[str, ...]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two))


def beside(work: Callable[[], Any]) -> Callable[[], list[Any]]:
    """Runs something in a thread; what it gave or raised is to be fetched."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except OdtoolError as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def fetch() -> list[Any]:
        thread.join()
        return results

    return fetch


def gather(addresses: tuple[str, ...], **options: Any) -> None:
    rendezvous.gather(Cluster(addresses, 0, ""), SETTINGS, PLAN, SECRET, **{"patience": 3000, **options})


def join(addresses: tuple[str, ...], index: int = 1, **options: Any) -> dict[str, Any]:
    given = {"settings": SETTINGS, "secret": SECRET, "patience": 3000, **options}
    return rendezvous.join(Cluster(addresses, index, ""), **given)


def connect(address: str) -> socket.socket:
    """To the chief, which may not listen yet."""
    host, _, port = address.rpartition(":")
    while True:
        with suppress(ConnectionRefusedError):
            return socket.create_connection((host, int(port)))


def greet(connection: socket.socket, **changes: Any) -> None:
    """Says hello as worker 1 does, but for some changes."""
    challenge = json.loads(connection.makefile("rb").readline())["challenge"]
    content = {"index": 1, "settings": SETTINGS, "challenge": "own", **changes}
    secret = content.pop("secret", SECRET)
    words = (challenge, content["challenge"], content["index"], content["settings"])
    proof = cluster_secret.sign(secret, "hello", *words)
    connection.sendall(json.dumps({"proof": proof, **content}).encode() + b"\n")


def test_all_get_the_chiefs_plan_whoever_comes_first(addresses: tuple[str, ...]) -> None:
    worker = beside(lambda: join(addresses))
    gather(addresses)
    assert worker() == [PLAN]


@pytest.mark.parametrize(
    "message",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\n",
        b"",
        b"\n",
        b"null\n",
        b'{"index": []}\n',
        b"[" * 60_000 + b"\n",
        b'{"a":' * 10_000 + b"\n",
        b"x" * 200_000,
        b'{"index": 1, "settings": {}, "challenge": "x", "proof": "\xc3\xa9"}\n',
        b'{"index": true, "settings": {}, "challenge": "x", "proof": "x"}\n',
        b'{"index": 1, "settings": [], "challenge": "x", "proof": "x"}\n',
        b'{"index": 1e999, "settings": {}, "challenge": "x", "proof": "x"}\n',
        b'{"index": 1, "settings": {}, "challenge": "x"}\n',
        b'{"index": 1, "settings": {}, "challenge": "x", "proof": "x"}\n{"more": 1}\n',
    ],
)
def test_whatever_a_stranger_says_he_is_let_go_and_noted_once(
    addresses: tuple[str, ...], caplog: pytest.LogCaptureFixture, message: bytes
) -> None:
    chief = beside(lambda: gather(addresses))
    for _ in range(3):
        with connect(addresses[0]) as visitor, suppress(OSError):
            visitor.sendall(message)
            visitor.shutdown(socket.SHUT_WR)
            while visitor.recv(1000):
                pass
    assert join(addresses) == PLAN
    assert chief() == [None]
    assert [entry.getMessage().partition(" (")[0] for entry in caplog.records if entry.levelname == "WARNING"] == [
        "a connection from 127.0.0.1 is not of this training"
    ]


def test_who_says_nothing_or_a_byte_now_and_then_holds_nobody_up(addresses: tuple[str, ...]) -> None:
    chief = beside(lambda: gather(addresses))
    slow = [connect(addresses[0]) for _ in range(100)]  # more than are waited for at once
    slow[-1].sendall(b"{")
    assert join(addresses) == PLAN
    assert chief() == [None]
    for visitor in slow:
        visitor.close()


def test_a_byte_now_and_then_does_not_prolong_the_time_for_a_line(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(rendezvous, "_REPLY", 0.5)
    chief = beside(lambda: gather(addresses))
    with connect(addresses[0]) as visitor:
        assert b"challenge" in visitor.recv(1000)
        visitor.setblocking(False)

        def is_let_go() -> bool:
            try:
                visitor.send(b" ")
                return visitor.recv(1000) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        until(is_let_go)
    assert join(addresses) == PLAN
    assert chief() == [None]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"index": 0}, "number of processes"),
        ({"index": 2}, "number of processes"),
        ({"index": -1}, "number of processes"),
        ({"secret": b"another"}, "secret"),
        ({"proof": ""}, "secret"),
    ],
)
def test_who_is_no_worker_of_this_training_does_not_count(
    addresses: tuple[str, ...], changes: dict[str, Any], answer: str
) -> None:
    chief = beside(lambda: gather(addresses))
    with connect(addresses[0]) as visitor:
        greet(visitor, **changes)
        assert json.loads(visitor.makefile("rb").readline())["refused"] == answer
    assert join(addresses) == PLAN
    assert chief() == [None]


def test_the_dead_do_not_count(addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "_REPLY", 1.0)
    chief = beside(lambda: gather(addresses))
    with connect(addresses[0]) as gone:
        greet(gone)
    with connect(addresses[0]) as lost:  # as of a machine that has lost its power
        greet(lost)
        assert join(addresses) == PLAN
    assert chief() == [None]


def test_another_secret_is_told_to_the_worker(addresses: tuple[str, ...]) -> None:
    chief = beside(lambda: gather(addresses))
    with pytest.raises(OdtoolError, match="its secret is another"):
        join(addresses, secret=b"another secret of somebody")
    assert join(addresses) == PLAN
    assert chief() == [None]


def test_a_worker_that_the_chief_does_not_count_is_told_so(addresses: tuple[str, ...]) -> None:
    chief = beside(lambda: gather(addresses))
    with pytest.raises(OdtoolError, match="trains with a different number of processes"):
        join((*addresses, "127.0.0.1:1"), index=2)
    assert join(addresses) == PLAN
    assert chief() == [None]


def test_a_worker_that_was_slow_to_answer_or_pushed_aside_comes_again(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = addresses[0].rpartition(":")
    worker = beside(lambda: join(addresses))
    with socket.create_server((host, int(port))) as chief, chief.accept()[0] as visitor:
        visitor.sendall(b'{"challenge": "x"}\n')  # and lets go of it, as of one that says nothing
    gather(addresses)
    assert worker() == [PLAN]


def test_thousands_of_connections_cost_no_handles_and_no_worker(
    addresses: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    chief = beside(lambda: gather(addresses))
    connect(addresses[0]).close()
    opened: list[socket.socket] = []
    most = 0
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(1500):
        opened.append(connect(addresses[0]))
        if number >= 100:
            opened.pop(0).close()
        if number % 100 == 0:
            most = max(most, len(list(Path("/proc/self/fd").iterdir())) - before - len(opened))
    worker = beside(lambda: join(addresses))
    with suppress(OSError):  # until the chief listens no more
        while True:
            opened.append(socket.create_connection(("127.0.0.1", int(addresses[0].rpartition(":")[2])), timeout=5))
            opened.pop(0).close()
    assert worker() == [PLAN]
    assert chief() == [None]
    for visitor in opened:
        visitor.close()
    assert most < 100  # strangers' own ends are not among them
    assert len([entry for entry in caplog.records if entry.levelname == "WARNING"]) == 1


def test_who_opens_most_connections_pushes_out_his_own() -> None:
    reception = rendezvous._Reception(Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0, ""), SETTINGS, SECRET, 0.0)
    pairs = [socket.socketpair() for _ in range(200)]
    with suppress(KeyError):
        for number, (_, side) in enumerate(pairs):
            reception._receive(side, "worker" if number == 3 else "stranger")
    assert "worker" in {visitor.host for visitor in reception._pending}
    assert len(reception._pending) == 64
    reception.__exit__()
    for side, other in pairs:
        side.close()
        other.close()


def test_where_no_handle_is_left_a_stranger_gives_up_his(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listener:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(rendezvous, "_WAIT", 0.0)
    reception = rendezvous._Reception(Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0, ""), SETTINGS, SECRET, 0.0)
    theirs, ours = socket.socketpair()
    reception._receive(ours, "stranger")
    for _ in range(2):
        reception._accept_some(Listener())  # type: ignore[arg-type]  # what it is asked for
    assert (reception._pending, ours.fileno()) == ([], -1)
    theirs.close()
    reception.__exit__()


def test_a_chief_that_does_not_know_the_secret_is_not_believed(addresses: tuple[str, ...]) -> None:
    host, _, port = addresses[0].rpartition(":")
    worker = beside(lambda: join(addresses))
    with socket.create_server((host, int(port))) as false, false.accept()[0] as visitor:
        visitor.sendall(b'{"challenge": "x"}\n')
        visitor.makefile("rb").readline()
        visitor.sendall(b'{"proof": "", "plan": {"checkpoint": "../../etc/passwd"}}\n')
        visitor.recv(1)
    gather(addresses)
    assert worker() == [PLAN]


def test_other_settings_are_refused_on_both_sides(addresses: tuple[str, ...]) -> None:
    other = {**SETTINGS, "TensorFlow": "2.19.0"}
    worker = beside(lambda: join(addresses, settings=other))
    with pytest.raises(OdtoolError, match=f"worker 1 at {addresses[1]} trains with a different TensorFlow"):
        gather(addresses)
    (error,) = worker()
    assert f"the chief at {addresses[0]} trains with a different TensorFlow" in error.message


def test_who_does_not_come_is_named(addresses: tuple[str, ...]) -> None:
    with pytest.raises(OdtoolError, match=f"worker 1 at {addresses[1]} did not connect within 0 s"):
        gather(addresses, patience=0.1)
    with pytest.raises(OdtoolError, match=f"the chief at {addresses[0]} did not connect within 0 s"):
        join(addresses, patience=0.1)


def test_a_worker_waits_for_the_chiefs_name_and_tells_it_once(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rendezvous, "_WAIT", 0.01)
    names = ("no-such-host.invalid:2222", addresses[1])
    with pytest.raises(OdtoolError, match=r"did not connect within 1 s: the name is not known here"):
        join(names, patience=1)
    assert caplog.text.count("the name no-such-host.invalid is not known here") == 1
