"""Checkpoints written beside the steps: the bytes of a plain save, one at a time, and no error is lost."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool import metrics
from odtool.workspace import Run


def read_files(prefix: Path) -> dict[str, bytes]:
    return {path.suffix: path.read_bytes() for path in prefix.parent.glob(f"{prefix.name}.*")}


def keep_moving_averages(message: Any) -> None:
    message.train_config.optimizer.use_moving_average = True


def use_adam(message: Any) -> None:
    rate = message.train_config.optimizer.adam_optimizer.learning_rate
    rate.constant_learning_rate.learning_rate = 0.001


@pytest.mark.parametrize("change", [lambda message: None, keep_moving_averages, use_adam])
def test_a_copy_is_written_with_the_bytes_of_a_plain_save_though_training_went_on(
    api: Any,
    tmp_path: Path,
    change: Callable[[Any], object],
    small_message: Callable[..., Any],
    make_learner: Callable[..., Any],
) -> None:
    from odtool.engine.train.checkpoint_writer import CheckpointCopier

    learner = make_learner(small_message(change), side=96)
    step = api.function(learner.take_own_step, autograph=False)
    checkpoint = learner.trainable.checkpoint
    step(*learner.draw(2, seed=1))
    copier = CheckpointCopier(checkpoint)
    checkpoint.save_counter.assign_add(1)
    for number in (1, 2):  # the second by the graph that was made for the first
        write = copier.copy()
        checkpoint.write(str(tmp_path / f"plain-{number}"))
        for seed in range(3):
            step(*learner.draw(2, seed=seed))
        learner.trainable.step.assign_add(3)
        checkpoint.save_counter.assign_add(1)
        write(str(tmp_path / f"copy-{number}"))
        plain = read_files(tmp_path / f"plain-{number}")
        assert plain.keys() == {".index", ".data-00000-of-00001"}
        assert read_files(tmp_path / f"copy-{number}") == plain
    assert read_files(tmp_path / "copy-1") != read_files(tmp_path / "copy-2")


def test_training_from_a_written_copy_gives_the_losses_of_going_on(
    api: Any, tmp_path: Path, small_message: Callable[..., Any], make_learner: Callable[..., Any]
) -> None:
    from odtool.engine.train.checkpoint_writer import CheckpointCopier

    def take_steps(learner: Any) -> list[float]:
        step = api.function(learner.take_own_step, autograph=False)
        return [float(step(*learner.draw(2, seed=seed))["Loss/total_loss"]) for seed in range(3)]

    learner = make_learner(small_message(), side=96)
    take_steps(learner)
    learner.trainable.checkpoint.save_counter.assign_add(1)
    write = CheckpointCopier(learner.trainable.checkpoint).copy()
    expected = take_steps(learner)
    write(str(tmp_path / "ckpt"))
    resumed = make_learner(small_message(), side=96)
    resumed.trainable.checkpoint.restore(str(tmp_path / "ckpt")).assert_consumed()
    assert take_steps(resumed) == pytest.approx(expected, rel=1e-5)


class Saves:
    """A writer of one number, and the steps of which it recorded a checkpoint."""

    def __init__(self, folder: Path, *, keep: int = 5) -> None:
        import tensorflow as tf

        from odtool.engine.train.checkpoint_writer import CheckpointWriter

        self.run = Run(folder)
        folder.mkdir()
        self.recorded: list[int] = []
        self.free = threading.Event()
        self.free.set()
        self._busy = threading.Lock()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.writer = CheckpointWriter(
            self.run,
            tf.train.Checkpoint(step=self.step),
            keep=keep,
            record=self._record,
        )

    def save(self, step: int, *, beside_steps: bool = True) -> None:
        self.step.assign(step)
        self.writer.save(step, beside_steps=beside_steps)

    def call(self, name: str) -> None:
        """A method by name; `look` as often as it takes."""
        if name == "save":
            self.save(3)
        elif name == "finish":
            self.writer.finish()
        for _ in range(60_000 if name == "look" else 0):
            self.writer.look()
            time.sleep(0.001)

    def _record(self, step: int, name: str) -> None:
        assert self._busy.acquire(blocking=False), "two saves at once"
        self.free.wait()
        assert self.run.path.joinpath(f"{name}.index").exists()
        self.recorded.append(step)
        self._busy.release()


@pytest.fixture
def saves(api: Any, tmp_path: Path) -> Iterator[Saves]:
    made = Saves(tmp_path / "run")
    yield made
    made.free.set()
    made.writer.close()


def test_steps_go_on_while_a_save_is_under_way(saves: Saves) -> None:
    from odtool.engine import checkpoints

    saves.free.clear()
    saves.save(1)
    saves.step.assign(2)
    saves.writer.look()
    assert saves.recorded == []
    saves.free.set()
    saves.writer.finish()
    assert saves.recorded == [1]
    assert checkpoints.read_steps_done(saves.run.checkpoint(1)) == 1


def test_saves_follow_one_another_each_whole_and_as_many_are_kept_as_asked(api: Any, tmp_path: Path) -> None:
    from odtool.engine import checkpoints

    saves = Saves(tmp_path / "run", keep=2)
    for step in range(1, 8):
        saves.save(step)
    saves.writer.finish()
    assert saves.recorded == [1, 2, 3, 4, 5, 6, 7]
    assert [checkpoints.read_steps_done(prefix) for prefix in saves.run.checkpoints().values()] == [6, 7]
    state = api.train.get_checkpoint_state(str(saves.run.path))
    assert [Path(path).name for path in state.all_model_checkpoint_paths] == ["ckpt-6", "ckpt-7"]
    saves.writer.close()


@pytest.mark.parametrize("call", ["look", "finish", "save"])
def test_an_error_of_a_save_is_raised_by_the_next_call(saves: Saves, call: str) -> None:
    saves.save(1)
    saves.writer.finish()
    saves.run.path.joinpath(".saved").write_text("in the way")
    saves.save(2)
    with pytest.raises(NotADirectoryError):
        saves.call(call)
    assert list(saves.run.checkpoints()) == [1]
    saves.run.path.joinpath(".saved").unlink()
    saves.save(4)
    saves.writer.finish()
    assert saves.recorded == [1, 4]


def test_an_error_that_comes_with_another_end_is_logged(saves: Saves, caplog: pytest.LogCaptureFixture) -> None:
    saves.run.path.joinpath(".saved").write_text("in the way")
    saves.save(1)
    with caplog.at_level(logging.WARNING, "odtool.engine"):
        saves.writer.close()
    assert "the last checkpoint could not be saved: " in caplog.text


def test_a_save_not_beside_the_steps_is_in_place_when_it_returns(saves: Saves) -> None:
    saves.save(1)
    saves.save(2, beside_steps=False)
    assert saves.recorded == [1, 2]
    assert list(saves.run.checkpoints()) == [1, 2]


@pytest.fixture
def _own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("api", "_own_signals")
def test_sigterm_while_a_save_is_under_way_leaves_it_and_the_last_step_whole(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.engine import checkpoints
    from odtool.engine.outcome import StopSignal
    from odtool.engine.train.limits import Limits
    from odtool.engine.train.training import train

    def set_steps(message: Any) -> None:
        message.train_config.num_steps = 1000

    write_whole = checkpoints.write_whole

    def stop_first(run: Run, step: int, write: Any) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        while not stop.requested:
            time.sleep(0.001)
        return write_whole(run, step, write)

    monkeypatch.setattr(checkpoints, "write_whole", stop_first)
    run, stop = new_run(set_steps), StopSignal()
    stop.listen()
    ending = train(run, checkpoint_every=3, keep_checkpoints=5, limits=Limits(), stop=stop)
    assert ending.state == "stopped"
    assert min(run.checkpoints()) == 3
    assert f"after step {max(run.checkpoints())} of 1000" in ending.reason
    assert [checkpoints.read_steps_done(prefix) for prefix in run.checkpoints().values()] == list(run.checkpoints())
    entries = metrics.read(run.metrics)
    assert [entry.step for entry in entries if entry.kind == "checkpoint"] == list(run.checkpoints())
    assert (entries[-1].kind, entries[-1].values) == ("end", {"state": "stopped"})


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_an_error_of_a_save_ends_training_before_its_last_step(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.engine import checkpoints
    from odtool.engine.outcome import StopSignal
    from odtool.engine.train.limits import Limits
    from odtool.engine.train.training import train

    def set_steps(message: Any) -> None:
        message.train_config.num_steps = 10_000

    def fill_disk(run: Run, step: int, write: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_whole", fill_disk)
    run = new_run(set_steps)
    with pytest.raises(OSError, match="No space left"):
        train(run, checkpoint_every=2, keep_checkpoints=5, limits=Limits(), stop=StopSignal())
    entries = metrics.read(run.metrics)
    assert (entries[-1].kind, entries[-1].values) == ("end", {"state": "failed"})
    assert not [entry for entry in entries if entry.kind == "checkpoint"]
