"""A study whose trials are processes: killed, stopped, shared and pruned; the engine alone is a stand-in."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.api.run.stop import stop
from odtool.api.run.tune import StudyResult, tune
from odtool.errors import JobError
from odtool.jobs import record, state
from odtool.tuning.study_folder import StudyFolder
from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("at_once")]


class Other:
    """`odtool tune` in a process of its own."""

    def __init__(self, script: Path, *arguments: object) -> None:
        code = (
            "import sys\nfrom odtool.api.run import trial_search\nfrom odtool.api.tasks import engine_process\n"
            f"engine_process.ENGINE = (sys.executable, {str(script)!r})\ntrial_search.POLL = 0.02\n"
            "from odtool.cli import main\nmain()"
        )
        command = [sys.executable, "-c", code, "tune", "small", "--gpu", "cpu", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait()


@pytest.fixture
def other(stand_in: Path) -> Any:
    started: list[Other] = []

    def start(*arguments: object) -> Other:
        started.append(Other(stand_in, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.process.kill()
        process.process.wait()


def starts(run: Run, number: int, task: str = "train") -> list[str]:
    path = StudyFolder(run).trial_run(number).path / f"{task}.starts"
    return path.read_text().splitlines() if path.exists() else []


def states(result: StudyResult) -> list[str]:
    return [trial.state for trial in result.view.trials]


def test_what_is_behind_is_pruned_and_its_processes_end(process_run: Run, space: Path) -> None:
    Path("slow").touch()
    result = tune("small", trials=8, space=space, gpu="cpu", pruner="median")
    pruned = [trial for trial in result.view.trials if trial.state == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial.reason.startswith("behind other trials at evaluation")
        assert 2 <= max(trial.scores) <= 4
        assert state.read(result.folder.trial_run(trial.number), "train").state in ("stopped", "finished")
    assert result.view.best is not None
    assert result.view.best.state == "complete"


def test_hyperband_prunes_as_well(process_run: Run, space: Path) -> None:
    Path("slow").touch()
    result = tune("small", trials=8, space=space, gpu="cpu", pruner="hyperband")
    assert Counter(states(result))["pruned"] >= 1


def test_a_study_goes_on_after_kill_9_with_the_trial_that_was_running(
    process_run: Run, space: Path, other: Callable[..., Other], until: Callable[..., Any]
) -> None:
    Path("wait-1").touch()
    process = other("--trials", 3, "--space", space)
    until(lambda: starts(process_run, 1), by=process.process)
    process.end(signal.SIGKILL)
    trial = StudyFolder(process_run).trial_run(1)
    assert state.read(trial, "train").state == "running"  # it outlives the study
    Path("wait-1").unlink()
    result = tune("small", trials=3, gpu="cpu")
    assert states(result) == ["complete"] * 3
    assert len(starts(process_run, 1)) == 1


def test_it_goes_on_after_kill_9_of_the_study_and_all_its_processes(
    process_run: Run, space: Path, other: Callable[..., Other], until: Callable[..., Any]
) -> None:
    Path("wait-1").touch()
    process = other("--trials", 3, "--space", space)
    until(lambda: starts(process_run, 1) and starts(process_run, 1, "eval"), by=process.process)
    process.end(signal.SIGKILL)
    trial = StudyFolder(process_run).trial_run(1)
    for task in ("train", "eval"):
        job = record.load(trial, task)
        assert job is not None
        os.kill(job.pid or 0, signal.SIGKILL)
        until(lambda task=task: state.read(trial, task).state != "running")
    Path("wait-1").unlink()
    result = tune("small", trials=3, gpu="cpu")
    assert states(result) == ["complete"] * 3
    assert len(starts(process_run, 1)) == 2


def test_a_trial_whose_process_is_killed_is_started_again(
    process_run: Run, space: Path, until: Callable[..., Any]
) -> None:
    Path("wait-1").touch()

    def kill() -> None:
        until(lambda: starts(process_run, 1))
        job = until(lambda: (job := record.load(StudyFolder(process_run).trial_run(1), "train")) and job.pid and job)
        Path("wait-1").unlink()
        os.kill(job.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = tune("small", trials=2, space=space, gpu="cpu")
    killer.join()
    assert states(result) == ["complete", "complete"]
    assert len(starts(process_run, 1)) in (1, 2)  # it may have been faster than the signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_stops_the_trials_and_leaves_a_study_that_goes_on(
    number: int, process_run: Run, space: Path, other: Callable[..., Other], until: Callable[..., Any]
) -> None:
    Path("wait-1").touch()
    process = other("--trials", 2, "--space", space)
    until(lambda: starts(process_run, 1), by=process.process)
    assert process.end(number) == 128 + number
    trial = StudyFolder(process_run).trial_run(1)
    assert state.read(trial, "train").state == "stopped"
    Path("wait-1").unlink()
    assert states(tune("small", trials=2, gpu="cpu")) == ["complete", "complete"]
    assert len(starts(process_run, 1)) == 2


def test_several_processes_share_a_study(
    process_run: Run, space: Path, other: Callable[..., Other], until: Callable[..., Any]
) -> None:
    Path("slow").touch()
    tune("small", trials=1, space=space, gpu="cpu")
    processes = [other("--trials", 7, "--pruner", "none") for _ in range(2)]
    for process in processes:
        assert process.process.wait() == 0
    result = tune("small", trials=7, gpu="cpu", pruner="none")
    assert [trial.number for trial in result.view.trials] == list(range(7))
    assert states(result) == ["complete"] * 7
    assert all(len(starts(process_run, number)) == 1 for number in range(7))
    assert len({trial.values["learning_rate"] for trial in result.view.trials}) == 7


def test_two_gpus_train_two_trials_at_once(
    process_run: Run, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, Big, 81559, GPU-a, 81000'\necho '1, Small, 8192, GPU-b, 8100'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    Path("wait").touch()

    def let_go() -> None:
        until(lambda: starts(process_run, 0) and starts(process_run, 1))
        Path("wait").unlink()

    waiting = threading.Thread(target=let_go)
    waiting.start()
    result = tune("small", trials=3, space=space, gpu="0,1", gpu_memory="grow")
    waiting.join()
    assert states(result) == ["complete"] * 3
    assert {starts(process_run, number)[0].split()[0] for number in (0, 1)} == {"0", "1"}
    assert {starts(process_run, number, "eval")[0].split()[0] for number in (0, 1)} == {"-1"}


def test_the_options_of_training_are_passed_on(process_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu", cache=True, precision="bfloat16", best="mAP")
    (line,) = starts(process_run, 0)
    assert "--cache-memory auto" in line
    assert "--precision bfloat16" in line
    assert "--keep-checkpoints 1" in line
    assert "--best DetectionBoxes_Precision/mAP" in starts(process_run, 0, "eval")[0]


def test_a_trial_that_is_stopped_by_hand_has_ended_and_the_study_goes_on(
    process_run: Run, space: Path, until: Callable[..., Any]
) -> None:
    Path("wait-1").touch()

    def end() -> None:
        until(lambda: starts(process_run, 1) and starts(process_run, 1, "eval"))
        with contextlib.suppress(JobError):
            stop("small-trial-001")

    stopping = threading.Thread(target=end)
    stopping.start()
    result = tune("small", trials=3, space=space, gpu="cpu")
    stopping.join()
    assert states(result) == ["complete", "failed", "complete"]
    assert "stopped" in result.view.trials[1].reason


def test_when_the_time_is_up_trials_stop_and_a_later_call_goes_on(process_run: Run, space: Path) -> None:
    Path("wait").touch()
    result = tune("small", trials=2, space=space, gpu="cpu", time_limit=0.5)
    assert not result.is_whole
    assert states(result) == ["running"]
    assert state.read(result.folder.trial_run(0), "train").state == "stopped"
    Path("wait").unlink()
    assert states(tune("small", trials=2, gpu="cpu")) == ["complete", "complete"]
