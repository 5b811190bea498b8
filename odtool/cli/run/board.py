"""odtool board: TensorBoard over the runs, for as long as the command lives."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from odtool.api.run.board import BoardRequest, serve_board
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption


def board(
    logdir: Annotated[
        list[Path] | None, typer.Option(help="Folder with events; train/ in the workspace by default. May be repeated.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 6006 by default.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "localhost",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show all runs in TensorBoard, until Ctrl-C.

    Example: `odtool board --port 6006`
    """
    request = BoardRequest(logdir=tuple(logdir or ()), port=port, host=host, workspace=workspace)
    with _stopped_by_signals(), serve_board(request) as served:
        payload = {
            "url": served.url,
            "port": served.port,
            "pid": served.process.pid,
            "logdir": [str(path) for path in served.folders],
        }
        console.show(payload, as_json=as_json, render=lambda screen: screen.print(f"TensorBoard: {served.url}"))
        console.say("Ctrl-C stops it.")
        served.wait()


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
