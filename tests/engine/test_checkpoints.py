"""Checkpoints on disk: pruned, cleaned and kept apart without ever being lost."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import locks, metrics
from odtool.engine import checkpoints
from odtool.errors import OdtoolError
from odtool.workspace import Run

DATA = "data-00000-of-00001"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "run")
    made.path.mkdir()
    for step in (10, 20, 30):
        add(made, step)
    return made


def add(run: Run, step: int, content: str = "") -> None:
    run.path.joinpath(f"ckpt-{step}.{DATA}").write_text(content or f"data {step}")
    run.path.joinpath(f"ckpt-{step}.index").write_text(f"index {step}")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_oldest_beyond_the_number_to_keep_are_deleted_whole(run: Run) -> None:
    checkpoints.prune(run, 2)
    assert names(run.path) == {f"ckpt-{step}.{end}" for step in (20, 30) for end in (DATA, "index")} | {"checkpoint"}
    state = (run.path / "checkpoint").read_text()
    assert state.startswith('model_checkpoint_path: "ckpt-30"\n')
    assert "ckpt-10" not in state


def test_while_evaluation_lives_what_it_has_not_scored_is_kept(run: Run) -> None:
    held = locks.acquire(run.job_lock("eval"))
    assert held is not None
    metrics.MetricsLog(run.metrics).write("eval", 20, {"checkpoint": "ckpt-20", "sample_1_of_n": 1})
    checkpoints.prune(run, 1)
    os.close(held)
    assert list(run.checkpoints()) == [10, 30]
    checkpoints.prune(run, 1)
    assert list(run.checkpoints()) == [30]


def test_what_an_interrupted_save_leaves_is_cleaned_and_nothing_else(run: Run) -> None:
    whole = names(run.path)
    (run.path / f"ckpt-40.{DATA}").write_text("torn")
    (run.path / "ckpt-50_temp").mkdir()
    (run.path / ".saving").mkdir()
    (run.path / ".saving" / "ckpt-60.index").write_text("torn")
    (run.path / ".checkpoint.ab1_2cd").write_text("torn")
    (run.path / "ckpt-notes.txt").write_text("mine")
    checkpoints.clean(run)
    assert names(run.path) == whole | {"ckpt-notes.txt"}


class Written:
    """Stands in for tf.train.Checkpoint: two small files."""

    def __init__(self, content: str) -> None:
        self.save_counter = self
        self._content = content

    def assign_add(self, _: int) -> None:
        pass

    def write(self, prefix: str) -> None:
        for end in (DATA, "index"):
            Path(f"{prefix}.{end}").write_text(f"{self._content} {end}")


@pytest.mark.parametrize("step", [30, 40])
def test_a_save_killed_at_any_call_leaves_whole_checkpoints_and_is_completed_or_undone(
    run: Run, tmp_path: Path, killed_at: Callable[[int, Callable[[], object]], bool], step: int
) -> None:
    shutil.copytree(run.path, tmp_path / "before")
    for count in itertools.count():
        shutil.rmtree(run.path)
        shutil.copytree(tmp_path / "before", run.path)
        killed = killed_at(count, lambda: checkpoints.save(run, Written("new"), step))
        assert whole(run) >= {10, 20}
        checkpoints.clean(run)
        assert whole(run) >= {10, 20, 30}
        assert whole(run) == set(run.checkpoints())
        assert {path.name for path in run.path.iterdir() if path.name.startswith(".")} == set()
        if not killed:
            break
    assert run.path.joinpath(f"ckpt-{step}.{DATA}").read_text() == f"new {DATA}"


def test_a_checkpoint_that_does_not_fit_is_not_begun(
    tmp_path: Path, mounted: Callable[[Path, str], AbstractContextManager[None]]
) -> None:
    with mounted(tmp_path / "small", "size=1500k"):
        run = Run(tmp_path / "small" / "run")
        run.path.mkdir()
        checkpoints.make_room(run, keep=5)  # of the first the size is not known
        for step in (10, 20, 30):
            add(run, step, "x" * 300_000)
        checkpoints.make_room(run, keep=5)
        add(run, 40, "x" * 300_000)
        with pytest.raises(
            OdtoolError, match=r"a checkpoint of 300 kB does not fit.*full.*last whole checkpoint is ckpt-40"
        ):
            checkpoints.make_room(run, keep=5)
        checkpoints.make_room(run, keep=4)
        assert list(run.checkpoints()) == [20, 30, 40]


def whole(run: Run) -> set[int]:
    """Steps of which index and data belong together."""
    return {
        step
        for step, prefix in run.checkpoints().items()
        if run.path.joinpath(f"{prefix.name}.{DATA}").read_text().removesuffix(DATA).replace("data", "")
        == run.path.joinpath(f"{prefix.name}.index").read_text().removesuffix("index").replace("index", "")
    }


@pytest.mark.slow
@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_set_aside_for_the_one_before(trained: Run, left: float) -> None:
    data = trained.path / f"ckpt-4.{DATA}"
    size = data.stat().st_size
    os.truncate(data, int(size * left))
    with pytest.raises(checkpoints.DamagedError, match=r"ckpt-4 is damaged: "):
        checkpoints.read_steps_done(trained.checkpoint(4))
    assert checkpoints.find_newest(trained) == (2, trained.checkpoint(2))
    assert (trained.path / f"ckpt-4.{DATA}.damaged").stat().st_size == int(size * left)


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_reading_a_checkpoint_cut_short_says_so(trained: Run) -> None:
    import tensorflow as tf

    os.truncate(trained.path / f"ckpt-4.{DATA}", 10)
    with pytest.raises(checkpoints.DamagedError, match=r"ckpt-4 is damaged: "):
        checkpoints.read_into(tf.train.Checkpoint(step=tf.Variable(0)), trained.checkpoint(4))
