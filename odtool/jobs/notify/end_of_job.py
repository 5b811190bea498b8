"""`python -m odtool.jobs.notify.end_of_job`: the process that a supervisor leaves behind to say how a job has ended.

It holds no lock that a further start needs, and its end concerns nobody: what went wrong is in the run's notify.log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from odtool import locks, metrics
from odtool.errors import DataError
from odtool.jobs.notify import delivery
from odtool.jobs.state import JobState
from odtool.workspace import Run

VARIABLE = "ODTOOL_NOTIFY_TARGET"
"""By which the target reaches a supervisor, and from there this process: in no file and in no process's arguments,
as the address of a web hook is a secret."""
_POLL = 0.1
_PACKAGE_PARENT = Path(__file__).parents[3]
_LONGEST_REASON = 2000


def start(run: Run, task: str, state: JobState, target: str, lock: int | None) -> None:
    """Starts the process that tells `target` of a task's end, and does not wait for it.

    Args:
        lock: held for as long as it lives, for `wait`.
    """
    words = [sys.executable, "-m", "odtool.jobs.notify.end_of_job", str(run.path), task, json.dumps(state.as_json())]
    with run.log("notify").open("ab") as output:
        subprocess.Popen(
            words,
            env={**os.environ, VARIABLE: target},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=_PACKAGE_PARENT,
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
        )


def wait(run: Run, tasks: Sequence[str], *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns when all that is to be told of these tasks has been, or has failed.

    For a command in the foreground, with whose end a scheduler or a container ends everything else.
    """
    end = time.monotonic() + delivery.LONGEST
    while any(locks.is_held(run.notify_lock(task)) for task in tasks) and time.monotonic() < end:
        sleep(_POLL)


def describe(run: Run, task: str, state: dict[str, Any]) -> dict[str, Any]:
    """The message: how the task ended, and the newest figures of the run. A field that is not known is None."""
    step, scores = None, None
    try:
        newest = next((entry for entry in metrics.read_backwards(run.metrics)), None)
        step = newest.step if newest is not None else None
        scores = metrics.find_newest(run.metrics, "eval")
    except (OSError, DataError):  # the end is to be told all the same
        pass
    return {
        "run": run.name,
        "task": task,
        "state": state["state"],
        "exit_code": state["exit_code"],
        "reason": str(state["reason"])[:_LONGEST_REASON],
        "step": step,
        "metrics": None if scores is None else {"step": scores.step, **scores.values},
        "path": str(run.path),
        "started": state["started"],
        "time": time.time(),
    }


def main(folder: str, task: str, state: str) -> None:
    delivery.limit_time()
    target = os.environ.pop(VARIABLE)
    run = Run(Path(folder))

    def say(text: str) -> None:
        sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {task}: {text}\n")
        sys.stdout.flush()

    delivery.deliver(target, describe(run, task, json.loads(state)), say=say)


if __name__ == "__main__":
    main(*sys.argv[1:])
