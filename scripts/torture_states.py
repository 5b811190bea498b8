"""torture.py's garbage: what anybody could put in the place of a workspace's state files, and commands that meet it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from odtool.jobs import process, record
from odtool.workspace import Run, Workspace

PATIENCE = 600.0
"""Seconds after which a command hangs. The slowest takes three on a quiet machine, and a minute on one that is full of
other work."""
COMMANDS = (
    ("status", "r"),
    ("status", "r", "--json"),
    ("status",),
    ("status", "--watch", "--interval", "0.1"),
    ("logs", "r"),
    ("stop", "r"),
    ("check", "r", "--gpu", "nonsense"),
    ("train", "r", "--gpu", "nonsense"),
    ("configure", "--model", "demo_ssd", "--run", "other", "--dry-run"),
    ("configure", "--pipeline", "train/r/pipeline.config", "--run", "other", "--dry-run"),
    ("report", "r", "--gpu", "nonsense"),
    ("export", "r", "--gpu", "nonsense"),
    ("predict", "images", "--model", "r", "--gpu", "nonsense"),
    ("models",),
    ("prepare", "images", "--out", "data"),
)
"""Without an engine, which takes half a minute: those that would start one are refused for their GPU at last."""
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**400, -(10**30), 1e308, "", "x", "\ud800", "\x1b[2J", "9" * 5000,
    [], {}, [[]], {"a": 1}, [None],
)  # fmt: skip


def make_workspace(folder: Path) -> Workspace:
    """A data set of drawn images, a configured run, and the state of a training and an evaluation that have ended."""
    images = folder / "images"
    images.mkdir(parents=True)
    for number in range(6):
        picture = Image.new("RGB", (120, 90), "grey")
        ImageDraw.Draw(picture).rectangle((10, 10, 60, 50 + number), fill="red")
        picture.save(images / f"{number}.jpg")
        box = "<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>60</xmax><ymax>50</ymax></bndbox>"
        (images / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.jpg</filename><size><width>120</width><height>90</height>"
            f"<depth>3</depth></size><object><name>a</name>{box}</object></annotation>"
        )
    for words in (
        ("prepare", "images", "--val", "0.3"),
        ("configure", "--model", "demo_ssd", "--run", "r", "--steps", "8"),
    ):
        run_command(folder, words, check=True)
    space = Workspace(folder)
    _write_states(space.run("r"))
    return space


def _write_states(run: Run) -> None:
    started = time.time() - 100
    for task in ("train", "eval"):
        job = record.JobRecord(("python",), "/", started, 0, process.identify_machine(), pid=4_000_000, pid_start="1")
        record.save(run, task, job)
        record.save_outcome(run, task, record.Outcome("finished", "trained", started + 50, 4_000_000))
        run.log(task).write_text("12:00:00 step 1/8, loss 1.0\n")
        run.job_lock(task).touch()
    line = {"time": started + 1, "step": 4}
    values = {"DetectionBoxes_Precision/mAP": 0.5, "Loss/total_loss": 1.0, "images": 2, "seconds": 1.0}
    best = {"metric": "DetectionBoxes_Precision/mAP", "value": 0.5, "checkpoint": "best/ckpt-4", "sample_1_of_n": 1}
    entries = [
        {**line, "kind": "start", "step": 0, "values": {"num_steps": 8, "batch_size": 4, "keep_checkpoints": 5}},
        {**line, "kind": "train", "values": {"loss": 1.0, "learning_rate": 0.1, "steps_per_second": 2.0}},
        {**line, "kind": "recover", "values": {"reason": "out of memory", "batch_size": 2, "changes": [], "notes": []}},
        {**line, "kind": "eval", "values": {**values, "checkpoint": "ckpt-4", "sample_1_of_n": 1}},
        {**line, "kind": "best", "values": best},
        {**line, "kind": "not_finite", "values": {"losses": [1.0], "records": ["a"]}},
        {**line, "kind": "end", "values": {"state": "failed"}},
    ]
    run.metrics.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    run.best.mkdir()
    for folder in (run.path, run.best):
        for end in ("index", "data-00000-of-00001"):
            (folder / f"ckpt-4.{end}").write_bytes(b"no checkpoint")
        (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-4"\n')
    run.best_metrics.write_text(json.dumps({"step": 4, "time": started, **best, "metrics": values}))
    run.detections.write_text('{"checkpoint": "best/ckpt-4", "step": 4, "labels": {"1": "a"}, "sets": 1}\n')


def list_states(space: Workspace) -> list[Path]:
    """The files that are replaced by garbage."""
    run = space.run("r")
    files = [run.metrics, run.best_metrics, run.detections, run.pipeline_config, run.path / "checkpoint"]
    files += [place(task) for task in ("train", "eval") for place in (run.job_record, run.outcome, run.log)]
    return [*files, space.data.summary, space.data.label_map, space.data.problems]


def spoil(path: Path, chance: random.Random) -> str:
    """Replaces a file by garbage; says which."""
    if chance.random() < 0.6 and path.suffix in (".json", ".jsonl"):
        return _spoil_field(path, chance)
    kind = chance.choice(list(WHOLE))
    good = path.read_bytes()
    path.unlink()
    WHOLE[kind](path, good)
    return kind


WHOLE: dict[str, Callable[[Path, bytes], object]] = {  # given the file's path and what it held
    "empty": lambda path, _good: path.touch(),
    "absent": lambda _path, _good: None,
    "half": lambda path, good: path.write_bytes(good[: len(good) // 2]),
    "twice": lambda path, good: path.write_bytes(good * 2),
    "zeros": lambda path, good: path.write_bytes(bytes(len(good))),
    "not UTF-8": lambda path, good: path.write_bytes(b"\xff\xfe" + good),
    "nested lists": lambda path, _good: path.write_bytes(b"[" * 100_000 + b"\n"),
    "nested objects": lambda path, _good: path.write_bytes(b'{"a":' * 100_000 + b"\n"),
    "nested messages": lambda path, _good: path.write_bytes(b"model { " * 100_000 + b"\n"),
    "a long line": lambda path, good: path.write_bytes(good + b"x" * 100_000_000 + b"\n" + good),
    "one line of 400 digits": lambda path, _good: path.write_bytes(b"9" * 400 + b"\n"),
    "a list": lambda path, _good: path.write_bytes(b"[1, 2]\n"),
    "null": lambda path, _good: path.write_bytes(b"null\n"),
    "a pipe": lambda path, _good: os.mkfifo(path),
    "a folder": lambda path, _good: path.mkdir(),
    "endless": lambda path, _good: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path, _good: path.symlink_to(path.name),
}


def _spoil_field(path: Path, chance: random.Random) -> str:
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = chance.randrange(len(lines))
    content = json.loads(lines[number])
    places = list(_list_places(content))
    container, key = chance.choice(places)
    wrong = chance.choice(WRONG)
    if chance.random() < 0.1:
        del container[key]
        said = f"{key} is gone"
    else:
        container[key] = wrong
        said = f"{key} is {str(wrong)[:40]!r}"
    lines[number] = json.dumps(content)
    path.write_text("\n".join(lines) + "\n")
    return said


def _list_places(content: Any) -> Iterator[tuple[Any, Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items):
        yield content, key
        yield from _list_places(value)


def run_command(folder: Path, words: tuple[str, ...], *, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Raises subprocess.TimeoutExpired where it hangs."""
    return subprocess.run(
        [sys.executable, "-m", "odtool", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=check,
    )


def judge(done: subprocess.CompletedProcess[str]) -> str:
    """What is wrong with how a command ended; '' where it did its work or said why not."""
    if done.returncode not in (0, 1, 2):
        return f"ended with {done.returncode}"
    for words in ("internal error", "Traceback"):
        if words in done.stderr + done.stdout:
            return f"{words}: {done.stderr.strip().splitlines()[-1]}"
    if "\x1b" in done.stdout + done.stderr:
        return "an escape code reached the terminal"
    return ""


def attempt(template: Path, folder: Path, chance: random.Random) -> str:
    """One trial: what went wrong, with its circumstances; '' where nothing did."""
    shutil.copytree(template, folder, symlinks=True)
    try:
        path = chance.choice(list_states(Workspace(folder)))
        garbage = spoil(path, chance)
        words = chance.choice(COMMANDS)
        try:
            fault = judge(run_command(folder, words))
        except subprocess.TimeoutExpired:
            fault = "hangs"
        return f"{path.relative_to(folder)} ({garbage}): odtool {' '.join(words)}: {fault}" if fault else ""
    finally:
        shutil.rmtree(folder)
