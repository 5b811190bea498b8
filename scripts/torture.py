"""Faults that a user's machine may have, done for real to what odtool keeps on disk and listens on.

    sudo .venv/bin/python scripts/torture.py --trials 1000

Campaigns: `kills` (a real SIGKILL at a call that changes a name on disk, and at random moments of a command), `disks`
(file systems of random size, which takes root), `states` (garbage in the place of state files), `strangers` (bytes
sent to where processes of one training meet) and `trainings` (whole ones, killed again and again and on disks that fill
up; each takes minutes). Each trial is new; --seed repeats them. Prints what was tried, what survived and what was lost,
and exits with 1 where anything was.
"""

from __future__ import annotations

import argparse
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torture_disks
import torture_kills
import torture_states
import torture_strangers
import torture_trainings

Attempt = Callable[[Path, Path, random.Random], str]
"""Given a template and a folder of its own, says what was lost; '' where nothing was."""


@dataclass(frozen=True)
class Campaign:
    """One kind of fault."""

    prepare: Callable[[Path], object]
    """Makes the template that its trials share."""
    attempt: Attempt
    share: float
    """Of all trials."""
    workers: int = 2


CAMPAIGNS = {
    "kills": Campaign(torture_kills.prepare, torture_kills.attempt, 0.49),
    "disks": Campaign(torture_disks.prepare, torture_disks.attempt, 0.1, workers=1),
    "states": Campaign(torture_states.make_workspace, torture_states.attempt, 0.2),
    "strangers": Campaign(torture_strangers.prepare, torture_strangers.attempt, 0.2),
    "trainings": Campaign(torture_trainings.prepare, torture_trainings.attempt, 0.01),
}


def run(name: str, trials: int, seed: int, root: Path) -> int:
    """The number of trials that lost something."""
    campaign = CAMPAIGNS[name]
    template = root / name
    campaign.prepare(template)
    began, lost = time.monotonic(), 0

    def attempt(number: int) -> str:
        folder = root / f"{name}-{number}"
        try:
            fault = campaign.attempt(template, folder, random.Random(f"{name} {seed} {number}"))
        except subprocess.TimeoutExpired as error:
            fault = f"hangs: {shlex.join(map(str, error.cmd))}"
        shutil.rmtree(folder, ignore_errors=True)
        return fault

    with ThreadPoolExecutor(campaign.workers) as pool:
        for number, fault in enumerate(pool.map(attempt, range(trials))):
            if fault:
                lost += 1
                sys.stdout.write(f"{name} {number}: {fault}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"{name:10} tried {trials:5,}   survived {trials - lost:5,}   lost {lost:3}   {seconds:.0f} s\n")
    sys.stdout.flush()
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="of all campaigns together")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other trials")
    parser.add_argument("--campaign", choices=CAMPAIGNS, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    names = options.campaign or list(CAMPAIGNS)
    if not torture_disks.is_possible():
        sys.stdout.write("disks      NOT TRIED: mounting file systems takes root\n")
        names = [name for name in names if name != "disks"]
    total = sum(CAMPAIGNS[name].share for name in names)
    lost = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        for name in names:
            lost += run(name, round(options.trials * CAMPAIGNS[name].share / total), options.seed, Path(folder))
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
