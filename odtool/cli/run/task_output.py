"""What commands that start a run's tasks print: what was started, or the logs until it has ended."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from odtool.api.requests import describe_move
from odtool.api.tasks import run_tasks
from odtool.api.tasks.run_tasks import StartedRun
from odtool.cli import console

STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: nothing failed, and there is something left to do. Who pressed Ctrl-C at a terminal knows
that; a scheduler, which has only the code, must not take it for done."""


def start(begin: Callable[[], StartedRun], workspace: Path, *, foreground: bool, as_json: bool) -> None:
    """Starts tasks and says so, or stands by them until they have ended."""

    def begin_and_tell() -> StartedRun:
        started = begin()
        if move := describe_move(started.run):
            console.say(move)
        if started.note:
            console.say(f"note: {started.note}")
        return started

    if foreground:
        _attend(begin_and_tell, as_json=as_json)
    else:
        _show_started(begin_and_tell(), workspace, as_json=as_json)


def _show_started(started: StartedRun, workspace: Path, *, as_json: bool) -> None:
    run = started.run
    payload: dict[str, Any] = {"run": run.name, "path": str(run.path)}
    for task, one in started.tasks.items():
        payload[task] = {
            "pid": one.job.pid,
            "log": str(run.log(task)),
            "device": one.device,
            "argv": list(one.job.argv),
        }

    def render(out: Console) -> None:
        for task, one in started.tasks.items():
            out.out(f"{task:5} of run {run.name} started on {one.device}: pid {one.job.pid}", highlight=False)
            out.out(f"      log {run.log(task)}", highlight=False)
        # As it can be typed where the user stands.
        here = run.argument if workspace == Path.cwd() else f"{run.argument} -w {shlex.quote(str(workspace))}"
        out.out(f"watch odtool status {here} --watch", highlight=False)
        out.out(f"read  odtool logs {here} -f", highlight=False)
        out.out(f"end   odtool stop {here}", highlight=False)

    console.show(payload, as_json=as_json, render=render)


def _attend(begin: Callable[[], StartedRun], *, as_json: bool) -> None:
    """Shows the logs until the tasks have ended, then how they ended; the exit code tells a scheduler, too."""
    output = sys.stderr.buffer if as_json else sys.stdout.buffer

    ended = run_tasks.attend(begin, write=lambda block: console.write_log(output, block), notify=console.say)
    payload: dict[str, Any] = {"run": ended.run.name, **{task: job.as_json() for task, job in ended.states.items()}}

    def render(out: Console) -> None:
        for task, job in ended.states.items():
            out.out(f"{task} {job.describe()}", highlight=False)

    console.show(payload, as_json=as_json, render=render)
    if ended.is_failure:
        raise typer.Exit(1)
    if ended.is_stopped and not (ended.interrupted and sys.stdin.isatty()):
        raise typer.Exit(STOPPED)
