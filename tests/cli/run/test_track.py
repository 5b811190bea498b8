"""odtool track, and train --track, with a small script in the place of the process that tells a tracker."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool import locks
from odtool.api.tasks import tracking_feed
from odtool.tracking import place
from odtool.workspace import Run

FEED = """
import json, os, pathlib, sys
run, mode = pathlib.Path(sys.argv[1]), sys.argv[2]
(run / "fed").open("a").write(mode + "\\n")
print("12:00:00 not told: ConnectionError: refused", file=sys.stderr)
if (run / "fails").exists():
    print(json.dumps({"lines": 1, "points": 1, "artifacts": 0, "remote": None, "all": False}))
    sys.exit(1)
if (run / "crashes").exists():
    os._exit(3)
print(json.dumps({"lines": 3, "points": 1234, "artifacts": 2, "remote": "abc", "all": True}))
"""


@pytest.fixture(autouse=True)
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "feed.py"
    script.write_text(FEED)
    monkeypatch.setattr(tracking_feed, "command", lambda run, mode: [sys.executable, str(script), str(run.path), mode])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


def modes(run: Run) -> list[str]:
    return (run.path / "fed").read_text().split() if (run.path / "fed").exists() else []


def test_what_was_told_and_where_is_said(odtool: Callable, job_run: Run) -> None:
    said = odtool("track", "--to", "mlflow")
    assert said.code == 0
    assert said.out == "told mlflow of run first: 1,234 values, 2 files\n  http://host:5000, a b, abc\n"
    assert odtool("track", "first", "--json").json == {
        "run": "first", "path": str(job_run.path), "tracker": "mlflow", "where": "http://host:5000", "project": "a b",
        "remote": "abc", "lines": 3, "points": 1234, "artifacts": 2,
    }  # fmt: skip
    assert modes(job_run) == ["once", "once"]


def test_a_run_without_a_tracker_is_told_how_to_name_one(odtool: Callable, job_run: Run) -> None:
    said = odtool("track")
    assert said.code == 1
    assert "run 'first' has no tracker" in said.err
    assert "odtool track first --to mlflow" in said.err
    assert modes(job_run) == []


@pytest.mark.parametrize(("trouble", "words"), [("fails", "ConnectionError: refused"), ("crashes", "refused")])
def test_what_could_not_be_told_is_said_with_the_cause(
    odtool: Callable, job_run: Run, trouble: str, words: str
) -> None:
    (job_run.path / trouble).touch()
    said = odtool("track", "--to", "mlflow")
    assert said.code == 1
    assert words in said.err
    assert "Catch up later: odtool track first" in said.err
    assert not locks.is_held(job_run.job_lock("track"))


def test_two_do_not_tell_of_a_run_at_once(odtool: Callable, job_run: Run) -> None:
    lock = locks.acquire(job_run.job_lock("track"))
    assert lock is not None
    said = odtool("track", "--to", "mlflow")
    os.close(lock)
    assert said.code == 1
    assert "is being told of run 'first' already" in said.err
    assert modes(job_run) == []


def test_a_training_is_followed_and_so_is_the_next(
    odtool: Callable, job_run: Run, until: Callable, two_gpus: None
) -> None:
    (job_run.path / "finish").touch()
    assert odtool("train", "--foreground", "--track", "mlflow", "--track-artifacts").code == 0
    assert modes(job_run) == ["follow"]
    assert odtool("train", "--foreground").code == 0
    assert modes(job_run) == ["follow", "follow"]
    known = place.load(job_run)
    assert known is not None
    assert known.artifacts
    assert odtool("train", "--foreground", "--track", "none").code == 0
    assert odtool("train", "--foreground").code == 0
    assert modes(job_run) == ["follow", "follow"]


def test_a_tracker_that_cannot_be_told_does_not_touch_the_training(
    odtool: Callable, job_run: Run, two_gpus: None
) -> None:
    (job_run.path / "finish").touch()
    (job_run.path / "crashes").touch()
    said = odtool("train", "--foreground", "--track", "mlflow", "--json")
    assert said.code == 0
    assert said.json["train"]["state"] == "finished"
    assert "refused" in job_run.log("track").read_text()


@pytest.mark.parametrize("arguments", [("train", "--track", "comet"), ("track", "--to", "comet")])
def test_a_tracker_that_is_not_known_is_wrong_usage(odtool: Callable, job_run: Run, arguments: tuple[str, ...]) -> None:
    said = odtool(*arguments)
    assert said.code == 2
    assert "'comet' is not one of mlflow, wandb, none" in said.err
    assert json.dumps(modes(job_run)) == "[]"
