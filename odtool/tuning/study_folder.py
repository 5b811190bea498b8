"""StudyFolder: where a run's hyperparameter study and its trials lie, the one place that spells these paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.workspace import Run

_TRIAL = re.compile(r"(?P<run>.+)-trial-(?P<number>\d{3,})")


@dataclass(frozen=True)
class StudyFolder:
    """train/<run>/tune/, and the runs train/<run>-trial-000 and so on beside the run."""

    run: Run

    @property
    def path(self) -> Path:
        return self.run.path / "tune"

    @property
    def settings(self) -> Path:
        """study.json: what is searched for, in which space."""
        return self.path / "study.json"

    @property
    def base_config(self) -> Path:
        """The run's pipeline.config as it was when the study began."""
        return self.path / "pipeline.config"

    @property
    def storage(self) -> Path:
        """study.db: Optuna's own record of all trials, in SQLite."""
        return self.path / "study.db"

    @property
    def lock(self) -> Path:
        """Held for moments, while a process takes a trial."""
        return self.path / "study.lock"

    @property
    def page(self) -> Path:
        return self.path / "study.html"

    def trial_lock(self, number: int) -> Path:
        """Held by the process that watches a trial."""
        return self.path / f"trial-{number:03d}.lock"

    def trial_run(self, number: int) -> Run:
        """The run of a trial, whether or not it is there yet."""
        return Run(self.run.path.with_name(f"{self.run.name}-trial-{number:03d}"))

    def trial_record(self, number: int) -> Path:
        """trial.json in a trial's run: which trial of which study it is, and its values."""
        return self.trial_run(number).path / "trial.json"

    def list_trial_runs(self) -> Iterator[tuple[int, Run]]:
        """Runs with a trial.json whose names are those of trials of this study, with their numbers."""
        for path in sorted(self.run.path.parent.glob("*-trial-*/trial.json")):
            match = _TRIAL.fullmatch(path.parent.name)
            if match and match["run"] == self.run.name:
                yield int(match["number"]), Run(path.parent)


def find_study_of_trial(trial: Run) -> tuple[StudyFolder, int] | None:
    """The study that a run is a trial of, and the trial's number; None for any other run."""
    match = _TRIAL.fullmatch(trial.name)
    if match is None or not (trial.path / "trial.json").is_file():
        return None
    return StudyFolder(Run(trial.path.with_name(match["run"]))), int(match["number"])
