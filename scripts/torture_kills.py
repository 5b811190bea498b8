"""torture.py's kills: a process killed at a call that changes a name on disk, or a command at a random moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torture_states

from odtool import metrics, output_folder
from odtool.engine import best_checkpoint, checkpoints
from odtool.jobs import record
from odtool.workspace import Run

NAMES = {f"os.{name}" for name in ("rename", "link", "symlink", "remove", "mkdir", "rmdir")} | {"ctypes.dlsym"}
DATA = "data-00000-of-00001"


class Written:
    """Stands in for tf.train.Checkpoint: two small files that belong together."""

    def __init__(self, content: str) -> None:
        self.save_counter = self
        self._content = content

    def assign_add(self, _: int) -> None:
        pass

    def write(self, prefix: str) -> None:
        for end in (DATA, "index"):
            Path(f"{prefix}.{end}").write_text(self._content)


def prepare(template: Path) -> None:
    torture_states.make_workspace(template)


def attempt(template: Path, folder: Path, chance: random.Random) -> str:
    """One kill, and what it has cost."""
    shutil.copytree(template, folder, symlinks=True)
    work = chance.choice([_kill_file, _kill_save, _kill_best, _kill_output, _kill_metrics, _kill_prepare])
    return work(folder, chance)


def _kill_at(count: int, work: Callable[[], object]) -> None:
    """Does `work` in a forked process, which dies at its call number `count` that changes a name or opens to write."""
    pid = os.fork()
    if pid == 0:
        passed = iter(range(count))

        def look(event: str, arguments: tuple[object, ...]) -> None:
            mode = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
            if (mode & (os.O_WRONLY | os.O_RDWR) or event in NAMES) and next(passed, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(look)
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _find_hidden(folder: Path) -> str:
    names = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return f"left behind: {names}" if names else ""


def _kill_file(folder: Path, chance: random.Random) -> str:
    run = Run(folder / "train" / "r")
    before = record.load(run, "train")
    assert before is not None
    after = record.JobRecord(**{**vars(before), "retried": 5})
    _kill_at(chance.randrange(6), lambda: record.save(run, "train", after))
    if record.load(run, "train") not in (before, after):
        return "a record is neither old nor new"
    record.save(run, "train", after)
    return _find_hidden(run.jobs)


def _kill_save(folder: Path, chance: random.Random) -> str:
    run = Run(folder / "train" / "r")
    for step in (10, 20):
        checkpoints.save(run, Written(f"old {step}"), step)
    step = chance.choice([20, 30])
    _kill_at(chance.randrange(24), lambda: checkpoints.save(run, Written(f"new {step}"), step))
    checkpoints.clean(run)
    for number, prefix in run.checkpoints().items():
        contents = {prefix.with_name(f"{prefix.name}.{end}").read_text() for end in (DATA, "index")}
        if len(contents) != 1:
            return f"ckpt-{number} is torn: {contents}"
    return "" if {10, 20} <= set(run.checkpoints()) else f"only {list(run.checkpoints())} are left"


def _kill_best(folder: Path, chance: random.Random) -> str:
    run = Run(folder / "train" / "r")
    for step in (10, 20):
        checkpoints.save(run, Written(f"checkpoint {step}"), step)

    def keep(step: int) -> None:
        best_checkpoint.keep(run, run.checkpoint(step), step, {"checkpoint": f"best/ckpt-{step}"})

    keep(10)
    _kill_at(chance.randrange(24), lambda: keep(chance.choice([10, 20])))
    prefix = run.best_checkpoint()
    if prefix is None:
        return "best/ is gone"
    contents = {prefix.with_name(f"{prefix.name}.{end}").read_text() for end in (DATA, "index")}
    best_checkpoint.recover(run)
    return f"best/ is torn: {contents}" if len(contents) != 1 else _find_hidden(run.path)


def _kill_output(folder: Path, chance: random.Random) -> str:
    out = folder / "predictions"

    def write(content: str) -> None:
        with output_folder.replacing(out, command="torture", refuse=lambda _: None) as new:
            for name in ("a", "b"):
                (new / name).write_text(content)

    write("old")
    _kill_at(chance.randrange(24), lambda: write("new"))
    contents = {(out / name).read_text() for name in ("a", "b")} if out.is_dir() else {"absent"}
    if contents not in ({"old"}, {"new"}):
        return f"the folder is torn: {contents}"
    write("next")
    return _find_hidden(folder)


def _kill_metrics(folder: Path, chance: random.Random) -> str:
    """A writer killed at a random moment, and the lines that it had written before."""
    path = folder / "metrics.jsonl"
    code = (
        "import sys; from pathlib import Path; from odtool.metrics import MetricsLog\n"
        "log = MetricsLog(Path(sys.argv[1]))\n"
        "for step in range(10**6): log.write('train', step, {'loss': 1.0}); print(step, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        time.sleep(chance.uniform(0.2, 0.6))
        process.kill()
        told = process.communicate()[0].splitlines()
    metrics.MetricsLog(path).write("end", 0, {})
    steps = [entry.step for entry in metrics.read(path, "train")]
    return "" if steps[: len(told)] == list(range(len(told))) else f"{len(told)} lines told, {len(steps)} there"


def _kill_prepare(folder: Path, chance: random.Random) -> str:
    before = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    command = [sys.executable, "-m", "odtool", "prepare", "images", "--out", "data", "--val", "0.4", "--seed", "7"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(chance.uniform(0, 1.5))
        process.kill()
    after = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    if after != before and "dataset.json" not in after:
        return "data/ is torn"
    done = torture_states.run_command(folder, ("prepare", "images", "--out", "data", "--val", "0.4", "--seed", "7"))
    return f"the next prepare fails: {done.stderr}" if done.returncode else _find_hidden(folder)
