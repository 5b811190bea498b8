"""The engine's processes: their command lines and environment, and a question put to one, which answers in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from odtool.api.tasks.arguments import to_argv
from odtool.api.tasks.engine_tasks import EngineTask
from odtool.dataset.progress import Progress, Report
from odtool.errors import JobError, OdtoolError, RefusedError
from odtool.jobs import attached, out_of_memory

ENGINE = (sys.executable, "-m", "odtool.engine")

ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # the log shows a line when it is written
    "PYTHONSAFEPATH": "1",  # a folder object_detection/ in the workspace must not be taken for the library
}
"""What every engine process needs."""
_LAST_CHARACTERS = 4000
"""Of what a process wrote: where the cause of its death is looked for."""

_DOING = '{"doing": '
"""Begins a line that is not yet the answer."""


class OutOfMemoryError(JobError):
    """The process ran out of memory before it could answer."""


def command(task: EngineTask) -> list[str]:
    """The command line of a task's process."""
    return [*ENGINE, task.NAME, *to_argv(task)]


def environment() -> dict[str, str]:
    """This process's environment, with what every engine process needs."""
    return {**os.environ, **ENVIRONMENT}


def _ignore(_doing: Any) -> None:
    pass


def ask(
    task: EngineTask,
    *,
    environment: Mapping[str, str],
    notify: Callable[[Any], None] = _ignore,
    ends_when_told: bool = False,
) -> dict[str, Any]:
    """The engine's answer. However this ends, a signal included, its process ends first.

    Args:
        environment: what chooses the device, as `devices.choose` gives it.
        notify: called with what the engine is doing, each time it says so.
        ends_when_told: the task has no end of its own; the first interruption tells it to end, and its answer follows.

    Raises:
        OdtoolError: the engine says why it cannot answer.
        OutOfMemoryError: it ran out of memory before it could answer.
    """
    words = command(task)
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            words,
            env={**os.environ, **ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            preexec_fn=attached.bind_to_parent(os.getpid()),  # noqa: PLW1509 - it makes two system calls, and takes no lock
        ) as process,
    ):
        try:
            try:
                last = _last_object(process, notify)
            except (KeyboardInterrupt, SystemExit):  # the latter is what the command makes of SIGTERM
                if not ends_when_told:
                    raise
                process.terminate()
                last = _last_object(process, notify)
            code = process.wait()
        finally:
            process.kill()  # nothing, where it has ended: a signal may have reached this process alone
        errors.seek(0)
        return _answer(task.NAME, subprocess.CompletedProcess(words, code, last, errors.read()))


def ask_with_progress(
    task: EngineTask,
    *,
    environment: Mapping[str, str],
    label: str,
    progress: Progress,
    notify: Callable[[str], None],
    ends_when_told: bool = False,
) -> dict[str, Any]:
    """The same of a task that says what it is doing, then counts: the progress begins with its first number.

    A rate so is without the time for loading.
    """
    with ExitStack() as stack:
        report: Report | None = None

        def relay(doing: Any) -> None:
            nonlocal report
            if not isinstance(doing, int):
                notify(str(doing))
                return
            if report is None:
                report = stack.enter_context(progress(label, None))
            report(doing, 0)

        return ask(task, environment=environment, notify=relay, ends_when_told=ends_when_told)


def _last_object(process: subprocess.Popen[str], notify: Callable[[Any], None]) -> str:
    """The last line that may be the answer."""
    last = ""
    for line in process.stdout or ():
        if line.startswith(_DOING):
            notify(json.loads(line)["doing"])
        elif line.startswith("{"):  # libraries print to stdout as well
            last = line
    return last


def _answer(name: str, ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise _no_answer(name, ended) from None
    if "failed" in answer:
        raise (RefusedError if answer.get("refused") else OdtoolError)(answer["failed"], answer["hint"])
    return answer


def _no_answer(name: str, ended: subprocess.CompletedProcess[str]) -> JobError:
    # Nobody looks for a question's process to kill it by hand, and in a container the kernel's count may be hidden.
    tail = ended.stderr[-_LAST_CHARACTERS:]
    if lack := out_of_memory.explain_exit(ended.returncode, None, tail, kernel_killed=True):
        return OutOfMemoryError(f"engine {name}: {lack}", "Use a smaller model or batch, or another device.")
    code = ended.returncode
    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    return JobError(
        f"engine {name}: ended with {ending}: {lines[-1] if lines else 'it wrote nothing'}", "See: odtool doctor"
    )
