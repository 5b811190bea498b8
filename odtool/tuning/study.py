"""A study on Optuna: its record in SQLite, which trial is to be done next, and which is not worth going on with."""

from __future__ import annotations

import os
import random
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from odtool import locks
from odtool.errors import InstallationError, JobError, first_line
from odtool.tuning.parameters import Choices, Hyperparameter, Value
from odtool.tuning.study_files import StudySettings
from odtool.tuning.study_folder import StudyFolder
from odtool.tuning.trials import StudyView, TrialStateName, TrialView, choose_best

if TYPE_CHECKING:
    import optuna

PRUNERS = ("median", "hyperband", "none")
PrunerName = Literal["median", "hyperband", "none"]
_NAME = "tune"
"""Of the only study in a run's storage."""
_REASON, _BASE, _VOID = "reason", "base", "void"
_RANDOM_TRIALS = 5
"""Before values are drawn by what trials have shown."""
_TRIALS_TO_COMPARE = 3
"""Complete ones that a median is taken of, at least."""
_TRIALS_TO_WEIGH = 5
"""Complete ones that the parameters' importance is told from, at least."""
_FIRST_JUDGED = 2
"""The first evaluation of a training from scratch says little of its last."""
_BUSY = 60.0
"""Seconds that another process may hold the file."""
_POLL = 0.05


@dataclass(frozen=True)
class TakenTrial:
    """A trial that this process does, until its lock is closed."""

    number: int
    values: Mapping[str, Value]
    lock: int
    """A descriptor."""

    def release(self) -> None:
        os.close(self.lock)


class Study:
    """A study that several processes may have open."""

    def __init__(self, folder: StudyFolder, settings: StudySettings, base: Mapping[str, Value], pruner: str) -> None:
        """Opens a study, or begins it.

        Args:
            base: the base config's own values, which the first trial has.

        Raises:
            InstallationError: Optuna is not installed.
            JobError: the storage cannot be read.
        """
        optuna = load_optuna()
        self.folder, self.settings = folder, settings
        with _explaining(folder), self._alone():
            self._storage = _open_storage(folder)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=_NAME,
                direction="minimize" if settings.is_loss else "maximize",
                load_if_exists=True,
                pruner=_make_pruner(pruner, settings.evaluations),
            )
            self._id = self._storage.get_study_id_from_name(_NAME)
            if not self._study.get_trials(deepcopy=False):
                whole = len(base) == len(settings.parameters)
                self._study.enqueue_trial(dict(base), user_attrs={_BASE: whole})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process takes a trial; the lock of one that is killed is free again."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        while (lock := locks.acquire(self.folder.lock)) is None:
            time.sleep(_POLL)
        try:
            yield
        finally:
            os.close(lock)

    def take_trial(self, most: int) -> TakenTrial | None:
        """A trial that nobody does any more, or a new one; None where the study has `most`.

        A trial that was begun by a process that is gone is gone on with.
        """
        from optuna.trial import TrialState

        with _explaining(self.folder), self._alone():
            trials = self._list_valid()
            for trial in trials:
                if trial.state == TrialState.RUNNING:
                    lock = locks.acquire(self.folder.trial_lock(trial.number))
                    if lock is None:
                        continue
                    if not self._is_running(trial.number):  # it has ended since the list was made
                        os.close(lock)
                        continue
                    if trial.params.keys() == self._names:
                        return TakenTrial(trial.number, dict(trial.params), lock)
                    os.close(lock)
                    self._close_void(trial.number)
            begun = [trial for trial in self._list_valid() if trial.state != TrialState.WAITING]
            return self._draw_trial() if len(begun) < most else None

    def _is_running(self, number: int) -> bool:
        return not self._storage.get_trial(self._find_id(number)).state.is_finished()

    def _draw_trial(self) -> TakenTrial | None:
        trial = self._study.ask()
        lock = locks.acquire(self.folder.trial_lock(trial.number))
        if lock is None:
            raise JobError(
                f"{self.folder.trial_lock(trial.number)}: held by another process",
                "Is the study's folder shared with a machine whose clock or file locks fail?",
            )
        # By the trial's number, so that a study that goes on, and one that two processes share, repeats no draw.
        self._study.sampler = _make_sampler(self.settings.seed, trial.number)
        for parameter in self.settings.parameters:
            _suggest(trial, parameter)
        return TakenTrial(trial.number, dict(trial.params), lock)

    @property
    def _names(self) -> set[str]:
        return {parameter.name for parameter in self.settings.parameters}

    def _close_void(self, number: int) -> None:
        """Of a trial whose process was killed while it drew the values: it counts for nothing."""
        self._storage.set_trial_user_attr(self._find_id(number), _VOID, True)
        self.finish(number, "failed", {}, "its process was killed before it had values")

    def _list_valid(self) -> list[optuna.trial.FrozenTrial]:
        return [trial for trial in self._study.get_trials(deepcopy=False) if not trial.user_attrs.get(_VOID)]

    def _find_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def report(self, number: int, scores: Mapping[int, float]) -> None:
        """Notes what a running trial has scored at its evaluations, from 1."""
        with _explaining(self.folder):
            trial = self._storage.get_trial(self._find_id(number))
            for index, score in scores.items():
                if trial.intermediate_values.get(index) != score:
                    self._storage.set_trial_intermediate_value(self._find_id(number), index, score)

    def should_prune(self, number: int) -> bool:
        """Whether others were better at the evaluation that the trial has come to."""
        with _explaining(self.folder):
            trial = self._storage.get_trial(self._find_id(number))
            if not trial.intermediate_values or max(trial.intermediate_values) >= self.settings.evaluations:
                return False
            return bool(self._study.pruner.prune(self._study, trial))

    def finish(self, number: int, state: TrialStateName, scores: Mapping[int, float], reason: str = "") -> None:
        """Notes how a trial ended; one without a score can only have failed."""
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        value = choose_best(scores, is_loss=self.settings.is_loss)
        with _explaining(self.folder):
            self.report(number, scores)
            self._storage.set_trial_user_attr(self._find_id(number), _REASON, reason)
            values = None if state == "failed" or value is None else [value]
            self._storage.set_trial_state_values(self._find_id(number), states[state], values)

    def view(self, *, weigh: bool = True) -> StudyView:
        """All trials that were begun, in order.

        Args:
            weigh: compute the parameters' importance, too.
        """
        from optuna.trial import TrialState

        with _explaining(self.folder):
            trials = [self._show(trial) for trial in self._list_valid() if trial.state != TrialState.WAITING]
            return StudyView(
                metric=self.settings.metric,
                evaluations=self.settings.evaluations,
                trials=trials,
                importance=self._weigh() if weigh else {},
                is_loss=self.settings.is_loss,
            )

    def _show(self, trial: optuna.trial.FrozenTrial) -> TrialView:
        names: dict[str, TrialStateName] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        state = names.get(trial.state.name, "running")
        return TrialView(
            number=trial.number,
            state=state,
            values={name: trial.params[name] for name in sorted(trial.params)},
            scores=dict(sorted(trial.intermediate_values.items())),
            value=trial.value if state in ("complete", "pruned") else None,
            reason=str(trial.user_attrs.get(_REASON, "")),
            is_base=bool(trial.user_attrs.get(_BASE)),
            seconds=trial.duration.total_seconds() if trial.duration else None,
        )

    def _weigh(self) -> dict[str, float]:
        """By PED-ANOVA (https://arxiv.org/abs/2304.10255), which needs no further library."""
        import optuna

        complete = [trial for trial in self._list_valid() if trial.state == optuna.trial.TrialState.COMPLETE]
        if len(complete) < _TRIALS_TO_WEIGH or len({trial.value for trial in complete}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in shares.items()}


