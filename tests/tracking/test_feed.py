"""A feed and a tracker that fails, forgets and crashes; tests of real trackers lie beside."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from odtool.errors import JobError, OdtoolError
from odtool.tracking import feed, place
from odtool.tracking.feed import Feed
from odtool.tracking.place import TrackingPlace
from odtool.tracking.points import Point
from odtool.workspace import Run


class Memory:
    """A tracker that keeps what it is told, fails as often as it is asked to, and knows what it has got."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.failures: Iterator[str] = iter(())

    def connect(self, run: Run, known: TrackingPlace) -> tuple[MemoryRun, str]:
        self.fail("connect")
        remote = known.remote or f"remote-{len(self.runs)}"
        content = self.runs.setdefault(remote, {"parameters": {}, "points": [], "files": [], "states": []})
        return MemoryRun(self, content), remote

    def fail(self, call: str) -> None:
        if next(self.failures, None) == call:
            raise RuntimeError(f"{call} failed\nand more")


class MemoryRun:
    def __init__(self, tracker: Memory, content: dict[str, Any]) -> None:
        self.tracker, self.content = tracker, content

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        self.tracker.fail("parameters")
        self.content["parameters"].update(parameters)

    def log(self, points: Sequence[Point], *, doubtful: bool) -> None:
        known = self.content["points"] if doubtful else []
        for point in points:
            if point not in known:
                self.content["points"].append(point)
            self.tracker.fail("log")

    def upload(self, path: Path, folder: str) -> None:
        self.tracker.fail("upload")
        self.content["files"].append(f"{folder}/{path.name}")

    def close(self, state: str) -> None:
        self.content["states"].append(state)


@pytest.fixture
def tracker() -> Memory:
    return Memory()


@pytest.fixture
def begin(run: Run, tracker: Memory) -> Callable[..., Feed]:
    """A feed, as a new process begins one."""
    place.save(run, TrackingPlace("mlflow", "nowhere", "trial"))

    def make(say: Callable[[str], None] = lambda _: None) -> Feed:
        return Feed(run, tracker.connect, say=say)

    return make


def told(tracker: Memory, remote: str = "remote-0") -> list[tuple[str, int]]:
    return [(point.name.rpartition("/")[2], point.step) for point in tracker.runs[remote]["points"]]


def test_a_later_feed_goes_on_where_the_first_stopped(tracker: Memory, begin: Callable, write: Callable) -> None:
    write(10)
    begin().bring()
    write(20)
    begin().bring()
    begin().bring()
    assert list(tracker.runs) == ["remote-0"]
    assert told(tracker) == [("loss", 10), ("mAP", 10), ("loss", 20), ("mAP", 20)]


@pytest.mark.parametrize("after", range(6))
def test_nothing_is_told_twice_or_lost_whenever_it_fails(
    tracker: Memory, begin: Callable, write: Callable, after: int
) -> None:
    for step in (10, 20, 30):
        write(step)
    tracker.failures = iter(["", "", *[""] * after, "log"])  # after connecting, parameters and so many points
    with pytest.raises(RuntimeError):
        begin().bring()
    assert len(told(tracker)) == after + 1
    write(40)
    begin().bring()
    assert told(tracker) == [(name, step) for step in (10, 20, 30, 40) for name in ("loss", "mAP")]


def test_parameters_are_what_differs_from_the_zoo_and_are_told_when_they_change(
    run: Run, tracker: Memory, begin: Callable, write: Callable
) -> None:
    write(10)
    one = begin()
    one.bring()
    parameters = tracker.runs["remote-0"]["parameters"]
    assert parameters["model"] == "ssd_mobilenet_v2_fpnlite_320x320"
    assert parameters["config.train_config.batch_size"] == "7"
    assert parameters["version.odtool"]
    tracker.runs["remote-0"]["parameters"] = {}
    run.pipeline_config.write_text(run.pipeline_config.read_text().replace("batch_size: 7", "batch_size: 9"))
    one.bring()
    assert tracker.runs["remote-0"]["parameters"] == {"batch_size": "9", "config.train_config.batch_size": "9"}


