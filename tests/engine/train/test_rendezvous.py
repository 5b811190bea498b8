"""The meeting of a training's processes, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from odtool.cluster import Cluster
from odtool.engine.train import rendezvous
from odtool.errors import OdtoolError

SETTINGS = {"pipeline.config": "abc", "TensorFlow": "2.20.0"}
PLAN = {"checkpoint": "ckpt-40"}


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

    thread = threading.Thread(target=run)
    thread.start()

    def fetch() -> list[Any]:
        thread.join()
        return results

    return fetch


def test_all_get_the_chiefs_plan_whoever_comes_first(addresses: tuple[str, ...]) -> None:
    worker = beside(lambda: rendezvous.join(Cluster(addresses, 1, ""), SETTINGS, patience=3000))
    rendezvous.gather(Cluster(addresses, 0, ""), SETTINGS, PLAN, patience=3000)
    assert worker() == [PLAN]


def test_strangers_and_the_dead_do_not_count(
    addresses: tuple[str, ...], until: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "_REPLY", 1.0)
    chief = beside(lambda: rendezvous.gather(Cluster(addresses, 0, ""), SETTINGS, PLAN, patience=3000))
    host, port = addresses[0].split(":")

    def visit(message: bytes) -> bool:
        try:
            with socket.create_connection((host, int(port))) as visitor:
                visitor.sendall(message)
        except ConnectionRefusedError:
            return False
        return True

    until(lambda: visit(b"GET / HTTP/1.1\r\n\r\n"))
    visit(b'{"index": 7, "settings": {}}\n')
    hello = b'{"index": 1, "settings": {"pipeline.config": "abc", "TensorFlow": "2.20.0"}}\n'
    visit(hello)
    with socket.create_connection((host, int(port))) as lost:  # as of a machine that has lost its power
        lost.sendall(hello)
        assert rendezvous.join(Cluster(addresses, 1, ""), SETTINGS, patience=3000) == PLAN
    assert chief() == [None]


def test_other_settings_are_refused_on_both_sides(addresses: tuple[str, ...]) -> None:
    other = {**SETTINGS, "TensorFlow": "2.19.0"}
    worker = beside(lambda: rendezvous.join(Cluster(addresses, 1, ""), other, patience=3000))
    with pytest.raises(OdtoolError, match=f"worker 1 at {addresses[1]} trains with a different TensorFlow"):
        rendezvous.gather(Cluster(addresses, 0, ""), SETTINGS, PLAN, patience=3000)
    (error,) = worker()
    assert f"the chief at {addresses[0]} trains with a different TensorFlow" in error.message


def test_who_does_not_come_is_named(addresses: tuple[str, ...]) -> None:
    with pytest.raises(OdtoolError, match=f"worker 1 at {addresses[1]} did not connect within 0 s"):
        rendezvous.gather(Cluster(addresses, 0, ""), SETTINGS, PLAN, patience=0.1)
    with pytest.raises(OdtoolError, match=f"the chief at {addresses[0]} did not connect within 0 s"):
        rendezvous.join(Cluster(addresses, 1, ""), SETTINGS, patience=0.1)
