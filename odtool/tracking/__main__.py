"""`python -m odtool.tracking RUN_DIR follow|once`: the process that tells a tracker of a run, with no part in training.

The last line on stdout is a JSON object: what was told, and where. Exit code 1 where not all could be.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from odtool import locks, printable
from odtool.errors import OdtoolError
from odtool.jobs import state
from odtool.tracking import feed, place, tracker
from odtool.workspace import TASKS, Run

_PATIENCE_ONCE = 5.0
"""Seconds for a tracker that fails, where somebody waits."""


def main(folder: str, mode: str) -> int:
    run = Run(Path(folder))
    if mode == "follow":
        printable.keep_writing()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()

    try:
        known = place.load(run)
        if known is None:
            raise OdtoolError(f"run '{run.name}' has no tracker", "Name one: odtool track --to mlflow")
        brought = feed.Feed(run, tracker.find(known.tracker), say=say)
        patience = feed.PATIENCE if mode == "follow" else _PATIENCE_ONCE
        is_all = feed.follow(brought, find_state=lambda: _find_state(run, mode), say=say, patience=patience)
    except OdtoolError as error:
        sys.stdout.write(json.dumps({"failed": error.message, "hint": error.hint}) + "\n")
        return 1
    answer = {**asdict(brought.told), "remote": brought.place.remote, "all": is_all}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if is_all else 1


def _find_state(run: Run, mode: str) -> str:
    if mode == "follow" and any(locks.is_held(run.job_lock(task)) for task in TASKS):
        return "running"
    found = state.read(run, "train").state
    # Told once while training goes on: the end comes later.
    return "going on" if found == "running" else found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
