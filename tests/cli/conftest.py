"""The odtool command in this process, on a workspace whose engine is a small script that stands in for the real one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odtool import locks
from odtool.jobs import record, shutdown
from odtool.workspace import TASKS, Run

ENGINE = """
import json, os, pathlib, signal, sys, time
task, run = sys.argv[1], pathlib.Path(sys.argv[2])
seen = {"argv": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ), "nice": os.nice(0)}
(run / f"{task}.seen.json").write_text(json.dumps(seen))

def end(state, reason, code, **more):
    said = {"state": state, "reason": reason, "time": time.time(), "pid": os.getpid(), **more}
    (run / "jobs" / f"{task}.outcome.json").write_text(json.dumps(said))
    sys.exit(code)

def save(*_):
    print(task, "saves", flush=True)
    end("stopped", "by a signal, after saving", 0)

signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
print(task, "begins", flush=True)
if task == "train" and (run / "hungry").exists():
    (run / "hungry").unlink()
    end("failed", "out of memory: told to", 1, out_of_memory=True)
if (run / "fail").exists():
    print("ValueError: told to fail", flush=True)
    end("failed", "told to fail", 1)
while not (run / "finish").exists():
    time.sleep(0.01)
end("finished", "", 0)
"""


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        return dict(json.loads(line))


@pytest.fixture
def odtool(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs one odtool command as its entry point does."""
    from odtool.cli import main

    def command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["odtool", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capsys.readouterr())

    return command


@pytest.fixture
def job_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Callable[[Callable[[], object]], None]
) -> Iterator[Run]:
    """A configured run in the current folder, whose engine is the script above and whose data pass every check."""
    from odtool.api.tasks import engine_process
    from odtool.pipeline.checks import check_list, training_length

    root = tmp_path / "a b"
    run = Run(root / "train" / "first")
    run.path.mkdir(parents=True)
    run.pipeline_config.touch()
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    monkeypatch.chdir(root)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(script)))

    def check_run(path: Path, *, devices: int) -> SimpleNamespace:
        training_length.refuse_batch_size(9, devices)
        return SimpleNamespace(num_steps=300)

    monkeypatch.setattr(check_list, "check_run", check_run)
    yield run
    for task in TASKS:
        left = record.load(run, task)
        if left is not None:
            shutdown.kill_now(run, task, left, "the test is over")
        until(lambda task=task: not locks.is_held(run.job_lock(task)))  # type: ignore[misc]  # bound now, called now


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nvidia-smi that lists two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, Big, 81559, GPU-a, 81000'\necho '1, Small, 8192, GPU-b, 8100'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No nvidia-smi at all."""
    monkeypatch.setenv("PATH", str(tmp_path))
