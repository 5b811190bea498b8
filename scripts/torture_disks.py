"""torture.py's small disks: commands and writes on file systems of random size, which are nearly full."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import torture_kills
import torture_states

from odtool import metrics, shortage
from odtool.engine import checkpoints
from odtool.errors import OdtoolError
from odtool.workspace import Run


def is_possible() -> bool:
    """Whether this process may mount file systems."""
    return os.getuid() == 0


def prepare(template: Path) -> None:
    torture_states.make_workspace(template)


def attempt(template: Path, folder: Path, chance: random.Random) -> str:
    """One full disk, and what it has cost."""
    folder.mkdir()
    size = sum(path.stat().st_size for path in template.rglob("*") if path.is_file())
    kilobytes = size // 1024 + 4 * sum(1 for _ in template.rglob("*")) + chance.randrange(8, 400)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
    try:
        shutil.copytree(template, folder / "work", symlinks=True)
        return chance.choice([_save, _append, _prepare])(folder / "work", chance)
    finally:
        subprocess.run(["umount", folder], check=True)


def _save(work: Path, chance: random.Random) -> str:
    run = Run(work / "train" / "r")
    saved: list[int] = []
    try:
        for step in range(10, 10_000, 10):
            checkpoints.make_room(run, keep=10_000)
            checkpoints.save(run, torture_kills.Written("x" * chance.randrange(1, 60_000)), step)
            saved.append(step)
    except OdtoolError as error:
        if "full" not in error.message:
            return f"another error: {error}"
    except OSError as error:
        if (known := shortage.find(error)) is None or known.kind != "disk":
            return f"another error: {error}"
    checkpoints.clean(run)
    return "" if set(saved) <= set(run.checkpoints()) else f"lost of {saved}: {list(run.checkpoints())}"


def _append(work: Path, chance: random.Random) -> str:
    log, told = metrics.MetricsLog(work / "metrics.jsonl"), 0
    try:
        while True:
            log.write("train", told, {"losses": ["x" * chance.randrange(5_000)]})
            told += 1
    except OSError:
        pass
    shutil.rmtree(work / "images")
    log.write("end", told, {})
    steps = [entry.step for entry in metrics.read(work / "metrics.jsonl")]
    return "" if steps == [*range(told), told] else f"{told} lines were told, and {len(steps)} are there"


def _prepare(work: Path, chance: random.Random) -> str:
    if chance.random() < 0.7:
        with (work / "large").open("wb") as stream, suppress(OSError, ValueError):  # it is full already
            stream.write(bytes(shortage.measure_free(work) - chance.randrange(60_000)))
    before = {path.name: path.read_bytes() for path in (work / "data").iterdir()}
    done = torture_states.run_command(work, ("prepare", "images", "--out", "data", "--val", "0.4"))
    after = {path.name: path.read_bytes() for path in (work / "data").iterdir()}
    if done.returncode and after != before:
        return "a prepare that failed has changed data/"
    fault = torture_states.judge(done)
    return fault or ("" if not done.returncode or "full" in done.stderr else f"it does not say why: {done.stderr}")
