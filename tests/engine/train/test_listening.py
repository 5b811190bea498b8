"""The chief listens where its cluster says, and nowhere else."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from odtool.engine.train import listening
from odtool.errors import OdtoolError


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listen(address: str) -> list[str]:
    listeners = listening.listen(address, time.monotonic() + 3000)
    names = [listener.getsockname()[0] for listener in listeners]
    for listener in listeners:
        listener.close()
    return names


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_an_address_is_listened_on_alone(host: str) -> None:
    assert listen(f"{host}:{find_port()}") == [host]


def test_localhost_is_this_machine_alone() -> None:
    assert set(listen(f"localhost:{find_port()}")) <= {"127.0.0.1", "::1"}


def test_the_name_of_an_interface_is_listened_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "127.0.0.3", is_loopback=False)
    assert listen(f"node1:{find_port()}") == ["127.0.0.3"]


@pytest.mark.parametrize("address", ["127.0.1.1", "203.0.113.7"])
def test_a_name_that_others_could_not_reach_is_heard_everywhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    resolve(monkeypatch, address)
    assert set(listen(f"node1:{find_port()}")) <= {"::", "0.0.0.0"}
    assert "listening on all interfaces" in caplog.text


def resolve(monkeypatch: pytest.MonkeyPatch, address: str, *, is_loopback: bool = True) -> None:
    """Has node1 mean an address; a loopback one stands for another of this machine's where `is_loopback` is False."""
    real = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        return real(address if host == "node1" else host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    if not is_loopback:
        monkeypatch.setattr(listening.ipaddress, "ip_address", lambda _: type("Any", (), {"is_loopback": False}))


def test_a_port_in_use_and_an_unknown_name_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_PORT_PATIENCE", 0.1)
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(OdtoolError, match=r"127.0.0.1:\d+, the chief's address, cannot be used"):
        listening.listen(f"127.0.0.1:{taken.getsockname()[1]}", time.monotonic() + 3000)
    with pytest.raises(OdtoolError, match=r"no-such-host.invalid:2222, the chief's address, cannot be used"):
        listening.listen("no-such-host.invalid:2222", time.monotonic())


def test_a_name_that_is_published_late_is_waited_for_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_WAIT", 0.01)
    real, tries = socket.getaddrinfo, iter(range(3))

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host == "127.0.0.4" or next(tries, None) is None:
            return real("127.0.0.4", port, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(listening.ipaddress, "ip_address", lambda _: type("Any", (), {"is_loopback": False}))
    assert listen(f"train-0.odtool:{find_port()}") == ["127.0.0.4"]
    assert caplog.text.count("the name train-0.odtool is not known here: Name or service not known") == 1