def load_optuna() -> ModuleType:
    """Optuna, which is told not to log what the caller shows itself.

    Raises:
        InstallationError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InstallationError(
            f"hyperparameter search needs Optuna: {error}", "Install it with: pip install 'odtool[tune]'"
        ) from None
    if optuna.logging.get_verbosity() == optuna.logging.INFO:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextmanager
def _explaining(folder: StudyFolder) -> Iterator[None]:
    """What Optuna and SQLAlchemy raise over the file, as an error that names it.

    Over values in it that they did not write they raise what Python itself does, of all of these kinds.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (
        OptunaError,
        SQLAlchemyError,
        sqlite3.Error,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
    ) as error:
        cause = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
        raise JobError(
            f"{folder.storage}: {first_line(cause)}",
            f"If the file is damaged, begin anew: odtool tune {folder.run.argument} --restart",
        ) from error


def _open_storage(folder: StudyFolder) -> optuna.storages.RDBStorage:
    """The file by its path itself: in a URL, some characters of a folder's name would mean something else."""
    from optuna.storages import RDBStorage

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(folder.storage, timeout=_BUSY, check_same_thread=False)

    return RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})


def _make_pruner(name: str, evaluations: int) -> optuna.pruners.BasePruner:
    from optuna import pruners

    if name == "none":
        return pruners.NopPruner()
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=evaluations, reduction_factor=3)
    return pruners.MedianPruner(n_startup_trials=_TRIALS_TO_COMPARE, n_warmup_steps=_FIRST_JUDGED)


def _make_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # constant_liar, before Optuna 5
        return optuna.samplers.TPESampler(
            seed=random.Random(f"{seed}/{number}").randrange(2**32),
            n_startup_trials=_RANDOM_TRIALS,
            constant_liar=True,  # what runs beside it is not tried twice
        )


def _suggest(trial: optuna.Trial, parameter: Hyperparameter) -> None:
    name, values = parameter.name, parameter.distribution
    if isinstance(values, Choices):
        trial.suggest_categorical(name, values.values)
    elif values.whole:
        trial.suggest_int(name, int(values.low), int(values.high), step=int(values.step or 1), log=values.log)
    else:
        trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)
