"""torture.py's strangers: bytes sent to where the processes of one training meet, while they do."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from odtool.cluster import Cluster
from odtool.engine.train import rendezvous

SECRET = b"only the processes of this training know it"
PLAN = {"step": 4, "checkpoint": "ckpt-4", "ending": None}
PIECES = (
    b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\n", b"{", b"[", b'"index": []', b'"proof": "x"', b'"settings": {}',
    b'{"index": 1, "settings": {}, "challenge": "x", "proof": "\xff"}\n', b"9" * 400, b"[" * 5000, b"\0" * 100,
)  # fmt: skip


def prepare(template: Path) -> None:
    template.mkdir()


def attempt(_template: Path, _folder: Path, chance: random.Random) -> str:
    """A meeting of two with strangers among them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = (f"127.0.0.1:{port}", "127.0.0.1:1")
    results: dict[str, Any] = {}

    def take_part(name: str, work: Any) -> None:
        try:
            results[name] = work()
        except Exception as error:  # whatever it is, the meeting was lost
            results[name] = error

    chief = threading.Thread(
        target=take_part,
        args=("chief", lambda: rendezvous.gather(Cluster(cluster, 0, ""), {"a": 1}, PLAN, SECRET, patience=60)),
    )
    chief.start()
    strangers = [_visit(port, chance) for _ in range(chance.randrange(1, 5))]
    take_part("worker", lambda: rendezvous.join(Cluster(cluster, 1, ""), {"a": 1}, SECRET, patience=60))
    chief.join()
    for stranger in strangers:
        if stranger is not None:
            stranger.close()
    fine = results["chief"] is None and json.dumps(results["worker"], default=str) == json.dumps(PLAN)
    return "" if fine else f"{results}"


def _visit(port: int, chance: random.Random) -> socket.socket | None:
    """A connection that says something of its own, and may stay."""
    with suppress(OSError):
        stranger = socket.create_connection(("127.0.0.1", port), timeout=5)
        with suppress(OSError):
            stranger.sendall(b"".join(chance.choices(PIECES, k=chance.randrange(6))))
        if chance.random() < 0.5:
            return stranger
        stranger.close()
    return None
