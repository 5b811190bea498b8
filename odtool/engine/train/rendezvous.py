"""Where the processes of one training meet before TensorFlow connects them.

TensorFlow waits for a peer that does not come inside a call that no signal ends, for an hour by its default and for
longer in fact. Here the chief listens on its own port for a while, hears who has come and with which settings, asks
all whether they are still there, tells them where to begin, and frees the port for TensorFlow. Lines of JSON over TCP.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from odtool.cluster import Cluster, named
from odtool.errors import OdtoolError

PATIENCE = 600.0
"""Seconds in which all have to come. A scheduler may take minutes to bring a lost one back."""
_PORT_PATIENCE = 30.0
"""Seconds until a port is taken for another program's, and not for that of a process that is just ending."""
_WAIT = 0.5
_REPLY = 5.0
"""Seconds for what a process that is there does at once."""
_LONGEST = 1 << 16
"""Bytes of a line."""

log = logging.getLogger("odtool.engine")
Message = dict[str, Any]
_STILL_THERE: Message = {"still there": True}
"""What the chief asks before it begins, and what it is answered."""


def gather(cluster: Cluster, settings: Message, plan: Message, *, patience: float = PATIENCE) -> None:
    """The chief's part: waits for all workers and gives each the plan.

    Args:
        settings: what has to be the same everywhere.

    Raises:
        OdtoolError: some have not come in time, or a worker has other settings, which it is told.
    """
    end = time.monotonic() + patience
    missing = set(range(1, len(cluster.addresses)))
    log.info("waiting for %s", _join_names(cluster, missing))
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(cluster.addresses[0]))
        present: dict[int, socket.socket] = {}
        while absent := missing - _ready(present, missing):
            if time.monotonic() > end:
                raise _refuse_absence(cluster, absent, patience)
            if (visitor := _accept_visitor(listener)) is None:
                continue
            stack.enter_context(visitor)
            hello = _receive(visitor, _REPLY)
            if hello is None or hello.get("index") not in missing:
                continue
            if difference := _describe_difference(settings, hello.get("settings")):
                _send(visitor, {"refused": difference})
                raise OdtoolError(
                    f"{named(cluster, hello['index'])} trains with a different {difference} than the chief",
                    "Start odtool train with the same run and options, of the same installation, on each machine.",
                )
            present[hello["index"]] = visitor
        for visitor in present.values():
            with suppress(OSError):  # it died just now, which TensorFlow finds out, and the training is started again
                _send(visitor, plan)


def join(cluster: Cluster, settings: Message, *, patience: float = PATIENCE) -> Message:
    """A worker's part: gives the chief's plan, once all have come.

    Raises:
        OdtoolError: the chief has not answered in time, or has other settings.
    """
    end = time.monotonic() + patience
    host, _, port = cluster.addresses[0].rpartition(":")
    log.info("waiting for %s", named(cluster, 0))
    while (remaining := end - time.monotonic()) > 0:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=min(remaining, _REPLY)) as chief:
                _send(chief, {"index": cluster.index, "settings": settings})
                while (answer := _receive(chief, max(end - time.monotonic(), _WAIT))) == _STILL_THERE:
                    _send(chief, answer)
        except OSError:
            answer = None
        if answer is None:  # not there yet, or still the process of an earlier start
            time.sleep(_WAIT)
        elif "refused" in answer:
            raise OdtoolError(
                f"{named(cluster, 0)} trains with a different {answer['refused']} than this process",
                "Start odtool train with the same run and options, of the same installation, on each machine.",
            )
        else:
            return answer
    raise _refuse_absence(cluster, [0], patience)


def _listen(address: str) -> socket.socket:
    port = int(address.rpartition(":")[2])
    end = time.monotonic() + _PORT_PATIENCE
    while True:
        try:
            if socket.has_dualstack_ipv6():
                listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            else:
                listener = socket.create_server(("", port))
        except OSError as error:
            if time.monotonic() > end:
                raise OdtoolError(f"port {port} of the chief cannot be used: {error}", "Choose another.") from None
            time.sleep(_WAIT)
        else:
            listener.settimeout(_WAIT)
            return listener


def _accept_visitor(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except TimeoutError:
        return None


def _ready(present: dict[int, socket.socket], missing: set[int]) -> set[int]:
    """Those who are there, which once none seems to be missing is what they answer; the others are taken out.

    One that dies while it waits will come again. A connection may stand for a moment after its process has ended, and
    for long after its machine has: so a connection alone does not count.
    """
    for index, visitor in list(present.items()):
        if _is_closed(visitor):
            present.pop(index).close()
    if missing <= present.keys():
        for index, visitor in list(present.items()):
            if not _is_answering(visitor):
                present.pop(index).close()
    return set(present)


def _is_answering(visitor: socket.socket) -> bool:
    try:
        _send(visitor, _STILL_THERE)
    except OSError:
        return False
    return _receive(visitor, _REPLY) == _STILL_THERE


def _is_closed(visitor: socket.socket) -> bool:
    visitor.setblocking(False)
    try:
        return visitor.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _send(connection: socket.socket, message: Message) -> None:
    connection.settimeout(_REPLY)
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, patience: float) -> Message | None:
    """The next line; None where it does not come, or is none of ours."""
    connection.settimeout(patience)
    try:
        with connection.makefile("rb") as stream:
            message = json.loads(stream.readline(_LONGEST))
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def _describe_difference(ours: Message, theirs: object) -> str:
    """The name of the first setting that differs; '' where none does."""
    if not isinstance(theirs, dict):
        return "version of odtool"
    return next((name for name, value in ours.items() if theirs.get(name) != value), "")


def _refuse_absence(cluster: Cluster, missing: Iterable[int], patience: float) -> OdtoolError:
    return OdtoolError(
        f"{_join_names(cluster, missing)} did not connect within {patience:.0f} s",
        "Start odtool train with this run on each machine, and make sure that they can reach the chief's port.",
    )


def _join_names(cluster: Cluster, indices: Iterable[int]) -> str:
    return ", ".join(named(cluster, index) for index in sorted(indices))
