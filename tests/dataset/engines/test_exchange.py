"""Tasks and answers in files, of which a second attempt changes nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from odtool.dataset.engines.exchange import TaskAnswer, Wave, answer_batch
from odtool.errors import DataError


def make_wave(folder: Path, *tasks: object, function: object = abs) -> Wave:
    wave = Wave(folder, function)  # type: ignore[arg-type]  # whatever the test gives
    for task in tasks:
        wave.add(task)
    return wave


def test_a_second_attempt_neither_changes_nor_adds_an_answer(tmp_path: Path) -> None:
    wave = make_wave(tmp_path / "wave", -1)
    (batch,) = wave.list_batches()
    element = pickle.dumps(tuple(batch))
    assert wave.take_answers(batch) is None
    answer_batch(element)
    answer_batch(element)
    assert wave.take_answers(batch) == [TaskAnswer(1)]
    answer_batch(element)  # one that comes late
    wave.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_comes_when_all_is_over_finds_no_tasks(tmp_path: Path) -> None:
    wave = make_wave(tmp_path / "wave", -1)
    (batch,) = wave.list_batches()
    wave.discard()
    with pytest.raises(DataError, match=r"cannot read .*wave/tasks"):
        answer_batch(pickle.dumps(tuple(batch)))
    assert list(tmp_path.iterdir()) == []


def test_relative_paths_mean_what_they_mean_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("command", "worker"):
        (tmp_path / folder).mkdir()
    (tmp_path / "command" / "name").touch()
    monkeypatch.chdir(tmp_path / "command")
    wave = make_wave(tmp_path / "wave", "name", function=os.path.exists)
    (batch,) = wave.list_batches()
    monkeypatch.chdir(tmp_path / "worker")
    answer_batch(pickle.dumps(tuple(batch)))
    assert wave.take_answers(batch) == [TaskAnswer(True)]
    assert Path.cwd() == tmp_path / "worker"


def test_a_worker_without_the_folder_of_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "command").mkdir()
    monkeypatch.chdir(tmp_path / "command")
    wave = make_wave(tmp_path / "wave", -1)
    (batch,) = wave.list_batches()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "command").rmdir()
    with pytest.raises(DataError, match=r"cannot enter .*/command, where the command runs"):
        answer_batch(pickle.dumps(tuple(batch)))


def test_many_tasks_go_several_at_a_time_and_none_twice(tmp_path: Path) -> None:
    wave = make_wave(tmp_path / "wave", *range(2000))
    batches = wave.list_batches()
    assert {len(batch.lengths) for batch in batches} == {2000 // 512, 2000 % 3}
    for batch in batches:
        answer_batch(pickle.dumps(tuple(batch)))
    values = [answer.value for batch in batches for answer in wave.take_answers(batch) or ()]
    assert values == list(range(2000))
