"""Workspace, Dataset and Run: the one place that spells paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.errors import JobError

TASKS = ("train", "eval")
"""The two tasks a run has a job and a log for."""

_CHECKPOINT_INDEX = re.compile(r"ckpt-(\d+)\.index")


@dataclass(frozen=True)
class Dataset:
    """A folder that `odtool prepare` wrote."""

    path: Path

    @property
    def label_map(self) -> Path:
        return self.path / "label_map.pbtxt"

    @property
    def summary(self) -> Path:
        """dataset.json: counts, sizes, problems, source, seed and versions."""
        return self.path / "dataset.json"

    @property
    def problems(self) -> Path:
        """problems.csv: every problem met while preparing, with its file."""
        return self.path / "problems.csv"

    def shard(self, split: str, index: int, count: int) -> Path:
        return self.path / f"{split}-{index:05d}-of-{count:05d}.tfrecord"

    def shards(self, split: str) -> list[Path]:
        return sorted(self.path.glob(f"{split}-[0-9]*-of-[0-9]*.tfrecord"))

    def fold(self, number: int) -> Dataset:
        """The set that validates on this fold, from 1: a whole data set folder inside of this one."""
        return Dataset(self.path / f"fold-{number}")

    def list_folds(self) -> list[Dataset]:
        """The folds that `odtool prepare --folds` wrote, in order."""
        numbers = sorted(int(path.name[5:]) for path in self.path.glob("fold-[1-9]*") if path.name[5:].isdecimal())
        return [self.fold(number) for number in numbers if self.fold(number).summary.is_file()]


@dataclass(frozen=True)
class Run:
    """A folder train/<run>/: everything that is known of one run is in it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def argument(self) -> str:
        """The name as it is typed in a shell."""
        return shlex.quote(self.name)

    @property
    def identity(self) -> tuple[int, int] | None:
        """What tells the folder from another of its name; None where there is none."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    @property
    def pipeline_config(self) -> Path:
        return self.path / "pipeline.config"

    @property
    def metrics(self) -> Path:
        """metrics.jsonl: one object a line with kind, step, time and values."""
        return self.path / "metrics.jsonl"

    @property
    def best(self) -> Path:
        """Folder of the checkpoint with the best evaluation so far."""
        return self.path / "best"

    @property
    def best_metrics(self) -> Path:
        """metrics.json beside the best checkpoint: its step, and all that its evaluation gave."""
        return self.best / "metrics.json"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    def log(self, task: str) -> Path:
        return self.path / f"{task}.log"

    def job_record(self, task: str) -> Path:
        """The supervisor's account of a task's process."""
        return self.jobs / f"{task}.json"

    def job_lock(self, task: str) -> Path:
        """Held (flock) for as long as the task's supervisor or process lives."""
        return self.jobs / f"{task}.lock"

    def notify_lock(self, task: str) -> Path:
        """Held for as long as somebody is being told of the task's end."""
        return self.jobs / f"{task}.notify.lock"

    def outcome(self, task: str) -> Path:
        """What the task's own process says of how it ended."""
        return self.jobs / f"{task}.outcome.json"

    def reserve(self, task: str) -> Path:
        """Space kept while a task runs, so that how it ended can be written on a full disk."""
        return self.jobs / f"{task}.reserve"

    @property
    def tracking(self) -> Path:
        """How far an experiment tracker has been told of the run."""
        return self.jobs / "tracking.json"

    @property
    def cluster_secret(self) -> Path:
        """What the processes that train this run together know, readable by its owner alone."""
        return self.jobs / "cluster.secret"

    def events(self, task: str) -> Path:
        """Folder of a task's TensorBoard event files, where the API's own loop puts them."""
        return self.path / task

    @property
    def evaluation_parts(self) -> Path:
        """eval-parts: a folder for each checkpoint that several machines evaluate together, with what each found."""
        return self.path / "eval-parts"

    @property
    def detections(self) -> Path:
        """detections.jsonl: what the checkpoint of the latest report finds in the evaluation records."""
        return self.path / "detections.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def preview(self) -> Path:
        return self.path / "preview.html"

    def checkpoint(self, step: int) -> Path:
        """Prefix of the checkpoint saved after `step` steps."""
        return self.path / f"ckpt-{step}"

    def checkpoints(self) -> dict[int, Path]:
        """Complete checkpoints by step, oldest first.

        A checkpoint is complete when its .index stands: TensorFlow renames it into place last.
        """
        return _checkpoints(self.path)

    def best_checkpoint(self) -> Path | None:
        """Prefix of the checkpoint kept in best/, or None."""
        checkpoints = _checkpoints(self.best)
        return checkpoints[max(checkpoints)] if checkpoints else None


