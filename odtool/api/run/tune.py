"""Hyperparameter search around a run's config: trials one after the other, or one on each GPU at a time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import locks
from odtool.api.requests import (
    Notify,
    RequestError,
    RunName,
    StrPath,
    find_run,
    ignore,
    refuse_below,
    refuse_unknown,
    refuse_unknown_metric,
    takes,
)
from odtool.api.run import status, train
from odtool.api.run.evaluate import evaluate
from odtool.api.run.status import RunStatus
from odtool.api.tasks import device_claim
from odtool.detection.metric_names import MAP, resolve_name
from odtool.errors import ConfigError, JobError
from odtool.jobs import devices
from odtool.tuning.parameters import format_value, shorten_names
from odtool.tuning.study_folder import StudyFolder, find_study_of_trial
from odtool.tuning.trials import StudyView, TrialView
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.api.run.active_trial import ActiveTrial
    from odtool.pipeline.text.config import PipelineConfig
    from odtool.tuning.study import Study
    from odtool.tuning.study_files import StudySettings

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

_EVALUATIONS = 4
PRUNERS = ("median", "hyperband", "none")
PASSED_ON = ("gpu_memory", "cache", "cache_memory", "precision")
"""Fields that `odtool train` has, too, and that go on to the training of each trial as they are."""
_POLL = 0.5
"""Seconds between looks at the trials."""
_BRIEFLY = 15.0
"""Seconds for the supervisor of a process that has ended to let go of its lock."""
_PATIENCE = 60.0
"""Seconds for a trial's processes to save and end; and for a GPU to be free after the trial before."""


@dataclass(frozen=True)
class StudyProgress:
    """A study at work."""

    view: StudyView
    running: Mapping[int, RunStatus]
    """Of the trials of this process, by number."""


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

    def refuse_failed(self) -> None:
        """Raises JobError where every trial has failed."""
        trials = self.view.trials
        if trials and self.view.count("failed") == len(trials):
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

    folder = _find_folder(request)
    slots = _list_slots(request)
    if request.restart:
        _delete(folder)
    base, settings = _settle(folder, request)
    study = Study(folder, settings, trial_config.read_values(base, settings.parameters), request.pruner)
    search = _Search(request, study, base)
    is_whole = search.go_on(slots)
    return StudyResult(folder, study.view(), is_whole)


def _find_folder(request: TuneRequest) -> StudyFolder:
    run = find_run(request.workspace, request.run).run
    of_trial = find_study_of_trial(run)
    if of_trial is None:
        return StudyFolder(run)
    if request.run is not None:
        raise JobError(
            f"run '{run.name}' is a trial of the study of '{of_trial[0].run.name}'",
            f"Go on with it: odtool tune {of_trial[0].run.argument}; or configure a run like it: "
            f"odtool configure --like-trial {run.argument}",
        )
    return of_trial[0]


def _list_slots(request: TuneRequest) -> list[str | None]:
    """What is given to --gpu of each of the trainings that run at a time; refuses what there is not."""
    if request.gpu is None or str(request.gpu).strip().lower() == "cpu":
        slots = [None if request.gpu is None else "cpu"]
    else:
        devices.choose(devices.find_gpus(), str(request.gpu))
        slots = [number.strip() for number in str(request.gpu).split(",")]
    for slot in slots:
        # Not whether it is full: a trial that is gone on with may be what fills it.
        device_claim.claim_device(slot, request.gpu_memory, is_running=True)
    return list(slots)


def _delete(folder: StudyFolder) -> None:
    """Raises JobError where a trial is at work."""
    trials = [(number, run) for number, run in folder.list_trial_runs()]
    for number, run in trials:
        if locks.is_held(folder.trial_lock(number)) or status.find_running_tasks(run):
            raise JobError(f"run '{run.name}' is running", f"Stop it first: odtool stop {run.argument}")
    for _, run in trials:
        shutil.rmtree(run.path)
    if folder.path.exists():
        shutil.rmtree(folder.path)


def _settle(folder: StudyFolder, request: TuneRequest) -> tuple[PipelineConfig, StudySettings]:
    """The base config and what holds for all trials; written where the study begins.

    Raises:
        ConfigError: the config cannot be trained, or the space does not fit it.
        JobError: the study was begun with something else.
    """
    from odtool.pipeline.checks import check_list
    from odtool.pipeline.text import config
    from odtool.tuning import study_files

    facts = check_list.check_run(folder.run.pipeline_config)
    if not any(reader.files for reader in facts.readers[1:]):
        raise ConfigError(
            f"{folder.run.pipeline_config}: eval_input_reader: names no records, and trials are compared by evaluation",
            "Prepare with a validation split: odtool prepare --val 0.1",
        )
    if not folder.settings.exists():
        settings = _begin(request, facts.config)
        folder.path.mkdir(exist_ok=True)
        shutil.copyfile(folder.run.pipeline_config, folder.base_config)
        study_files.write_settings(folder, settings)  # last: it says that the study has begun
        return facts.config, settings
    base, settings = config.load(folder.base_config), study_files.read_settings(folder)
    if base.message != facts.config.message:
        raise JobError(
            f"{folder.run.pipeline_config}: has changed since its study began, with {folder.base_config}",
            f"Configure another run and tune that, or begin anew: odtool tune {folder.run.argument} --restart",
        )
    _refuse_changes(folder, request, base, settings)
    return base, settings


