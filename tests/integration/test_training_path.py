"""prepare, configure, train, eval, status and stop with the real engine, and what kill -9 leaves of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from odtool.dataset import synthetic

pytestmark = pytest.mark.slow
STEPS = 150


@pytest.fixture(scope="module")
def workspace(odtool: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data and a small run that trains for a few steps, in a folder whose name needs quoting."""
    folder = tmp_path_factory.mktemp("work [space]")
    synthetic.draw(folder / "drawings", images=24)
    for command in (
        ("prepare", "drawings", "--val", "0.25"),
        ("configure", "--model", "demo_ssd", "--run", "small", "--steps", STEPS, "--batch-size", 4),
    ):
        done = odtool(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def process(status: dict[str, Any], task: str) -> psutil.Process:
    return psutil.Process(status[task]["pid"])


def test_killed_training_shows_how_it_died_and_goes_on_from_its_last_checkpoint(
    odtool: Callable[..., Any],
    status: Callable[[Path], dict[str, Any]],
    until: Callable[..., Any],
    workspace: Path,
) -> None:
    run = workspace / "train" / "small"
    train = ("train", "--gpu", "cpu", "--eval", "--checkpoint-every", 6, "--keep-checkpoints", 2)

    started = odtool(*train, cwd=workspace)
    assert started.returncode == 0, started.stderr
    again = odtool("train", "--gpu", "cpu", cwd=workspace)
    assert again.returncode == 1
    assert "already running" in again.stderr

    engine = process(status(workspace), "train")  # now, as the last steps may take less time than asking
    assert engine.environ()["CUDA_VISIBLE_DEVICES"] == "-1"
    until((run / "ckpt-6.index").exists)
    engine.send_signal(signal.SIGKILL)
    died = until(lambda: (now := status(workspace))["train"]["state"] != "running" and now)
    assert died["train"]["state"] == "failed"
    assert died["train"]["exit_code"] == -signal.SIGKILL
    assert "SIGKILL" in died["train"]["reason"]
    until(lambda: status(workspace)["eval"]["state"] == "finished")

    saved = max(int(path.stem.split("-")[1]) for path in run.glob("ckpt-*.index"))
    assert odtool(*train, cwd=workspace).returncode == 0
    supervisor = process(status(workspace), "train").parent()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    assert status(workspace)["train"]["state"] == "running"
    ended = until(lambda: (now := status(workspace))["train"]["state"] != "running" and now)
    assert ended["train"]["state"] == "finished", (run / "train.log").read_text()
    assert (ended["train"]["step"], ended["train"]["restarts"]) == (STEPS, 1)
    ended = until(lambda: (now := status(workspace))["eval"]["state"] != "running" and now)
    assert ended["eval"]["state"] == "finished", (run / "eval.log").read_text()
    assert ended["eval"]["metrics"]["step"] == STEPS

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    starts = [line["step"] for line in lines if line["kind"] == "start"]
    assert starts == [0, saved]
    checkpoints = {line["step"] for line in lines if line["kind"] == "checkpoint"}
    scored = {line["step"] for line in lines if line["kind"] == "eval"}
    assert STEPS in checkpoints
    assert scored == checkpoints
    assert len(list(run.glob("ckpt-*.index"))) == 2
    assert list((run / "best").glob("ckpt-*.index"))


def test_two_runs_train_at_once_and_stop_saves_each(
    odtool: Callable[..., Any], until: Callable[..., Any], workspace: Path
) -> None:
    for name in ("one", "two"):
        made = odtool("configure", "--model", "demo_ssd", "--run", name, "--steps", 100_000, cwd=workspace)
        assert made.returncode == 0, made.stderr
        assert odtool("train", name, "--gpu", "cpu", cwd=workspace).returncode == 0

    def state(name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(odtool("status", name, "--json", cwd=workspace).stdout)["train"]
        return answer

    until(lambda: all((state(name)["step"] or 0) > 0 for name in ("one", "two")))
    assert odtool("stop", "one", "--timeout", 3000, cwd=workspace).returncode == 0
    assert state("one")["state"] == "stopped"
    assert state("two")["state"] == "running"
    assert odtool("stop", "two", "--timeout", 3000, cwd=workspace).returncode == 0
    assert state("two")["state"] == "stopped"
    for name in ("one", "two"):
        assert list((workspace / "train" / name).glob("ckpt-*.index"))
