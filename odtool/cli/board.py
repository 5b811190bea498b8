"""odtool board: TensorBoard over the runs, for as long as the command lives."""

from __future__ import annotations

import errno
import http.client
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Annotated

import typer

from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError
from odtool.jobs import attached, devices, log
from odtool.workspace import Workspace

_FIRST_PORT, _PORTS = 6006, 30
"""TensorBoard's own port, and how many from there on are tried before any other is taken."""
_POLL = 0.2
_PATIENCE = 180.0
"""Seconds until it has to answer: it may import TensorFlow from a slow disk."""


def board(
    logdir: Annotated[
        list[Path] | None, typer.Option(help="Folder with events; train/ in the workspace by default. May be repeated.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default the first free one from 6006.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "localhost",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Start TensorBoard over all runs, say where, and stop it with this command.

    Example: `odtool board --port 6006`
    """
    folders = _folders(console.workspace(workspace), logdir)
    chosen = _port(host, port)
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{chosen}/"
    with tempfile.TemporaryFile() as output, _stopped_by_signals():
        command = [sys.executable, "-m", "tensorboard.main", *_logdirs(folders), "--port", str(chosen), "--host", host]
        # Nothing that it draws needs a GPU, and TensorFlow would take all of its memory.
        environment = {**job.engine_environment(), "CUDA_VISIBLE_DEVICES": devices.HIDDEN, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with attached.start_attached(command, environment=environment, output=output) as process:
            _await_answer(process, host, chosen, output)
            payload = {"url": url, "port": chosen, "pid": process.pid, "logdir": [str(path) for path in folders]}
            console.show(payload, as_json=as_json, render=lambda screen: screen.print(f"TensorBoard: {url}"))
            console.say("Ctrl-C stops it.")
            code = process.wait()
            last = _last_word(output)
            raise JobError(f"TensorBoard ended by itself, with exit code {code}: {last}", "Start it again.")


def _folders(space: Workspace, wanted: list[Path] | None) -> list[Path]:
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
            raise JobError(f"TensorBoard ended with exit code {code}: {_last_word(output)}", "See: odtool doctor")
        if time.monotonic() > until:
            raise JobError(f"TensorBoard does not answer on port {port}: {_last_word(output)}", "Try another --port.")
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


def _last_word(output: IO[bytes]) -> str:
    output.seek(0)
    return log.find_error(output.read().decode(errors="replace")) or "it said nothing"


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how the command is meant to end: both stop TensorBoard, and the exit code is 0."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        console.say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
