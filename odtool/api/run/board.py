"""TensorBoard over the runs, for as long as its caller wants it."""

from __future__ import annotations

import errno
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from odtool.api.requests import StrPath, find_workspace, refuse_below
from odtool.api.tasks import engine_process
from odtool.errors import JobError
from odtool.jobs import attached, devices, log
from odtool.workspace import Workspace

_FIRST_PORT, _PORTS = 6006, 30
"""TensorBoard's own port, and how many from there on are tried before any other is taken."""
_POLL = 0.2
_PATIENCE = 180.0
"""Seconds until it has to answer: it may import TensorFlow from a slow disk."""


@dataclass(frozen=True, kw_only=True)
class BoardRequest:
    """What `odtool board` is asked for."""

    TAKES_ADDRESSES: ClassVar = ("logdir",)
    """TensorBoard reads event files by TensorFlow's file systems."""
    logdir: tuple[StrPath, ...] = ()
    """Folders with event files; train/ in the workspace by default."""
    port: int | None = None
    """Port; the first free one from 6006 by default."""
    host: str = "localhost"
    """Address to listen on; 0.0.0.0 lets other machines in."""
    workspace: StrPath = "."

    def __post_init__(self) -> None:
        refuse_below("port", self.port, 1)


@dataclass(frozen=True)
class Board:
    """A TensorBoard that answers."""

    url: str
    port: int
    folders: tuple[Path, ...]
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def wait(self) -> None:
        """Waits for its end, which nobody asked for.

        Raises:
            JobError: it ended.
        """
        code = self.process.wait()
        raise JobError(
            f"TensorBoard ended by itself, with exit code {code}: {_find_cause(self.output)}", "Start it again."
        )


@contextmanager
def serve_board(request: BoardRequest) -> Iterator[Board]:
    """Starts TensorBoard, gives it when it answers, and ends it on leaving.

    Raises:
        OdtoolError: there are no such folders, the port is taken, or it does not answer.
    """
    folders = _folders(find_workspace(request.workspace), [Path(folder) for folder in request.logdir])
    host, port = request.host, _port(request.host, request.port)
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    command = [sys.executable, "-m", "tensorboard.main", *_logdirs(folders), "--port", str(port), "--host", host]
    # Nothing that it draws needs a GPU, and TensorFlow would take all of its memory.
    hidden = {"CUDA_VISIBLE_DEVICES": devices.HIDDEN, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {**engine_process.environment(), **hidden}
    with (
        tempfile.TemporaryFile() as output,
        attached.start_attached(command, environment=environment, output=output) as process,
    ):
        _await_answer(process, host, port, output)
        yield Board(f"http://{name}:{port}/", port, tuple(folders), process, output)


def _folders(space: Workspace, wanted: list[Path]) -> list[Path]:
    """Absolute paths of the folders with events.

    Raises:
        JobError: one does not exist.
    """
    if not wanted:
        space.find_run(None)  # says so where there is none
        return [space.train.absolute()]
    for folder in wanted:
        if not folder.is_dir():
            raise JobError(f"{folder}: no such folder", "Give --logdir a folder with event files.")
    return [folder.absolute() for folder in wanted]


def _logdirs(folders: Sequence[Path]) -> list[str]:
    """TensorBoard's option for one folder, or for several with their names.

    Raises:
        JobError: TensorBoard would take a path apart.
    """
    if len(folders) == 1:
        return ["--logdir", str(folders[0])]
    for folder in folders:
        if set(str(folder)) & {",", ":"}:
            raise JobError(f"{folder}: TensorBoard splits lists of folders at , and :", "Rename it, or show it alone.")
    named = zip(_names(folders), folders, strict=True)
    return ["--logdir_spec", ",".join(f"{name}:{folder}" for name, folder in named)]


def _names(folders: Sequence[Path]) -> list[str]:
    """One for each, which tells it from the others: every workspace's folder of runs is called train."""
    parts, names = 1, [folder.name for folder in folders]
    longest = max(len(folder.parts) for folder in folders)
    while len(set(names)) < len(set(folders)) and parts < longest:
        parts += 1
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
    return names


def _port(host: str, wanted: int | None) -> int:
    """The port asked for, else the first free one from TensorBoard's own on, else any.

    Raises:
        JobError: the port is taken, or the address is not this machine's.
    """
    if wanted is not None:
        return _bound(host, wanted)
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with suppress(JobError):
            return _bound(host, port)
    return _bound(host, 0)


def _bound(host: str, port: int) -> int:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: what a server left a minute ago may be taken again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise JobError(f"--port {port}: in use by another process", "Leave it out to take a free one.") from None
        raise JobError(f"--host {host} --port {port}: {error.strerror or error}", "Use --host localhost.") from None


def _await_answer(process: subprocess.Popen[bytes], host: str, port: int, output: IO[bytes]) -> None:
    """Returns when TensorBoard serves its page.

    Raises:
        JobError: it ended, or does not answer.
    """
    until = time.monotonic() + _PATIENCE
    while not _answers("localhost" if host in ("0.0.0.0", "::") else host, port):
        if (code := process.poll()) is not None:
            raise JobError(f"TensorBoard ended with exit code {code}: {_find_cause(output)}", "See: odtool doctor")
        if time.monotonic() > until:
            raise JobError(f"TensorBoard does not answer on port {port}: {_find_cause(output)}", "Try another --port.")
        time.sleep(_POLL)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _find_cause(output: IO[bytes]) -> str:
    output.seek(0)
    return log.find_error(output.read().decode(errors="replace")) or "it wrote nothing"
