"""Questions that only the engine can answer, each put to a process of its own that answers in JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from odtool.cli import job
from odtool.errors import JobError, OdtoolError
from odtool.jobs import memory
from odtool.workspace import Run

_LAST_WORDS = 4000
"""Characters of what a process said in which the cause of its death is looked for."""


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
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise _silence(task, done) from None
    if "failed" in answer:
        raise OdtoolError(answer["failed"], answer["hint"])
    return answer


def _silence(task: str, done: subprocess.CompletedProcess[str]) -> JobError:
    # Nobody looks for a question's process to kill it by hand, and in a container the kernel's count may be hidden.
    if lack := memory.lack(done.returncode, None, done.stderr[-_LAST_WORDS:], kernel_killed=True):
        return NoMemoryError(f"engine {task}: {lack}", "Use a smaller model or batch, or another device.")
    ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return JobError(
        f"engine {task}: ended with {ending}: {lines[-1] if lines else 'it said nothing'}", "See: odtool doctor"
    )
