"""odtool demo: the whole way on drawn images, each step by the same calls as the commands'."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool import locks, metrics, units
from odtool.cli import console, job, status
from odtool.cli import train as train_command
from odtool.cli.console import DebugOption, JsonOption
from odtool.detection.metric_names import MAP, MAP_50_OF_CLASS
from odtool.errors import DataError, JobError
from odtool.jobs import devices, log, shutdown, state, training_progress
from odtool.workspace import TASKS, Run, Workspace

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.visual.box_drawing import DrawnBox

LEARNED = 0.4
"""mAP@[.5:.95] on the validation images from which the demo counts as having learned."""

"""What the API calls one class's mAP@.5; the class's name follows."""
_MARK = ".odtool-demo"
_OWN = {_MARK, "drawings", "data", "train", "detections", "detections.png"}
_RUN = "demo"
"""A file that says that a folder is a demo's, and may be drawn anew."""
_IMAGES = 230
_VAL = 30 / 230
_CHECKPOINT_EVERY = 150
_SHOWN = 8
_SHOWN_SCORE = 0.5
"""Detections with a lower score are left out of the picture."""
_LOOK_EVERY = 0.5
"""Seconds between looks at the run."""
_PLAIN_LINE_EVERY = 10.0
"""Seconds between progress lines where there is no terminal."""


@dataclass
class _Clock:
    """Seconds by stage, in the order in which the stages ended."""

    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.stages[name] = round(time.monotonic() - began, 1)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to work; made if need be.")] = Path(
        "odtool-demo"
    ),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Go the whole way on drawn images of two classes: prepare, configure, train and evaluate, in minutes on a CPU.

    Exits with 1 where the detector did not learn.

    Example: `odtool demo /tmp/demo`
    """
    with _fresh(folder) as space:
        _go_the_way(space, as_json=as_json)


def _go_the_way(space: Workspace, *, as_json: bool) -> None:
    clock = _Clock()
    with clock.stage("draw and prepare"):
        _prepare(space)
    with clock.stage("configure"):
        run = _configure(space)
    with clock.stage("train and evaluate"):
        _train(space, run)
    with clock.stage("draw the picture"):
        picture = _picture(space, run)
    account = status.account(run)
    best = account["eval"]["best"] or {"step": 0, "value": 0.0, "checkpoint": ""}
    account["eval"]["best"] = best
    by_class = _ap50_by_class(run, best["step"])
    payload = {**account, "ap50_by_class": by_class, "seconds": clock.stages, "picture": str(picture)}
    console.show(payload, as_json=as_json, render=lambda out: _render(out, space, run, payload))
    if best["value"] < LEARNED:
        raise JobError(
            f"the detector did not learn: mAP@[.5:.95] {best['value']:.3f}, expected at least {LEARNED}",
            f"Look into {run.log('train')} and {run.log('eval')}; odtool doctor says what may be wrong.",
        )


@contextmanager
def _fresh(folder: Path) -> Iterator[Workspace]:
    """An empty workspace, locked while it lasts; an earlier demo there gives way, anything else does not."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise DataError(f"{folder}: not empty, and not a demo's", "Name another folder: odtool demo DIR")
    space = Workspace(folder.resolve())
    lock = locks.acquire(space.root / _MARK)
    if lock is None:
        raise _running(space)
    try:
        _refuse_while_running(space)
        _clear(space)
        yield space
    finally:
        os.close(lock)


def _clear(space: Workspace) -> None:
    foreign = sorted({path.name for path in space.root.iterdir()} - _OWN)
    foreign += sorted(f"{space.train.name}/{path.name}" for path in space.train.glob("*") if path.name != _RUN)
    if foreign:
        raise DataError(
            f"{space.root}: holds {foreign[0]}, which is not a demo's", "Name another folder: odtool demo DIR"
        )
    for name in _OWN - {_MARK}:
        path = space.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _running(space: Workspace) -> JobError:
    return JobError(
        f"{space.root}: a demo is running there",
        f"End it with: odtool stop --workspace {shlex.quote(str(space.root))}; or name another folder.",
    )


def _refuse_while_running(space: Workspace) -> None:
    for run in space.runs():
        for task in TASKS:
            if state.read(run, task).state == "running":
                raise _running(space)


def _prepare(space: Workspace) -> None:
    from odtool.dataset import prepare, synthetic
    from odtool.dataset.types import Source

    drawings = synthetic.draw(space.root / "drawings", images=_IMAGES)
    console.say(f"drew {_IMAGES} images with Pascal VOC annotations in {drawings}")
    settings = prepare.PrepareSettings(sources=(Source(drawings),), out=space.data.path, val=_VAL)
    prepared = prepare.prepare(settings, progress=console.progress)
    counts = ", ".join(f"{split.images} {name}" for name, split in prepared.summary.splits.items())
    console.say(f"prepared {counts} images as TFRecords in {space.data.path}")


def _configure(space: Workspace) -> Run:
    from odtool.pipeline.configure import configuration

    configured = configuration.configure(space, configuration.ConfigureSettings(model="demo_ssd", run=_RUN))
    console.say(f"configured {configured.run.pipeline_config} from {configured.source}")
    return configured.run


