"""Reading metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.jobs import metrics


def line(kind: str, step: int, **values: object) -> str:
    return json.dumps({"kind": kind, "step": step, "time": 1.5, "values": values}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_a_run_without_metrics_has_no_progress(path: Path) -> None:
    assert metrics.progress(path) == metrics.Progress()
    assert metrics.newest(path, "eval") is None
    assert list(metrics.read(path)) == []


def test_progress_is_that_of_the_newest_lines(path: Path) -> None:
    path.write_text(
        line("start", 0, num_steps=300, batch_size=8)
        + line("train", 10, loss=2.0, learning_rate=0.1, steps_per_second=3.0)
        + line("eval", 0)
        + line("train", 20, loss=1.0, learning_rate=0.2, steps_per_second=4.0)
    )
    found = metrics.progress(path)
    assert found == metrics.Progress(20, 300, 8, 1.0, 0.2, 4.0, 0)
    assert found.eta_seconds == 70


def test_after_a_resume_the_newest_line_holds_and_not_the_highest_step(path: Path) -> None:
    path.write_text(
        line("start", 0, num_steps=300, batch_size=8)
        + line("train", 150, loss=1.0, steps_per_second=2.0)
        + line("start", 100, num_steps=400, batch_size=4)
    )
    assert metrics.progress(path) == metrics.Progress(step=100, num_steps=400, batch_size=4, restarts=1)
    with path.open("a") as stream:
        stream.write(line("train", 110, loss=0.9))
    assert metrics.progress(path) == metrics.Progress(110, 400, 4, 0.9, restarts=1)


def test_lines_of_an_earlier_start_say_nothing_of_the_present_one(path: Path) -> None:
    path.write_text(line("start", 0, num_steps=300) + line("train", 150, loss=1.0) + line("start", 100))
    assert metrics.progress(path, since=2.0) == metrics.Progress(restarts=1)
    assert metrics.progress(path, since=1.0).step == 100


def test_a_start_from_scratch_is_no_restart(path: Path) -> None:
    path.write_text(line("start", 0) + line("start", 0) + line("start", 5) + line("train", 6, note='"start"'))
    assert metrics.progress(path).restarts == 1


def test_scores_of_steps_that_training_went_back_behind_are_passed_over(path: Path) -> None:
    path.write_text(line("best", 100, value=0.4) + line("best", 200, value=0.5) + line("start", 100))
    found = metrics.newest(path, "best")
    assert found is not None
    assert found.step == 100


@pytest.mark.parametrize("half", ['{"kind": "train", "st', "{", line("train", 9).rstrip("\n")])
def test_a_half_written_last_line_is_not_yet_there(path: Path, half: str) -> None:
    path.write_text(line("train", 8) + half)
    assert metrics.progress(path).step == 8
    assert [metric.step for metric in metrics.read(path)] == [8]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"kind": "train", "step": null}',
        "\x00\x00",
        '{"kind": "train", "step": 1e999, "time": 1, "values": {}}',
        '{"kind": "train", "step": 1, "time": 1e999, "values": {}}',
        f'{{"kind": "train", "step": 1, "time": {10**400}, "values": {{}}}}',
    ],
)
def test_a_broken_line_is_passed_over(path: Path, broken: str) -> None:
    path.write_text(line("train", 8) + broken + "\n" + line("eval", 8))
    assert metrics.progress(path).step == 8
    assert [metric.kind for metric in metrics.read(path)] == ["train", "eval"]


def test_numbers_that_json_has_not_are_none(path: Path) -> None:
    path.write_text(line("train", 1, loss=float("nan"), learning_rate=float("inf")))
    found = metrics.newest(path, "train")
    assert found is not None
    assert found.values == {"loss": None, "learning_rate": None}
    path.write_text(line("train", 1, loss=0).replace(": 0}", ": 1e999}"))
    assert [metric.values for metric in metrics.read(path)] == [{"loss": None}]


def test_values_of_other_types_are_none(path: Path) -> None:
    path.write_text(line("start", 0, num_steps="many") + line("train", 1, loss="low", steps_per_second=[1]))
    found = metrics.progress(path)
    assert (found.step, found.num_steps, found.loss, found.eta_seconds) == (1, None, None, None)


@given(lengths=st.lists(st.integers(0, 40)), rest=st.sampled_from(["", '{"kind"']), block=st.integers(1, 200))
def test_backwards_is_forwards_reversed(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], rest: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    path.write_text("".join(line("train", step, note="é" * length) for step, length in enumerate(lengths)) + rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK", block)
        backwards = list(metrics.read_backwards(path))
    assert backwards[::-1] == list(metrics.read(path))
    assert len(backwards) == len(lengths)
