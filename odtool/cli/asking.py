"""Questions that only the engine can answer, each put to a process of its own that answers in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odtool.cli import job
from odtool.errors import JobError, OdtoolError
from odtool.jobs import attached, out_of_memory
from odtool.workspace import Run

_LAST_WORDS = 4000
"""Characters of what a process said in which the cause of its death is looked for."""

_DOING = '{"doing": '
"""Begins a line that is not yet the answer."""


class NoMemoryError(JobError):
    """The process ended for want of memory before it could answer."""


def ask(task: str, run: Run, *options: object, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the engine says of a run.

    Args:
        environment: what chooses the device, as `devices.choose` gives it.

    Raises:
        OdtoolError: the engine says why it cannot answer.
        NoMemoryError: it ran out of memory before it could answer.
    """
    done = subprocess.run(
        job.engine_command(task, run, *options),
        env={**job.engine_environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=attached.bind_to_parent(os.getpid()),
    )
    return _answer(task, done)


def follow(
    task: str, run: Run, *options: object, environment: Mapping[str, str], hear: Callable[[str], None]
) -> dict[str, Any]:
    """The same of a long answer, where the engine tells meanwhile what it is doing.

    Args:
        hear: called with what it is doing, each time it says so.

    Raises:
        OdtoolError, NoMemoryError: as `ask`.
    """
    return converse(task, job.engine_command(task, run, *options), environment=environment, hear=hear)


def converse(
    task: str, command: Sequence[str], *, environment: Mapping[str, str], hear: Callable[[Any], None]
) -> dict[str, Any]:
    """The same of any command line of the engine. However it ends here, a signal included, the process ends first.

    Raises:
        OdtoolError, NoMemoryError: as `ask`.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            command,
            env={**job.engine_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            preexec_fn=attached.bind_to_parent(os.getpid()),  # noqa: PLW1509 - it makes two system calls, and takes no lock
        ) as process,
    ):
        try:
            last = _heard(process, hear)
            code = process.wait()
        finally:
            process.kill()  # nothing, where it has ended: a signal may have reached this process alone
        errors.seek(0)
        return _answer(task, subprocess.CompletedProcess(command, code, last, errors.read()))


def _heard(process: subprocess.Popen[str], hear: Callable[[Any], None]) -> str:
    """The last line that may be the answer."""
    last = ""
    for line in process.stdout or ():
        if line.startswith(_DOING):
            hear(json.loads(line)["doing"])
        elif line.startswith("{"):  # libraries print to stdout as well
            last = line
    return last


def _answer(task: str, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise _silence(task, done) from None
    if "failed" in answer:
        raise OdtoolError(answer["failed"], answer["hint"])
    return answer


def _silence(task: str, done: subprocess.CompletedProcess[str]) -> JobError:
    # Nobody looks for a question's process to kill it by hand, and in a container the kernel's count may be hidden.
    if lack := out_of_memory.explain_exit(done.returncode, None, done.stderr[-_LAST_WORDS:], kernel_killed=True):
        return NoMemoryError(f"engine {task}: {lack}", "Use a smaller model or batch, or another device.")
    ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return JobError(
        f"engine {task}: ended with {ending}: {lines[-1] if lines else 'it said nothing'}", "See: odtool doctor"
    )