def _train(space: Workspace, run: Run) -> None:
    """Training and evaluation in the background, and one line that follows both until they have ended."""
    options: list[object] = ["--checkpoint-every", _CHECKPOINT_EVERY, "--keep-checkpoints", 5]
    train_command.start(space, run, options, _cpu(), evaluate=True)
    console.say(f"training in the background, evaluating beside it; logs: {run.log('train')}, {run.log('eval')}")
    try:
        with _line() as show:
            while not _ended(run):
                show(_progress_line(run))
                time.sleep(_LOOK_EVERY)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or another signal that ends the command
        with contextlib.suppress(JobError):  # where both have ended by themselves meanwhile
            shutdown.stop(run, TASKS, timeout=30)
        raise
    for task in TASKS:
        ended = state.read(run, task)
        if ended.state != "finished":
            raise JobError(f"{task} {job.describe(ended)}", f"The whole story is in {run.log(task)}")


def _ended(run: Run) -> bool:
    return all(state.read(run, task).state != "running" for task in TASKS)


def _progress_line(run: Run) -> str:
    progress = training_progress.read(run.metrics)
    if not progress.step:
        trained = "train: loading TensorFlow and building the model"
    else:
        trained = f"train: step {progress.step}/{progress.num_steps}, loss {progress.loss or 0:.3f}"
        # A rate and a time left say nothing once the last step is done.
        if progress.step != progress.num_steps and progress.steps_per_second and progress.eta_seconds is not None:
            trained += f", {progress.steps_per_second:.1f} steps/s, {units.format_duration(progress.eta_seconds)} left"
    scored = metrics.find_newest(run.metrics, "eval")
    if scored is None:
        return f"{trained} | eval: waiting for the first checkpoint"
    return f"{trained} | eval: step {scored.step}, mAP {scored.values.get(MAP) or 0:.3f}"


@contextmanager
def _line() -> Iterator[Callable[[str], None]]:
    """One line that is written over on a terminal, or a line every ten seconds elsewhere."""
    if console.stderr.is_terminal:
        with console.stderr.status("") as spinner:
            yield spinner.update
        return
    last = float("-inf")

    def show(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _PLAIN_LINE_EVERY:
            last = time.monotonic()
            console.say(text)

    yield show


def _picture(space: Workspace, run: Run) -> Path:
    """Validation images with true and detected boxes, as the best checkpoint sees them."""
    found = space.root / "detections" / "detections.json"
    command = job.engine_command("detect", run, "--images", _SHOWN, "--output", found)
    environment = {**job.engine_environment(), **_cpu().environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise JobError(f"detection failed: {log.find_error(done.stderr)}", f"Try it: {' '.join(command)}")
    return _draw(found, space.root / "detections.png")


def _draw(found: Path, picture: Path) -> Path:
    from PIL import Image

    from odtool.visual import box_drawing

    cells = []
    for entry in json.loads(found.read_text())["images"]:
        with Image.open(found.parent / entry["file"]) as image:
            cells.append(box_drawing.draw_boxes(image, list(_boxes(entry)), side=300))
    caption = f"White: true boxes. Coloured: detections with a score of at least {_SHOWN_SCORE:.0%}."
    box_drawing.make_grid(cells, columns=4, caption=caption).save(picture)
    return picture


def _boxes(entry: dict[str, Any]) -> Iterator[DrawnBox]:
    from odtool.dataset.types import Box
    from odtool.visual.box_drawing import DrawnBox

    for found in [*entry["true"], *entry["detected"]]:
        score = found.get("score")
        if score is None or score >= _SHOWN_SCORE:
            yield DrawnBox(Box(*found["box"]), found["label"], found["class_id"], score)


def _cpu() -> devices.DeviceChoice:
    return devices.choose(devices.Inventory(()), "cpu")


def _render(out: Console, space: Workspace, run: Run, payload: dict[str, Any]) -> None:
    train, best = payload["train"], payload["eval"]["best"]
    rows: list[list[Any]] = [
        ["steps", f"{train['step']} of {train['num_steps']}"],
        ["loss", f"{train['loss']:.3f}"],
        ["mAP@[.5:.95]", f"{best['value']:.3f}, at step {best['step']}"],
        *([f"mAP@.5 of {label}", f"{value:.3f}"] for label, value in payload["ap50_by_class"].items()),
        *([f"time to {stage}", units.format_duration(seconds)] for stage, seconds in payload["seconds"].items()),
        ["records", str(space.data.path)],
        ["run", str(run.path)],
        ["best checkpoint", str(run.path / best["checkpoint"])],
        ["picture", payload["picture"]],
    ]
    table = console.table("", ["", ""], rows)
    table.columns[1].min_width = max(len(row[1]) for row in rows)  # paths are for copying, whatever the width
    out.print(table)


def _ap50_by_class(run: Run, step: int) -> dict[str, float]:
    """mAP@.5 of each class at the checkpoint of this step."""
    scored = [line for line in metrics.read(run.metrics, "eval") if line.step == step]
    values = scored[-1].values if scored else {}
    return {
        name.removeprefix(MAP_50_OF_CLASS): value
        for name, value in values.items()
        if name.startswith(MAP_50_OF_CLASS) and value is not None
    }