def _begin(request: TuneRequest, base: PipelineConfig) -> StudySettings:
    from odtool.tuning import search_space, space_file
    from odtool.tuning.study_files import StudySettings

    parameters = (
        search_space.choose_default(base) if request.space is None else space_file.read(Path(request.space), base)
    )
    search_space.refuse_unfit(base, parameters)
    return StudySettings(
        metric=MAP if request.best is None else resolve_name(request.best),
        parameters=parameters,
        steps=request.steps,
        evaluations=request.evaluations or _EVALUATIONS,
        seed=request.seed or 0,
    )


def _refuse_changes(folder: StudyFolder, request: TuneRequest, base: PipelineConfig, settings: StudySettings) -> None:
    """Raises RequestError where an option asks for something else than the study was begun with."""
    from odtool.tuning import space_file

    wanted = {
        "steps": (request.steps, settings.steps),
        "evaluations": (request.evaluations, settings.evaluations),
        "seed": (request.seed, settings.seed),
        "best": (None if request.best is None else resolve_name(request.best), settings.metric),
        "space": (None if request.space is None else space_file.read(Path(request.space), base), settings.parameters),
    }
    for name, (new, old) in wanted.items():
        if new is not None and new != old:
            before = "other parameters" if name == "space" else "the run's own" if old is None else f"{old}"
            raise RequestError(
                name,
                f"the study of '{folder.run.name}' was begun with {before}; its trials could not be compared",
                f"Leave it out to go on, or begin anew: odtool tune {folder.run.argument} --restart",
            )


class _Search:
    """Trials on the devices of this process, until there are enough."""

    def __init__(self, request: TuneRequest, study: Study, base: PipelineConfig) -> None:
        self._request, self._study, self._base = request, study, base
        self._active: dict[int, ActiveTrial] = {}
        """By the number of the slot."""
        limit = request.time_limit
        self._end = float("inf") if limit is None else time.monotonic() + train.parse_duration(limit)

    def go_on(self, slots: Sequence[str | None]) -> bool:
        """Does trials; whether all are done, and not the time up."""
        try:
            with self._releasing():
                while time.monotonic() < self._end:
                    self._fill(slots)
                    if not self._active:
                        return True
                    self._look()
                    self._show()
                    time.sleep(_POLL)
                self._request.notify("the time is up: the trials save and stop; the next call goes on with them")
        finally:
            self._write_page()
        return False

    @contextmanager
    def _releasing(self) -> Iterator[None]:
        """Whatever ends the search, its trials stop, and are free for the next call."""
        try:
            yield
        finally:
            end = time.monotonic() + _PATIENCE
            # All of them before the first is waited for.
            while sum(trial.interrupt() for trial in self._active.values()) and time.monotonic() < end:
                time.sleep(_POLL)
            for trial in self._active.values():
                trial.release()

    def _fill(self, slots: Sequence[str | None]) -> None:
        for place, gpu in enumerate(slots):
            while place not in self._active and (trial := self._take(gpu)) is not None:
                try:
                    trial.prepare(self._base)
                except ConfigError as error:
                    trial.fail(error.message)
                    trial.release()
                    self._end_trial(trial)
                else:
                    self._active[place] = trial
                    self._request.notify(f"trial {trial.number}: {trial.run.path}")

    def _take(self, gpu: str | None) -> ActiveTrial | None:
        from odtool.api.run.active_trial import ActiveTrial

        taken = self._study.take_trial(self._request.trials)
        if taken is None:
            return None
        return ActiveTrial(
            self._study,
            taken,
            train=lambda run, distance: self._train(run, distance, gpu),
            evaluate=lambda run: _start_evaluation(run, self._study.settings.metric),
        )

    def _train(self, run: Run, distance: int, gpu: str | None) -> None:
        """Starts a trial's training and evaluation; what an earlier process held is given time to become free."""
        end = time.monotonic() + (_BRIEFLY if gpu == "cpu" else _PATIENCE)
        while True:
            try:
                train.train(
                    run,
                    gpu=gpu,
                    evaluate=True,
                    checkpoint_every=distance,
                    keep_checkpoints=1,
                    best=self._study.settings.metric,
                    recover=False,  # with half the batch it would be another trial
                    **self._request.passed_on(),
                )
            except JobError:
                if time.monotonic() > end:
                    raise
                time.sleep(_POLL)
            else:
                return

    def _look(self) -> None:
        for place, trial in list(self._active.items()):
            if trial.look():
                del self._active[place]
                trial.release()
                self._end_trial(trial)

    def _end_trial(self, trial: ActiveTrial) -> None:
        self._write_page()
        view = next(view for view in self._study.view(weigh=False).trials if view.number == trial.number)
        value = "" if view.value is None else f", {view.value:.3f}"
        self._request.notify(f"trial {trial.number} {view.state}{value}{f': {view.reason}' if view.reason else ''}")

    def _write_page(self) -> None:
        from odtool.tuning import study_page

        study_page.write(self._study.folder, self._study.settings, self._study.view())

    def _show(self) -> None:
        view = self._study.view(weigh=False)
        running = {trial.number: status.read_status(trial.run) for trial in self._active.values()}
        self._request.watch(StudyProgress(view, running))


def _start_evaluation(run: Run, metric: str) -> None:
    evaluate(run, best=metric)