@dataclass(frozen=True)
class ExportedModel:
    """A folder exported-models/<run>/ that `odtool export` wrote."""

    path: Path

    @property
    def record(self) -> Path:
        """export.json: what was exported from which checkpoint, the files, and how each was verified."""
        return self.path / "export.json"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def label_map(self) -> Path:
        return self.path / "label_map.pbtxt"

    @property
    def labels(self) -> Path:
        """labels.txt: a class a line, the first that of id 1."""
        return self.path / "labels.txt"

    @property
    def thresholds(self) -> Path:
        """thresholds.json: the best score of each class, where odtool report had found them."""
        return self.path / "thresholds.json"

    @property
    def pipeline_config(self) -> Path:
        return self.path / "pipeline.config"

    @property
    def checkpoint(self) -> Path:
        """Folder with the checkpoint, named ckpt-0 as the API's exporter names it."""
        return self.path / "checkpoint"

    @property
    def saved_model(self) -> Path:
        return self.path / "saved_model"

    @property
    def onnx(self) -> Path:
        return self.path / "model.onnx"

    def tflite(self, precision: str) -> Path:
        """The TFLite file whose weights are float32, float16 or int8."""
        return self.path / f"model_{precision}.tflite"


@dataclass(frozen=True)
class Predictions:
    """A folder that `odtool predict` wrote."""

    path: Path

    @property
    def detections(self) -> Path:
        """detections.jsonl: what was found in each image or frame."""
        return self.path / "detections.jsonl"

    @property
    def summary(self) -> Path:
        """predictions.json: numbers of images, objects by class, and problems."""
        return self.path / "predictions.json"

    @property
    def problems(self) -> Path:
        """problems.csv: what could not be read, and why."""
        return self.path / "problems.csv"

    @property
    def counts(self) -> Path:
        """counts.csv: objects by class for each image or frame."""
        return self.path / "counts.csv"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def parts(self) -> Path:
        """Folder beside this one in which the machines that share the work each put theirs, until they are joined."""
        return self.path.with_name(f"{self.path.name}.parts")

    def part(self, stem: str) -> Predictions:
        """One of them: a folder of predictions like this one."""
        return Predictions(self.parts / stem)

    @property
    def part_boxes(self) -> Path:
        """part.jsonl, in a part: each picture's boxes as they were found, unrounded, and where its files lie."""
        return self.path / "part.jsonl"

    @property
    def part_problems(self) -> Path:
        """part_problems.jsonl, in a part: what could not be read, with its place among all that there is to see."""
        return self.path / "part_problems.jsonl"


@dataclass(frozen=True)
class Workspace:
    """The folder a user works in: data/, model_zoo/, train/<run>/ and exported-models/<run>/ lie below it."""

    root: Path

    @property
    def identity(self) -> Path:
        """workspace.json: what tells this workspace from others, so that it is known again when it was moved."""
        return self.root / "workspace.json"

    @property
    def data(self) -> Dataset:
        return Dataset(self.root / "data")

    @property
    def model_zoo(self) -> Path:
        return self.root / "model_zoo"

    @property
    def train(self) -> Path:
        return self.root / "train"

    @property
    def exports(self) -> Path:
        return self.root / "exported-models"

    def exported(self, run: Run) -> ExportedModel:
        """Where a run's exported models lie, whether or not there are any."""
        return ExportedModel(self.exports / run.name)

    def run(self, name: str) -> Run:
        """The run of this name, whether or not it exists.

        Raises:
            JobError: the name would lead outside the train folder.
        """
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise JobError(f"'{name}' is not a run name", "Use a plain folder name such as my_run, without slashes.")
        return Run(self.train / name)

    def runs(self) -> list[Run]:
        """Configured runs, the most recently configured last."""
        configs = [path for path in self.train.glob("*/pipeline.config") if path.is_file()]
        configs.sort(key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
        return [Run(path.parent) for path in configs]

    def find_run(self, name: str | None) -> Run:
        """The run named, or the newest where none is named.

        Raises:
            JobError: there is no such run, or none at all.
        """
        runs = self.runs()
        if name is None:
            if not runs:
                raise JobError(f"no run in {self.train}", "Make one with: odtool configure")
            return runs[-1]
        candidate = self.run(name)
        if candidate.path not in [run.path for run in runs]:
            names = ", ".join(run.name for run in runs[-5:]) or "none yet"
            raise JobError(
                f"no run '{name}' in {self.train}",
                f"Runs there: {names}. Make one with: odtool configure --run {candidate.argument}",
            )
        return candidate


def _checkpoints(folder: Path) -> dict[int, Path]:
    return dict(sorted(_numbered(folder)))


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    for index in folder.glob("ckpt-*.index"):
        if match := _CHECKPOINT_INDEX.fullmatch(index.name):
            yield int(match[1]), index.with_suffix("")
