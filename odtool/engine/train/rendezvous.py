"""Where the processes of one training meet before TensorFlow connects them.

TensorFlow waits for a peer that does not come inside a call that no signal ends, for an hour by its default and for
longer in fact. Here the chief listens on its own port for a while, hears who has come and with which settings, asks
all whether they are still there, tells them where to begin, and frees the port for TensorFlow. Lines of JSON over TCP.

Anybody may connect. Each side gives the other a number that was never used before, and who does not sign it with the
secret of this training is a stranger: he is let go, costs others no time, and is noted once.
"""

from __future__ import annotations

import errno
import json
import logging
import secrets
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from odtool import state_files
from odtool.cluster import Cluster, named
from odtool.engine.train import cluster_secret, listening
from odtool.engine.train.listening import LineReader, UnknownNameReport
from odtool.errors import OdtoolError
from odtool.state_files import StateError

PATIENCE = 600.0
"""Seconds in which all have to come. A scheduler may take minutes to bring a lost one back."""
_WAIT = 0.5
_REPLY = 5.0
"""Seconds in all for what a process that is there does at once."""
_MOST_PENDING = 64
"""Connections that have not yet said who they are; for another one, the oldest of the host with most of them is closed,
so that whoever opens thousands pushes out his own."""
_AT_ONCE = 64
"""Connections that are accepted before those are heard that have something to say."""
_MOST_NOTED = 8
"""Strangers' addresses in the log."""

log = logging.getLogger("odtool.engine")
Message = dict[str, Any]
_SIZE = "number of processes"
"""What a process has another of that is none of this training's though it knows the secret."""
_STILL_THERE: Message = {"still there": True}
"""What the chief asks before it begins, and what it is answered."""
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Challenge:
    """What the chief says first."""

    challenge: str


@dataclass(frozen=True)
class Hello:
    """What a worker answers."""

    index: int
    settings: dict[str, Any]
    challenge: str
    """For the chief to sign."""
    proof: str


@dataclass(frozen=True)
class Answer:
    """What the chief says at last: one of the three."""

    proof: str
    plan: dict[str, Any] | None = None
    refused: str | None = None
    """The setting that differs."""


