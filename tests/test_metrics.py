"""metrics.jsonl survives killed writers and full disks, and is read in one way."""

from __future__ import annotations

import errno
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool import metrics
from odtool.metrics import MetricsLog


def line(kind: str, step: int, **values: object) -> str:
    return json.dumps({"kind": kind, "step": step, "time": 1.5, "values": values}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_a_run_without_a_file_has_no_lines(path: Path) -> None:
    assert metrics.find_newest(path, "eval") is None
    assert metrics.read(path) == list(metrics.read_backwards(path)) == []


def test_the_current_course_is_without_the_steps_that_were_taken_again(path: Path) -> None:
    path.write_text(line("train", 100) + line("train", 200) + line("start", 100) + line("train", 150))
    course = metrics.current_course(metrics.read(path))
    assert [(entry.kind, entry.step) for entry in course] == [("train", 100), ("start", 100), ("train", 150)]


@pytest.mark.parametrize(("kind", "value"), [("eval", None), ("best", None), ("train", -1.0)])
def test_the_score_of_a_set_without_objects_is_none(path: Path, kind: str, value: float | None) -> None:
    path.write_text(line(kind, 5, AP=-1.0, loss=0.5))
    assert [entry.values for entry in metrics.read(path)] == [{"AP": value, "loss": 0.5}]


def test_a_kind_is_read_by_its_own_name_and_not_by_what_a_line_mentions(path: Path) -> None:
    path.write_text(line("start", 0) + line("train", 1, note='"start"', start="eval"))
    assert [entry.step for entry in metrics.read(path, "start")] == [0]
    assert metrics.read(path, "eval") == []


def test_scores_of_steps_that_training_went_back_behind_are_passed_over(path: Path) -> None:
    path.write_text(line("best", 100, value=0.4) + line("best", 200, value=0.5) + line("start", 100))
    found = metrics.find_newest(path, "best")
    assert found is not None
    assert found.step == 100


@pytest.mark.parametrize("half", ['{"kind": "train", "st', "{", line("train", 9).rstrip("\n")])
def test_a_half_written_last_line_is_not_yet_there(path: Path, half: str) -> None:
    path.write_text(line("train", 8) + half)
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
    assert [metric.kind for metric in metrics.read(path)] == ["train", "eval"]


def test_numbers_that_json_has_not_are_none(path: Path) -> None:
    path.write_text(line("train", 1, loss=float("nan"), learning_rate=float("inf")))
    assert [metric.values for metric in metrics.read(path)] == [{"loss": None, "learning_rate": None}]
    path.write_text(line("train", 1, loss=0).replace(": 0}", ": 1e999}"))
    assert [metric.values for metric in metrics.read(path)] == [{"loss": None}]


@given(lengths=st.lists(st.integers(0, 40)), rest=st.sampled_from(["", '{"kind"']), block=st.integers(1, 200))
def test_backwards_is_forwards_reversed(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], rest: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    path.write_text("".join(line("train", step, note="é" * length) for step, length in enumerate(lengths)) + rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK", block)
        backwards = list(metrics.read_backwards(path))
    assert backwards[::-1] == metrics.read(path)
    assert len(backwards) == len(lengths)


def test_a_line_is_one_object_and_numbers_that_json_has_not_are_null(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=lambda: 12.5)
    log.write("train", 3, {"loss": math.nan, "rate": math.inf, "speed": 2, "path": "ckpt-3", "none": None})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    values = {"loss": None, "rate": None, "speed": 2, "path": "ckpt-3", "none": None}
    assert json.loads(line) == {"kind": "train", "step": 3, "time": 12.5, "values": values}


def test_a_line_broken_by_a_kill_is_ended_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).write("train", 1, {})
    with path.open("a") as stream:
        stream.write('{"kind": "train", "st')
    MetricsLog(path).write("train", 2, {})
    assert [line.step for line in metrics.read(path)] == [1, 2]
    assert path.read_text().count("\n") == 3


@given(st.binary())
def test_reading_never_fails_on_what_is_in_the_file(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_bytes(content)
        metrics.read(path)


def test_a_line_that_a_full_disk_cuts_short_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MetricsLog(path)
    log.write("train", 1, {})
    before = path.read_bytes()
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        with pytest.raises(OSError, match="the disk full") as caught:
            log.write("train", 2, {})
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    log.write("train", 3, {})
    assert [entry.step for entry in metrics.read(path)] == [1, 3]


def test_a_disk_without_any_room_is_named_with_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught:
        MetricsLog(Path("/dev/full")).write("train", 1, {})
    assert caught.value.errno == errno.ENOSPC


def test_lines_of_two_processes_never_mix(path: Path) -> None:
    text = "x" * 20_000

    def write(step: int) -> None:
        for _ in range(20):
            MetricsLog(path).write("train", step, {"note": text})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(entry.step for entry in metrics.read(path)) == sorted([*range(4)] * 20)


def test_events_are_all_but_those_of_single_steps_and_what_was_read_is_not_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(line("start", 0) + line("train", 1) + line("eval", 1) + '{"kind": "eval", "st')
    assert [(entry.kind, entry.step) for entry in metrics.read_events(path)] == [("start", 0), ("eval", 1)]
    parsed: list[bytes] = []
    parse = metrics.parse
    monkeypatch.setattr(metrics, "parse", lambda text: parsed.append(text) or parse(text))
    path.write_text(path.read_text() + 'ep": 2}\n' + line("checkpoint", 2) + line("best", 2))
    assert [entry.kind for entry in metrics.read_events(path)] == ["start", "eval", "best"]
    assert len(parsed) == 2
    assert metrics.read_events(path) == [
        entry for entry in metrics.read(path) if entry.kind not in ("train", "checkpoint")
    ]


def test_another_file_of_the_same_name_is_read_anew(path: Path) -> None:
    path.write_text(line("start", 0) + line("eval", 1))
    assert len(metrics.read_events(path)) == 2
    path.write_text(line("start", 0) + line("best", 9) + line("best", 9) + line("best", 9))
    assert [entry.kind for entry in metrics.read_events(path)] == ["start", "best", "best", "best"]
    path.write_text(line("start", 0))
    assert [entry.kind for entry in metrics.read_events(path)] == ["start"]
    path.unlink()
    assert metrics.read_events(path) == []


def test_a_line_without_end_is_passed_over_both_ways(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(line("eval", 1).encode())
        stream.write(b'{"kind": "eval", "step": 2, "time": 1, "values": {}, "x": "' + b"x" * 20_000_000 + b'"}\n')
        stream.write(line("eval", 3).encode() + b"y" * 20_000_000)
    assert [entry.step for entry in metrics.read(path)] == [1, 3]
    assert [entry.step for entry in metrics.read_backwards(path)] == [3, 1]
    assert [entry.step for entry in metrics.read_events(path)] == [1, 3]
