"""One answer to which checkpoint of a run is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odtool import checkpoint_choice, locks
from odtool.errors import JobError
from odtool.workspace import Run


def save(prefix: Path) -> Path:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for ending in ("index", "data-00000-of-00001"):
        prefix.with_name(f"{prefix.name}.{ending}").touch()
    return prefix


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has saved at steps 100 and 200."""
    run = Run(tmp_path / "train" / "first")
    for step in (100, 200):
        save(run.checkpoint(step))
    return run


def test_the_best_is_meant_by_default_and_the_latest_where_there_is_none(run: Run) -> None:
    assert checkpoint_choice.find(run) == run.checkpoint(200)
    best = save(run.best / "ckpt-100")
    assert checkpoint_choice.find(run) == checkpoint_choice.find(run, "best") == best
    assert checkpoint_choice.find(run, "latest") == run.checkpoint(200)


@pytest.mark.parametrize("choice", ["ckpt-100", "ckpt-100.index", "link/ckpt-100"])
def test_a_path_is_from_here_or_from_the_run_and_keeps_the_runs_spelling(
    run: Run, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path.parent)
    Path("link").symlink_to(run.path)
    assert checkpoint_choice.find(run, choice) == run.checkpoint(100)
    assert checkpoint_choice.resolve(run, choice) == str(run.checkpoint(100))


def test_a_path_of_another_folder_becomes_absolute(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    foreign = save(tmp_path / "zoo" / "ckpt-0")
    assert checkpoint_choice.find(run, "zoo/ckpt-0") == foreign


@pytest.mark.parametrize("choice", ["all", "best", "latest"])
def test_words_stay_words_for_a_process_that_looks_later(run: Run, choice: str) -> None:
    save(run.best / "ckpt-100")
    assert checkpoint_choice.resolve(run, choice) == choice


@pytest.mark.parametrize("choice", ["all", "latest"])
def test_without_checkpoints_only_a_training_gives_something_to_wait_for(tmp_path: Path, choice: str) -> None:
    run = Run(tmp_path)
    with pytest.raises(JobError, match=r"has no checkpoint$"):
        checkpoint_choice.resolve(run, choice)
    descriptor = locks.acquire(run.job_lock("train"))
    assert descriptor is not None
    try:
        assert checkpoint_choice.resolve(run, "all") == "all"
        with pytest.raises(JobError, match="has no checkpoint yet"):
            checkpoint_choice.find(run, "latest")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("choice", "cause"), [("best", "no best checkpoint yet"), ("ckpt-7", "no such checkpoint")])
def test_a_checkpoint_that_is_not_there_is_refused(run: Run, choice: str, cause: str) -> None:
    with pytest.raises(JobError, match=cause):
        checkpoint_choice.find(run, choice)


def test_a_checkpoint_without_its_data_is_refused(run: Run) -> None:
    (run.path / "ckpt-5.index").touch()
    with pytest.raises(JobError, match="lacks its"):
        checkpoint_choice.find(run, "ckpt-5")
