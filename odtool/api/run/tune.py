"""Hyperparameter search around a run's config: trials one after the other, or one on each GPU at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from odtool import parts
from odtool.api.requests import (
    Notify,
    RunName,
    StrPath,
    ignore,
    refuse_below,
    refuse_unknown,
    refuse_unknown_metric,
    refuse_unusable_target,
    takes,
)
from odtool.api.run import study_opening, train
from odtool.api.run.trial_search import Search, StudyProgress
from odtool.errors import JobError, OdtoolError
from odtool.tuning.parameters import format_value, shorten_names
from odtool.tuning.study_folder import StudyFolder
from odtool.tuning.trials import StudyView, TrialView

__all__ = [
    "PASSED_ON",
    "StudyProgress",
    "StudyResult",
    "StudyView",
    "TrialView",
    "TuneRequest",
    "format_value",
    "shorten_names",
    "tune",
]

PRUNERS = ("median", "hyperband", "none")
PASSED_ON = ("gpu_memory", "cache", "cache_memory", "precision")
"""Fields that `odtool train` has, too, and that go on to the training of each trial as they are."""


def _unwatched(_progress: StudyProgress) -> None:
    pass


@dataclass(frozen=True)
class TuneRequest:
    """What `odtool tune` is asked for. What a study was begun with holds for it; None means that, or the default."""

    run: RunName | None = None
    """The newest by default; its config is where the search begins, and its first trial."""
    _: KW_ONLY
    trials: int = 20
    """Of the study in all, those of earlier calls included."""
    time_limit: str | float | None = None
    """Save and stop after this time: seconds, or a text as in "2h", "1h30m" or "90s". A later call goes on."""
    steps: int | None = None
    """Of each trial; the run's own by default. Trials with another batch take as many images."""
    evaluations: int | None = None
    """Of each trial, at equal distances; 4 by default. After each, the trial may be pruned."""
    space: StrPath | None = None
    """TOML or YAML with the parameters; by default those that matter for the architecture."""
    pruner: str = "median"
    """"median", "hyperband", or "none": which trials are ended before their time."""
    best: str | None = None
    """The metric that trials and checkpoints are compared by; mAP by default."""
    seed: int | None = None
    """Of what is drawn at random; 0 by default."""
    notify_target: str | None = None
    """Told when the study has ended, or its time is up: a URL that gets a JSON post, or a command that gets the same
    on stdin. Not of Ctrl-C, at which somebody stands there."""
    gpu: str | int | None = None
    """GPU numbers, as in "0" or "0,1", a trial on each at a time; or "cpu". The first GPU by default, else the CPU."""
    gpu_memory: str | None = None
    """As of `train`, for each trial."""
    cache: bool = False
    """Keep the encoded records in memory once read, in half of what is free."""
    cache_memory: str | None = None
    """The same, in this much memory."""
    precision: str | None = None
    """Of the networks' arithmetic: "float32" or "bfloat16"."""
    restart: bool = False
    """Delete the study and the runs of its trials, and begin anew."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)
    watch: Callable[[StudyProgress], None] = field(default=_unwatched, compare=False, repr=False)
    """Called twice a second while trials run."""

    def __post_init__(self) -> None:
        for name in ("trials", "steps", "evaluations"):
            refuse_below(name, getattr(self, name), 1)
        refuse_below("seed", self.seed, 0)
        refuse_unknown("pruner", (self.pruner,), PRUNERS)
        refuse_unknown_metric("best", self.best)
        refuse_unusable_target("notify_target", self.notify_target)
        if self.time_limit is not None:
            train.parse_duration(self.time_limit)
        train.TrainRequest(**self.passed_on())  # refuses what training would refuse

    def passed_on(self) -> dict[str, Any]:
        """What each trial's training is asked for as it is."""
        return {name: getattr(self, name) for name in PASSED_ON}


@dataclass(frozen=True)
class StudyResult:
    """A study after a call."""

    folder: StudyFolder
    view: StudyView
    is_whole: bool
    """All trials have ended; else the time was up."""

    @property
    def has_failed(self) -> bool:
        """Whether every trial has."""
        return bool(self.view.trials) and self.view.count("failed") == len(self.view.trials)

    def refuse_failed(self) -> None:
        """Raises JobError where every trial has failed."""
        trials = self.view.trials
        if self.has_failed:
            last = trials[-1]
            raise JobError(
                f"all {len(trials)} trials of the study failed; the last: {last.reason}",
                f"Look into {self.folder.trial_run(last.number).path}; then: odtool tune {self.folder.run.argument} "
                "--restart",
            )


@takes(TuneRequest)
def tune(request: TuneRequest) -> StudyResult:
    """Searches for the hyperparameters with which the run's model becomes best, and returns when the trials are done.

    An interruption stops the trials after they have saved; the next call goes on with them, also after kill -9.

    Raises:
        OdtoolError: there is no such run or GPU, the search space does not fit its config, Optuna is not installed.
    """
    from odtool.tuning import trial_config
    from odtool.tuning.study import Study

    if idle := parts.describe_idle_tasks(os.environ):
        request.notify(idle)
    folder = study_opening.find_folder(request)
    slots = study_opening.list_slots(request)
    if request.restart:
        study_opening.delete(folder)
    base, settings = study_opening.settle(folder, request)
    study = Study(folder, settings, trial_config.read_values(base, settings.parameters), request.pruner)
    started = time.time()
    try:
        is_whole = Search(request, study, base).go_on(slots)
    except OdtoolError as error:
        _tell(request, folder, study.view(weigh=False), "failed", error.message, started)
        raise
    result = StudyResult(folder, study.view(), is_whole)
    state = "stopped" if not is_whole else "failed" if result.has_failed else "finished"
    _tell(request, folder, result.view, state, "" if is_whole else "the time was up", started)
    return result


def _tell(request: TuneRequest, folder: StudyFolder, view: StudyView, state: str, reason: str, started: float) -> None:
    """Says how the study has ended to whom that is asked for, in the form that the end of a task has."""
    from odtool.jobs.notify import delivery

    if request.notify_target is None:
        return
    best = view.best
    message = {
        "run": folder.run.name,
        "task": "tune",
        "state": state,
        "exit_code": None,
        "reason": reason,
        "step": None,
        "metrics": None if best is None else {view.metric: best.value, "trial": folder.trial_run(best.number).name},
        "path": str(folder.path),
        "started": started,
        "time": time.time(),
    }
    delivery.deliver(request.notify_target, message, say=request.notify)
