"""A study on the real Optuna: who does which trial, and what the study knows of it."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from odtool import locks
from odtool.errors import JobError
from odtool.tuning.parameters import Choices, Hyperparameter, ValueRange
from odtool.tuning.study import Study
from odtool.tuning.study_files import StudySettings
from odtool.tuning.study_folder import StudyFolder
from odtool.workspace import Run

PARAMETERS = (
    Hyperparameter("learning_rate", ValueRange(1e-4, 1e-1, log=True)),
    Hyperparameter("batch_size", Choices((4, 8, 16))),
    Hyperparameter("layers", ValueRange(1.0, 9.0, step=2.0, whole=True)),
)
BASE = {"learning_rate": 0.01, "batch_size": 8, "layers": 3}


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    run = Run(tmp_path / "odd ?#%&=' name" / "train" / "run")
    run.path.mkdir(parents=True)
    return StudyFolder(run)


def begin(folder: StudyFolder, metric: str = "mAP", pruner: str = "median", seed: int = 0) -> Study:
    return Study(folder, StudySettings(metric, PARAMETERS, None, 4, seed), BASE, pruner)


def test_values_are_those_of_the_space_and_the_first_are_the_configs_own(folder: StudyFolder) -> None:
    study = begin(folder)
    trials = [study.take_trial(9) for _ in range(9)]
    assert study.take_trial(9) is None
    assert [trial.number for trial in trials if trial] == list(range(9))
    assert trials[0] is not None
    assert trials[0].values == BASE
    for trial in trials:
        assert trial is not None
        assert all(parameter.distribution.contains(trial.values[parameter.name]) for parameter in PARAMETERS)
    assert [trial.is_base for trial in study.view().trials] == [True] + [False] * 8


def test_a_trial_whose_process_is_gone_is_taken_by_the_next(folder: StudyFolder) -> None:
    study = begin(folder)
    first, second = study.take_trial(5), study.take_trial(5)
    assert first is not None
    assert second is not None
    first.release()  # as the end of its process does
    again = begin(folder).take_trial(5)
    assert again is not None
    assert (again.number, again.values) == (first.number, first.values)


def test_a_trial_that_ends_while_another_process_looks_for_one_is_not_done_again(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, other = begin(folder), begin(folder)
    first = study.take_trial(5)
    assert first is not None
    acquire = locks.acquire

    def end_before(path: Path) -> int | None:
        if path == folder.trial_lock(first.number):
            study.finish(first.number, "complete", {1: 0.5})
            first.release()
        return acquire(path)

    monkeypatch.setattr(locks, "acquire", end_before)
    taken = other.take_trial(5)
    assert taken is not None
    assert taken.number == first.number + 1


def test_two_processes_draw_different_values_and_the_same_seed_the_same(folder: StudyFolder, tmp_path: Path) -> None:
    one, other = begin(folder), begin(folder)
    drawn = [study.take_trial(9) for study in (one, other, one, other)]
    values = [trial.values["learning_rate"] for trial in drawn if trial]
    assert len(set(values)) == 4
    copy = StudyFolder(Run(tmp_path / "copy"))
    copy.run.path.mkdir()
    study = begin(copy)
    assert [trial.values["learning_rate"] for _ in range(4) if (trial := study.take_trial(9))] == values


def test_a_trial_that_was_killed_before_it_had_values_counts_for_nothing(folder: StudyFolder) -> None:
    study = begin(folder)
    base = study.take_trial(2)
    assert base is not None
    study.finish(base.number, "complete", {4: 0.5})
    base.release()
    plain = optuna.load_study(study_name="tune", storage=study._storage)
    plain.ask()  # what is left of a process that was killed here
    trial = study.take_trial(2)
    assert trial is not None
    assert trial.number == 2
    assert trial.values.keys() == BASE.keys()
    assert [view.number for view in study.view().trials] == [0, 2]


def do(study: Study, score: Callable[[int, int], float], trials: int) -> None:
    while (trial := study.take_trial(trials)) is not None:
        scores: dict[int, float] = {}
        for index in range(1, 5):
            scores[index] = score(trial.number, index)
            study.report(trial.number, scores)
            if study.should_prune(trial.number):
                study.finish(trial.number, "pruned", scores, "behind")
                break
        else:
            study.finish(trial.number, "complete", scores)
        trial.release()


def test_what_is_below_the_median_is_pruned_but_not_at_the_first_evaluation(folder: StudyFolder) -> None:
    study = begin(folder)
    do(study, lambda number, index: (0.1 if number == 3 else 0.5) * index, 5)
    ends = {trial.number: (trial.state, len(trial.scores)) for trial in study.view().trials}
    assert ends == {number: ("pruned", 2) if number == 3 else ("complete", 4) for number in range(5)}


def test_of_a_loss_the_lowest_is_best_and_the_highest_pruned(folder: StudyFolder) -> None:
    study = begin(folder, metric="Loss/total_loss")
    do(study, lambda number, index: (9.0 if number == 3 else 1.0 + number) / index, 5)
    view = study.view()
    assert view.best is not None
    assert (view.best.number, view.best.value) == (0, 0.25)
    assert view.trials[3].state == "pruned"


def test_none_prunes_nothing(folder: StudyFolder) -> None:
    study = begin(folder, pruner="none")
    do(study, lambda number, index: -number * index, 5)
    assert study.view().count("complete") == 5


def test_importance_tells_what_matters_once_there_is_something_to_compare(folder: StudyFolder) -> None:
    study = begin(folder, pruner="none")
    rates: dict[int, float] = {}
    do(study, lambda number, index: float(number), 2)
    assert study.view().importance == {}
    while (trial := study.take_trial(16)) is not None:
        rates[trial.number] = float(trial.values["learning_rate"])
        study.finish(trial.number, "complete", {4: -abs(rates[trial.number] - 0.02)})
        trial.release()
    importance = study.view().importance
    assert sum(importance.values()) == pytest.approx(1)
    assert next(iter(importance)) == "learning_rate"


def test_a_failed_trial_has_no_value_and_cannot_be_best(folder: StudyFolder) -> None:
    study = begin(folder)
    trial = study.take_trial(1)
    assert trial is not None
    study.finish(trial.number, "failed", {1: 0.9}, "out of memory")
    view = study.view()
    assert (view.best, view.trials[0].value, view.trials[0].reason) == (None, None, "out of memory")


def test_damage_is_told_with_the_file(folder: StudyFolder) -> None:
    begin(folder)
    content = bytearray(folder.storage.read_bytes())
    content[100:4000] = os.urandom(3900)
    folder.storage.write_bytes(content)
    with pytest.raises(JobError, match=r"study\.db: "):
        begin(folder).take_trial(3)


def test_optuna_warns_of_nothing_that_is_done_here(folder: StudyFolder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        do(begin(folder, pruner="hyperband"), lambda number, index: 0.1 * index, 6)


@pytest.mark.parametrize(
    "change",
    [
        "update trial_params set distribution_json = '{'",
        "update trial_params set distribution_json = '[]'",
        """update trial_params set distribution_json = '{"name": "X", "attributes": {}}'""",
        f"update trial_params set distribution_json = '{'[' * 50_000}'",
        "update trial_params set param_value = 'x'",
        "update trial_params set param_value = 1e999",
        "update trial_user_attributes set value_json = '{'",
        "update trial_system_attributes set value_json = 'x'",
        "update trials set state = 'XX'",
        "update trials set number = null",
        "update trials set datetime_start = 'x'",
        "update study_directions set direction = 'XX'",
        "update alembic_version set version_num = 'x'",
    ],
)
def test_a_database_with_values_of_somebody_else_is_named(folder: StudyFolder, change: str) -> None:
    study = begin(folder)
    taken = study.take_trial(5)
    assert taken is not None
    taken.release()
    del study
    with closing(sqlite3.connect(folder.storage)) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(JobError) as error:
        begin(folder).take_trial(5)
    assert error.value.message.startswith(f"{folder.storage}: ")
    assert "--restart" in error.value.hint


@pytest.mark.parametrize("kind", ["garbage", "zeros", "pipe", "device", "folder"])
def test_what_is_no_database_is_named(folder: StudyFolder, kind: str) -> None:
    folder.path.mkdir()
    if kind in ("garbage", "zeros"):
        folder.storage.write_bytes((b"x" if kind == "garbage" else b"\0") * 10_000)
    elif kind == "pipe":
        os.mkfifo(folder.storage)
    elif kind == "device":
        folder.storage.symlink_to("/dev/zero")
    else:
        folder.storage.mkdir()
    with pytest.raises(JobError, match=r"study\.db: "):
        begin(folder)