class _Visitor:
    """A connection, from its first moment on."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.connection = connection
        self.host = host
        self.reader = LineReader(connection)
        self.end = time.monotonic() + _REPLY
        self.challenge = secrets.token_hex(16)
        self.worker_challenge = ""


class _Reception:
    """The chief's side: who is there, and who has not said yet who he is."""

    def __init__(self, cluster: Cluster, settings: Message, secret: bytes, end: float) -> None:
        self._cluster = cluster
        self._settings = settings
        self._secret = secret
        self._end = end
        self._selector = selectors.DefaultSelector()
        self._pending: list[_Visitor] = []
        self._noted: set[str] = set()
        self.present: dict[int, _Visitor] = {}

    def __enter__(self) -> _Reception:
        for listener in listening.listen(self._cluster.addresses[0], self._end):
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        for visitor in [*self._pending, *self.present.values()]:
            self._close(visitor)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # a socket
        self._selector.close()

    def look(self) -> None:
        """Waits a moment for something to happen, and attends to it.

        Raises:
            OdtoolError: a worker has other settings, which it is told.
        """
        ready = self._selector.select(_WAIT)
        for key, _ in ready:
            if key.data in self._pending:
                self._hear(key.data)
            elif key.data is not None:
                self._let_go(key.data)  # it has closed, or speaks unasked
        for key, _ in ready:
            if key.data is None:
                self._accept_some(key.fileobj)  # type: ignore[arg-type]  # a socket
        for visitor in [visitor for visitor in self._pending if time.monotonic() > visitor.end]:
            self._turn_away(visitor, "it does not say who it is")

    def _accept_some(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # it has gone again, or there are too many open files
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._make_room()
                return
            self._receive(connection, listening.name_host(str(address[0])))

    def _receive(self, connection: socket.socket, host: str) -> None:
        connection.setblocking(False)
        visitor = _Visitor(connection, host)
        self._pending.append(visitor)
        self._selector.register(connection, selectors.EVENT_READ, visitor)
        if len(self._pending) > _MOST_PENDING:
            self._make_room()
        with suppress(OSError):  # it has gone again, which is seen when it is heard
            connection.send(_encode({"challenge": visitor.challenge}))

    def _make_room(self) -> None:
        """Turns away who has waited longest of the host that most connections are from."""
        if not self._pending:
            time.sleep(_WAIT)  # this process has used up its files by itself
            return
        ((busiest, _),) = Counter(visitor.host for visitor in self._pending).most_common(1)
        oldest = next(visitor for visitor in self._pending if visitor.host == busiest)
        self._turn_away(oldest, "it does not say who it is")

    def _hear(self, visitor: _Visitor) -> None:
        try:
            line = visitor.reader.receive()
            if line is None:
                return
            hello = _decode(Hello, line)
        except (OSError, StateError) as error:
            self._turn_away(visitor, str(error))
            return
        content = (visitor.challenge, hello.challenge, hello.index, hello.settings)
        if not cluster_secret.is_signed(hello.proof, self._secret, "hello", *content):
            with suppress(OSError):
                # One of ours that has another secret is to know; a stranger learns nothing new.
                visitor.connection.send(_encode({"proof": "", "refused": "secret"}))
            self._turn_away(visitor, "it does not know the secret of this training")
        elif not 0 < hello.index < len(self._cluster.addresses):
            visitor.worker_challenge = hello.challenge
            self._answer(visitor, {"refused": _SIZE})
            self._turn_away(visitor, f"there is no worker {hello.index}")
        else:
            self._welcome(visitor, hello)

    def _welcome(self, visitor: _Visitor, hello: Hello) -> None:
        visitor.worker_challenge = hello.challenge
        if difference := _describe_difference(self._settings, hello.settings):
            self._answer(visitor, {"refused": difference})
            raise OdtoolError(
                f"{named(self._cluster, hello.index)} trains with a different {difference} than the chief",
                "Start odtool train with the same run and options, of the same installation, on each machine.",
            )
        self._pending.remove(visitor)
        if hello.index in self.present:  # it was started again
            self._let_go(self.present[hello.index])
        self.present[hello.index] = visitor

    def drop_the_dead(self) -> None:
        """Asks all who are there whether they still are, and takes out who does not answer.

        One that dies while it waits will come again. A connection may stand for a moment after its process has ended,
        and for long after its machine has: so a connection alone does not count.
        """
        end = time.monotonic() + _REPLY
        for visitor in list(self.present.values()):
            try:
                _send(visitor.connection, _STILL_THERE)
                line = visitor.reader.wait(max(end, time.monotonic() + _WAIT))
                if line is None or state_files.parse(line) != _STILL_THERE:
                    self._let_go(visitor)
            except (OSError, StateError):
                self._let_go(visitor)

    def tell_all(self, plan: Message) -> None:
        """Gives each the plan."""
        for visitor in self.present.values():
            self._answer(visitor, {"plan": plan})

    def _answer(self, visitor: _Visitor, content: Message) -> None:
        proof = cluster_secret.sign(self._secret, "answer", visitor.worker_challenge, content)
        with suppress(OSError):  # it died just now, which TensorFlow finds out, and the training is started again
            _send(visitor.connection, {**content, "proof": proof})

    def _turn_away(self, visitor: _Visitor, why: str) -> None:
        if visitor.host not in self._noted and len(self._noted) < _MOST_NOTED:
            self._noted.add(visitor.host)
            log.warning("a connection from %s is not of this training (%s)", visitor.host, why)
        self._let_go(visitor)

    def _let_go(self, visitor: _Visitor) -> None:
        if visitor in self._pending:
            self._pending.remove(visitor)
        self.present = {index: other for index, other in self.present.items() if other is not visitor}
        self._close(visitor)

    def _close(self, visitor: _Visitor) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(visitor.connection)
        visitor.connection.close()


def gather(cluster: Cluster, settings: Message, plan: Message, secret: bytes, *, patience: float = PATIENCE) -> None:
    """The chief's part: waits for all workers and gives each the plan.

    Args:
        settings: what has to be the same everywhere.
        secret: what all of them know.

    Raises:
        OdtoolError: some have not come in time, or a worker has other settings, which it is told.
    """
    end = time.monotonic() + patience
    missing = set(range(1, len(cluster.addresses)))
    log.info("waiting for %s", _join_names(cluster, missing))
    with _Reception(cluster, settings, secret, end) as reception:
        while absent := missing - reception.present.keys():
            if time.monotonic() > end:
                raise _refuse_absence(cluster, absent, patience)
            reception.look()
            if missing <= reception.present.keys():
                reception.drop_the_dead()
        reception.tell_all(plan)


def join(cluster: Cluster, settings: Message, secret: bytes, *, patience: float = PATIENCE) -> Message:
    """A worker's part: gives the chief's plan, once all have come.

    Raises:
        OdtoolError: the chief has not answered in time, or has other settings or another secret.
    """
    end = time.monotonic() + patience
    log.info("waiting for %s", named(cluster, 0))
    names = UnknownNameReport()
    while time.monotonic() < end:
        answer = None
        try:
            answer = _visit(cluster, settings, secret, end)
        except socket.gaierror as error:
            names.tell(cluster.addresses[0].rpartition(":")[0], error)
        except (OSError, StateError):
            names.last = None
        if answer is None:  # not there yet, or still the process of an earlier start
            time.sleep(_WAIT)
        elif answer.refused == "secret":
            raise OdtoolError(
                f"{named(cluster, 0)} does not know this process: its secret is another",
                f"Give each machine the run's jobs/cluster.secret, or set {cluster_secret.VARIABLE} on each.",
            )
        elif answer.refused is not None:
            raise OdtoolError(
                f"{named(cluster, 0)} trains with a different {answer.refused} than this process",
                "Start odtool train with the same run and options, of the same installation, on each machine.",
            )
        else:
            return answer.plan or {}
    raise _refuse_absence(cluster, [0], patience, names.last)


def _visit(cluster: Cluster, settings: Message, secret: bytes, end: float) -> Answer | None:
    """What the chief answers; None where it is no answer of the chief's."""
    host, _, port = cluster.addresses[0].rpartition(":")
    patience = max(min(end - time.monotonic(), _REPLY), _WAIT)
    with ExitStack() as stack:
        chief = stack.enter_context(socket.create_connection((host.strip("[]"), int(port)), timeout=patience))
        reader = LineReader(chief)
        if (line := reader.wait(time.monotonic() + patience)) is None:
            return None
        challenge, own = _decode(Challenge, line).challenge, secrets.token_hex(16)
        content = (challenge, own, cluster.index, settings)
        proof = cluster_secret.sign(secret, "hello", *content)
        _send(chief, {"index": cluster.index, "settings": settings, "challenge": own, "proof": proof})
        while (line := reader.wait(end)) is not None and state_files.parse(line) == _STILL_THERE:
            _send(chief, _STILL_THERE)
        if line is None:
            return None
        answer = _decode(Answer, line)
    said = {"plan": answer.plan} if answer.refused is None else {"refused": answer.refused}
    is_known = cluster_secret.is_signed(answer.proof, secret, "answer", own, said)
    return answer if is_known or answer.refused == "secret" else None


def _decode(kind: type[Kind], line: bytes) -> Kind:
    """Raises StateError where the line is not of that kind."""
    return state_files.build(kind, state_files.parse(line))


def _encode(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _send(connection: socket.socket, message: Message) -> None:
    connection.settimeout(_REPLY)
    connection.sendall(_encode(message))
    connection.setblocking(False)


def _describe_difference(ours: Message, theirs: Message) -> str:
    """The name of the first setting that differs; '' where none does."""
    return next((name for name, value in ours.items() if theirs.get(name) != value), "")


def _refuse_absence(
    cluster: Cluster, missing: Iterable[int], patience: float, unknown: socket.gaierror | None = None
) -> OdtoolError:
    why = f": the name is not known here ({unknown.strerror or unknown})" if unknown else ""
    return OdtoolError(
        f"{_join_names(cluster, missing)} did not connect within {patience:.0f} s{why}",
        "Start odtool train with this run on each machine, and make sure that they can reach the chief's port.",
    )


def _join_names(cluster: Cluster, indices: Iterable[int]) -> str:
    return ", ".join(named(cluster, index) for index in sorted(indices))