def test_figures_of_another_file_are_another_run(run: Run, tracker: Memory, begin: Callable, write: Callable) -> None:
    write(10)
    begin().bring()
    run.metrics.unlink()
    write(11)
    notes: list[str] = []
    begin(notes.append).bring()
    assert told(tracker, "remote-1") == [("loss", 11), ("mAP", 11)]
    assert "another one than before" in notes[0]


def test_a_run_without_figures_yet_keeps_its_place_in_the_tracker(
    run: Run, tracker: Memory, begin: Callable, write: Callable
) -> None:
    one = begin()
    one.bring()
    write(10)
    one.bring()
    assert list(tracker.runs) == ["remote-0"]
    assert told(tracker) == [("loss", 10), ("mAP", 10)]


def test_files_are_sent_if_asked_for_and_again_when_they_change(
    run: Run, tracker: Memory, begin: Callable, write: Callable
) -> None:
    write(10)
    for name in ("ckpt-10.index", "ckpt-10.data-00000-of-00001", "ckpt-20.data-00000-of-00001", "report.html"):
        (run.path / name).write_text("x")
    begin().bring()
    assert tracker.runs["remote-0"]["files"] == []
    known = place.load(run)
    assert known is not None
    place.save(run, TrackingPlace(**{**vars(known), "artifacts": True}))
    expected = [
        "/pipeline.config",
        "/report.html",
        "checkpoints/ckpt-10.data-00000-of-00001",
        "checkpoints/ckpt-10.index",
    ]
    begin().bring()
    begin().bring()
    assert tracker.runs["remote-0"]["files"] == expected
    run.report.write_text("changed")
    begin().bring()
    assert tracker.runs["remote-0"]["files"] == [*expected, "/report.html"]


def test_following_ends_with_the_jobs_and_tells_their_state(tracker: Memory, begin: Callable, write: Callable) -> None:
    states = iter(["running", "running", "stopped"])
    assert feed.follow(
        begin(), find_state=lambda: next(states), say=lambda _: None, sleep=lambda _: write(10), patience=0
    )
    assert len(told(tracker)) == 4
    assert tracker.runs["remote-0"]["states"] == ["stopped"]


def test_a_tracker_that_is_down_is_tried_again_and_is_noted_once(
    tracker: Memory, begin: Callable, write: Callable
) -> None:
    write(10)
    tracker.failures = iter(["connect"] * 5)
    states = iter([*["running"] * 7, "finished"])
    notes: list[str] = []
    pauses: list[float] = []
    assert feed.follow(begin(), find_state=lambda: next(states), say=notes.append, sleep=pauses.append)
    assert notes == ["not told: RuntimeError: connect failed"]
    assert pauses[:6] == [4.0, 8.0, 16.0, 32.0, 60.0, 2.0]
    assert len(told(tracker)) == 2


def test_after_the_end_a_tracker_that_stays_down_is_given_up(tracker: Memory, begin: Callable, write: Callable) -> None:
    write(10)
    tracker.failures = iter(["connect"] * 1000)
    clock = iter(range(0, 1000, 10))
    assert not feed.follow(
        begin(), find_state=lambda: "finished", say=lambda _: None, clock=lambda: next(clock), sleep=lambda _: None
    )
    tracker.failures = iter(())
    begin().bring()  # caught up later
    assert len(told(tracker)) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"tracker": "other"}', '{"tracker": "mlflow", "where": 3}'])
def test_a_damaged_place_is_named(run: Run, begin: Callable, content: str) -> None:
    run.tracking.write_text(content)
    with pytest.raises(JobError, match=r"tracking\.json"):
        begin()


def test_a_run_that_is_not_tracked_is_refused(run: Run, tracker: Memory) -> None:
    with pytest.raises(OdtoolError, match="has no tracker"):
        Feed(run, tracker.connect, say=lambda _: None)
    shutil.rmtree(run.path)
