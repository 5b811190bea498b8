"""The batch script of docs/howto/several_machines.md, as it is written there, in a Slurm cluster of two nodes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "howto" / "several_machines.md"
(SCRIPT,) = re.findall(r"```sh\n(#!/bin/sh\n#SBATCH.*?)```", PAGE.read_text(), flags=re.DOTALL)

QUEUE = """
# No node here has a GPU. What follows overrides what the script asks for.
id=$(sbatch --parsable --gpus-per-node=0 --output=job.log job.sh) || exit 1
has_ended() { scontrol show job "$id" | grep -Eq 'JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT)'; }
"""
REPORT = """
until has_ended; do sleep 0.2; done
scontrol show job "$id" | grep -Eo '(JobState|Restarts|ExitCode)=[^ ]*'
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("restarts", "queued"), [("", True), ("9", True), ("10", False)])
def test_a_job_is_queued_again_ten_times_and_keeps_its_exit_code(tmp_path: Path, restarts: str, queued: bool) -> None:
    write_program(tmp_path / "bin" / "srun", "exit 75")
    write_program(tmp_path / "bin" / "scontrol", 'echo "$@" > queued')
    (tmp_path / "job.sh").write_text(SCRIPT)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    environment |= {"SLURM_RESTART_COUNT": restarts} if restarts else {}
    done = subprocess.run(["sh", "job.sh"], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 75
    assert (tmp_path / "queued").exists() == queued
    assert not queued or (tmp_path / "queued").read_text() == "requeue 7\n"


@pytest.fixture
def in_cluster(tmp_path: Path, load_script: Callable[[str], Any]) -> Callable[[str], str]:
    """Runs a shell script in a cluster of two nodes, with job.sh beside it, and gives what it printed."""
    if obstacle := load_script("slurm_cluster").find_obstacle():
        pytest.skip(f"no Slurm cluster here: {obstacle}")
    (tmp_path / "job.sh").write_text(SCRIPT)

    def run(scenario: str) -> str:
        command = [sys.executable, ROOT / "scripts" / "slurm_cluster.py", "--folder", tmp_path / "cluster"]
        done = subprocess.run(
            [*command, "--", "sh", "-c", QUEUE + scenario + REPORT],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        log = tmp_path / "job.log"
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}"
        return done.stdout

    return run


@pytest.mark.slow
def test_a_stopped_job_goes_on_in_a_further_allocation(tmp_path: Path, in_cluster: Callable[[str], str]) -> None:
    write_program(
        tmp_path / "bin" / "odtool",
        'echo "start ${SLURM_RESTART_COUNT:-0}, task $SLURM_PROCID: odtool $*"\n'
        '[ "$SLURM_RESTART_COUNT" = 1 ] || exit 75',
    )
    assert in_cluster("").split() == ["JobState=COMPLETED", "Restarts=1", "ExitCode=0:0"]
    lines = sorted(line for line in (tmp_path / "job.log").read_text().splitlines() if line.startswith("start"))
    command = "odtool train my_run --gpu 0,1 --foreground --time-limit 23h50m"
    # Of both starts: the second did not take the place of the first one's log.
    assert lines == [f"start {start}, task {task}: {command}" for start in (0, 1) for task in (0, 1)]
