"""study.json and trial.json: what a study looks for, and which trial a run is; written once, read by anyone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from odtool import __version__, files, state_files
from odtool.errors import JobError
from odtool.state_files import Range, StateError
from odtool.tuning.parameters import Hyperparameter, Value
from odtool.tuning.study_folder import StudyFolder

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class StudySettings:
    """What holds for all trials of a study, from its first to its last."""

    metric: str
    """Name of the metric that trials are compared by, as metrics.jsonl has it."""
    parameters: tuple[Hyperparameter, ...]
    steps: Annotated[int, Range(1, 2**32 - 1)] | None
    """Of a trial with the base's batch size; the base's own where it is None."""
    evaluations: Annotated[int, Range(1, 10**6)]
    """Of each trial, at equal distances; the last at its end."""
    seed: Annotated[int, Range(0, 2**63 - 1)]
    odtool: str = __version__

    @property
    def is_loss(self) -> bool:
        """Whether lower is better."""
        return self.metric.startswith("Loss/")


@dataclass(frozen=True)
class TrialRecord:
    """What a trial's run is."""

    study: str
    """Name of the run that the study belongs to."""
    number: Annotated[int, Range(0, 10**9)]
    values: dict[str, Value]


def read_settings(folder: StudyFolder) -> StudySettings:
    """The settings of a study.

    Raises:
        JobError: the run has none, or study.json is not one of this version.
    """
    if not folder.settings.is_file():
        raise JobError(f"run '{folder.run.name}' has no study", f"Begin one with: odtool tune {folder.run.argument}")
    return _read(folder.settings, StudySettings)


def find_base(folder: StudyFolder) -> Path:
    """The base config: the run's own file where it is as it was, as its paths follow a workspace that was moved."""
    own = folder.run.pipeline_config
    return own if own.is_file() and own.read_bytes() == folder.base_config.read_bytes() else folder.base_config


def write_settings(folder: StudyFolder, settings: StudySettings) -> None:
    _write(folder.settings, asdict(settings))


def read_trial(folder: StudyFolder, number: int) -> TrialRecord:
    """Raises JobError where the trial's run is not there, or is not this study's."""
    path = folder.trial_record(number)
    if not path.is_file():
        raise JobError(f"{path}: no such file", "Name a trial that odtool tune has begun.")
    record = _read(path, TrialRecord)
    if (record.study, record.number) != (folder.run.name, number):
        raise JobError(
            f"{path}: is trial {record.number} of the study of '{record.study}', and the run is called otherwise",
            "Give the run its own name again.",
        )
    return record


def write_trial(folder: StudyFolder, record: TrialRecord) -> None:
    _write(folder.trial_record(record.number), asdict(record))


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        return state_files.read(path, kind, largest=1 << 24)
    except StateError as error:
        raise JobError(f"{path}: {error}", "odtool tune wrote it; put back what it wrote.") from None


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, json.dumps(content, indent=1) + "\n")
