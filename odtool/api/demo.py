"""The whole way on drawn images: prepare, configure, train and evaluate, by the API's own calls."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import locks, metrics
from odtool.api.data.prepare import prepare
from odtool.api.model.configure import configure
from odtool.api.requests import Notify, StrPath, ignore, takes
from odtool.api.run.status import RunStatus, find_running_tasks, read_status
from odtool.api.run.train import train
from odtool.api.tasks import engine_process
from odtool.api.tasks.engine_tasks import DetectTask
from odtool.dataset.progress import Progress, silent
from odtool.detection.metric_names import MAP_50_OF_CLASS
from odtool.errors import DataError, JobError
from odtool.jobs import devices, shutdown
from odtool.workspace import TASKS, Run, Workspace

if TYPE_CHECKING:
    from odtool.visual.box_drawing import DrawnBox

LEARNED = 0.4
"""mAP@[.5:.95] on the validation images from which the demo counts as having learned."""

_MARK = ".odtool-demo"
"""A file that says that a folder is a demo's, and may be drawn anew."""
_OWN = {_MARK, "workspace.json", "drawings", "data", "train", "detections", "detections.png"}
_RUN = "demo"
_IMAGES = 230
_VAL = 30 / 230
_CHECKPOINT_EVERY = 125
_SHOWN = 8
_SHOWN_SCORE = 0.5
"""Detections with a lower score are left out of the picture."""
_LOOK_EVERY = 0.5
"""Seconds between looks at the run."""


def _unwatched(_status: RunStatus) -> None:
    pass


@dataclass(frozen=True)
class DemoRequest:
    """What `odtool demo` is asked for."""

    folder: StrPath = "odtool-demo"
    """Folder to work in; created if needed."""
    _: KW_ONLY
    progress: Progress = field(default=silent, compare=False, repr=False)
    notify: Notify = field(default=ignore, compare=False, repr=False)
    watch: Callable[[RunStatus], None] = field(default=_unwatched, compare=False, repr=False)
    """Called twice a second while training and evaluation run."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo has made."""

    space: Workspace
    status: RunStatus
    ap50_by_class: Mapping[str, float]
    """mAP@.5 of each class at the best checkpoint."""
    seconds: Mapping[str, float]
    """By stage, in order."""
    picture: Path
    """Validation images with true and detected boxes."""

    @property
    def best(self) -> dict[str, Any]:
        """The step, value and checkpoint of the best evaluation."""
        best = self.status.eval.best
        return {"step": best.step, **best.values} if best else {"step": 0, "value": 0.0, "checkpoint": ""}

    def refuse_unlearned(self) -> None:
        """Raises JobError where the detector did not learn."""
        run, value = self.status.run, self.best["value"]
        if value < LEARNED:
            raise JobError(
                f"the detector did not learn: mAP@[.5:.95] {value:.3f}, expected at least {LEARNED}",
                f"Look into {run.log('train')} and {run.log('eval')}; odtool doctor says what may be wrong.",
            )


@takes(DemoRequest)
def demo(request: DemoRequest) -> DemoResult:
    """Draws images of two classes, trains a small detector on them and evaluates it, in minutes on a CPU.

    Raises:
        OdtoolError: the folder is not a demo's, or a stage fails.
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds[name] = round(time.monotonic() - began, 1)

    with fresh_workspace(Path(request.folder)) as space:
        with stage("draw and prepare"):
            _prepare(space, request)
        with stage("configure"):
            run = _configure(space, request)
        with stage("train and evaluate"):
            _train(run, request)
        with stage("draw the picture"):
            picture = _draw_picture(space, run, request)
        status = read_status(run)
        step = status.eval.best.step if status.eval.best else 0
        return DemoResult(space, status, _read_ap50_by_class(run, step), seconds, picture)


@contextmanager
def fresh_workspace(folder: Path) -> Iterator[Workspace]:
    """An empty workspace, locked while it lasts; an earlier demo there gives way, anything else does not."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise DataError(f"{folder}: not empty, and not a demo's", "Name another folder: odtool demo DIR")
    space = Workspace(folder.resolve())
    lock = locks.acquire(space.root / _MARK)
    if lock is None:
        raise _running(space)
    try:
        if any(find_running_tasks(run) for run in space.runs()):
            raise _running(space)
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


def _prepare(space: Workspace, request: DemoRequest) -> None:
    from odtool.dataset import synthetic

    drawings = synthetic.draw(space.root / "drawings", images=_IMAGES)
    request.notify(f"drew {_IMAGES} images with Pascal VOC annotations in {drawings}")
    prepared = prepare(drawings, val=_VAL, workspace=space.root, progress=request.progress)
    counts = ", ".join(f"{split.images} {name}" for name, split in prepared.summary.splits.items())
    request.notify(f"prepared {counts} images as TFRecords in {space.data.path}")


def _configure(space: Workspace, request: DemoRequest) -> Run:
    configured = configure("demo_ssd", run=_RUN, workspace=space.root)
    request.notify(f"configured {configured.run.pipeline_config} from {configured.source}")
    return configured.run


def _train(run: Run, request: DemoRequest) -> None:
    """Training and evaluation in the background, watched until they have ended."""
    started = train(run, gpu="cpu", evaluate=True, checkpoint_every=_CHECKPOINT_EVERY)
    logs = ", ".join(str(run.log(task)) for task in TASKS)
    request.notify(f"training in the background, evaluating beside it; logs: {logs}")

    def look(seconds: float) -> None:
        request.watch(read_status(run))
        time.sleep(max(seconds, _LOOK_EVERY))

    try:
        states = started.wait(sleep=look)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or another signal that ends the command
        with contextlib.suppress(JobError):  # where both have ended by themselves meanwhile
            shutdown.stop(run, TASKS, timeout=30)
        raise
    for task, ended in states.items():
        if ended.state != "finished":
            raise JobError(f"{task} {ended.describe()}", f"The whole log is in {run.log(task)}")


def _draw_picture(space: Workspace, run: Run, request: DemoRequest) -> Path:
    """Validation images with true and detected boxes, as the best checkpoint sees them."""
    from PIL import Image

    from odtool.visual import box_drawing

    request.notify("drawing what the best checkpoint finds in the validation images")
    output = space.root / "detections" / "detections.json"
    engine_process.ask(DetectTask(run=run, images=_SHOWN, output=output), environment=devices.CPU.environment)
    cells = []
    for entry in json.loads(output.read_text())["images"]:
        with Image.open(output.parent / entry["file"]) as image:
            cells.append(box_drawing.draw_boxes(image, list(_boxes(entry)), side=300))
    caption = f"White: true boxes. Coloured: detections with a score of at least {_SHOWN_SCORE:.0%}."
    picture = space.root / "detections.png"
    box_drawing.make_grid(cells, columns=4, caption=caption).save(picture)
    return picture


def _boxes(entry: dict[str, Any]) -> Iterator[DrawnBox]:
    from odtool.dataset.types import Box
    from odtool.visual.box_drawing import DrawnBox

    for item in [*entry["true"], *entry["detected"]]:
        score = item.get("score")
        if score is None or score >= _SHOWN_SCORE:
            yield DrawnBox(Box(*item["box"]), item["label"], item["class_id"], score)


def _read_ap50_by_class(run: Run, step: int) -> dict[str, float]:
    """mAP@.5 of each class at the checkpoint of this step."""
    scored = [line for line in metrics.read(run.metrics, "eval") if line.step == step]
    values = scored[-1].values if scored else {}
    return {
        name.removeprefix(MAP_50_OF_CLASS): value for name, value in values.items() if name.startswith(MAP_50_OF_CLASS)
    }
