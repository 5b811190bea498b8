"""torture.py's trainings: real ones, with their evaluation, killed at random moments and on disks that fill up."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torture_disks
import torture_states

from odtool import shortage
from odtool.workspace import Run, Workspace

STEPS = 20
_TRAIN = ("train", "r", "--gpu", "cpu", "--eval", "--checkpoint-every", "4", "--keep-checkpoints", "2")
_STARTS = 6
"""After the faults, how often a training may be started until it is through."""
_LONGEST = 30.0
"""Seconds from a start to a kill, about as long as such a training takes where nothing else runs."""
_READ = (
    "import sys\nfrom tensorflow.python.training import py_checkpoint_reader as readers\n"
    "for prefix in sys.argv[1:]:\n"
    "    reader = readers.NewCheckpointReader(prefix)\n"
    "    for name in reader.get_variable_to_shape_map(): reader.get_tensor(name)\n"
)


def prepare(template: Path) -> None:
    """A run that was not trained yet."""
    from odtool.dataset import synthetic

    template.mkdir()
    synthetic.draw(template / "drawings", images=16)
    for words in (
        ("prepare", "drawings", "--val", "0.25"),
        ("configure", "--model", "demo_ssd", "--run", "r", "--steps", str(STEPS), "--batch-size", "2"),
    ):
        torture_states.run_command(template, words, check=True)


def attempt(template: Path, folder: Path, chance: random.Random) -> str:
    """One training with its faults, until it is through, and what was lost of it."""
    if chance.random() < 0.3 and torture_disks.is_possible():
        return _fill_disk(template, folder, chance)
    shutil.copytree(template, folder, symlinks=True)
    space, told = Workspace(folder), b""
    for _ in range(chance.randrange(1, 4)):
        if fault := _start(folder):
            return fault
        time.sleep(chance.uniform(0, _LONGEST))
        _kill(folder, chance)
        if fault := _compare(told, told := _read_lines(space.run("r"))):
            return fault
    return _finish(folder, told)


def _fill_disk(template: Path, folder: Path, chance: random.Random) -> str:
    """Training on a disk that has no room for all of its checkpoints, and again after there is room."""
    folder.mkdir()
    size = sum(path.stat().st_size for path in template.rglob("*") if path.is_file()) // 1024 + 1000
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size + chance.randrange(40_000)}k", "tmpfs", folder]
    subprocess.run(mount, check=True)
    try:
        work = folder / "work"
        shutil.copytree(template, work, symlinks=True)
        config = Workspace(work).run("r").pipeline_config
        before = config.read_bytes()
        if fault := _start(work, may_fail=True):
            return fault
        state = _await_end(work)
        if config.read_bytes() != before:
            return "a full disk has changed the config"
        if state["train"]["state"] == "failed" and not _names_disk(state["train"]["reason"]):
            return f"it does not say why: {state['train']['reason']}"
        told = _read_lines(Workspace(work).run("r"))
        subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
        return _finish(work, told)
    finally:
        for task in ("train", "eval"):
            _signal(_read_state(folder / "work").get(task, {}).get("pid"), signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=True)


def _names_disk(reason: str | None) -> bool:
    known = shortage.find_in_text(reason or "")
    return known is not None and known.kind == "disk"


def _start(folder: Path, *, may_fail: bool = False) -> str:
    """Starts what does not run: a kill may have left the one or the other."""
    state = _read_state(folder)
    is_trained = bool(state) and state["train"]["state"] == "finished"
    done = torture_states.run_command(folder, ("eval", "r", "--gpu", "cpu") if is_trained else _TRAIN)
    if fault := torture_states.judge(done):
        return fault
    if not done.returncode or may_fail or "already running" in done.stderr:
        return ""
    return f"the next start fails: {done.stderr}"


def _read_state(folder: Path) -> dict[str, Any]:
    done = torture_states.run_command(folder, ("status", "r", "--json"))
    state: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return state


def _await_end(folder: Path) -> dict[str, Any]:
    """The state after both tasks have ended."""
    began = time.monotonic()
    while time.monotonic() - began < torture_states.PATIENCE:
        state = _read_state(folder)
        if state and "running" not in (state["train"]["state"], state["eval"]["state"]):
            return state
        time.sleep(1)
    raise subprocess.TimeoutExpired(["odtool", *_TRAIN], torture_states.PATIENCE)


def _kill(folder: Path, chance: random.Random) -> None:
    """Of training, evaluation and their supervisors some, or all."""
    state = _read_state(folder)
    pids = [state[task]["pid"] for task in ("train", "eval") if state and state[task]["state"] == "running"]
    for pid in list(pids):
        with suppress(psutil.Error):
            parent = psutil.Process(pid).parent()
            if parent is not None and "odtool.jobs" in " ".join(parent.cmdline()):
                pids.append(parent.pid)
    chance.shuffle(pids)
    for pid in pids[: chance.randrange(1, len(pids) + 1)] if pids else ():
        _signal(pid, signal.SIGKILL)


def _signal(pid: int | None, number: int) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _read_lines(run: Run) -> bytes:
    """The whole lines of metrics.jsonl."""
    content = run.metrics.read_bytes() if run.metrics.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _compare(before: bytes, after: bytes) -> str:
    return "" if after.startswith(before) else "lines of metrics.jsonl are gone"


def _finish(folder: Path, told: bytes) -> str:
    """Starts until the training is through; what is then missing."""
    run = Workspace(folder).run("r")
    for _ in range(_STARTS):
        state = _await_end(folder)
        if (state["train"]["state"], state["eval"]["state"]) == ("finished", "finished"):
            break
        if fault := _start(folder):
            return fault
    else:
        return f"it does not finish: {state['train']}, {state['eval']}"
    prefixes = [str(prefix) for prefix in run.checkpoints().values()]
    best = run.best_checkpoint()
    checks = {
        _compare(told, _read_lines(run)): "",
        f"ended at step {state['train']['step']}": state["train"]["step"] == STEPS,
        f"last evaluated at {state['eval']['metrics']}": state["eval"]["metrics"]["step"] == STEPS,
        f"no checkpoint of the last step: {prefixes}": STEPS in run.checkpoints(),
        "best/ is gone": best is not None,
        f"left behind: {_list_leftovers(run)}": not _list_leftovers(run),
        "a checkpoint cannot be read": _can_read([*prefixes, str(best)]),
    }
    return "; ".join(fault for fault, passed in checks.items() if fault and not passed)


def _list_leftovers(run: Run) -> list[str]:
    return [path.name for place in (run.path, run.jobs, run.best) for path in place.glob(".*")]


def _can_read(prefixes: list[str]) -> bool:
    """By TensorFlow: each tensor has its checksum."""
    done = subprocess.run([sys.executable, "-c", _READ, *prefixes], capture_output=True, check=False)
    return done.returncode == 0
