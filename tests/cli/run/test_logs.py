"""odtool logs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from odtool.workspace import Run


def test_the_end_of_the_log_is_shown(odtool: Callable, job_run: Run) -> None:
    job_run.log("train").write_text("".join(f"step {step}\n" for step in range(100)))
    assert odtool("logs").out.splitlines()[0] == "step 50"
    assert odtool("logs", "first", "-n", 2).out == "step 98\nstep 99\n"


@pytest.mark.parametrize("arguments", [["eval"], ["first", "eval"]])
def test_a_lone_task_means_the_newest_run(odtool: Callable, job_run: Run, arguments: list[str]) -> None:
    job_run.log("eval").write_text("scored\n")
    assert odtool("logs", *arguments).out == "scored\n"


def test_a_run_may_be_named_like_a_task(odtool: Callable, job_run: Run) -> None:
    named = Run(job_run.path.parent / "eval")
    named.path.mkdir()
    named.pipeline_config.touch()
    named.log("train").write_text("of the run named eval\n")
    assert odtool("logs", "eval").out == "of the run named eval\n"


def test_a_task_that_does_not_exist_is_wrong_usage(odtool: Callable, job_run: Run) -> None:
    assert odtool("logs", "first", "export").code == 2


def test_a_log_that_is_not_there_is_an_error(odtool: Callable, job_run: Run) -> None:
    said = odtool("logs", "eval")
    assert said.code == 1
    assert f"{job_run.log('eval')}: no log yet" in said.err
    assert "odtool eval first" in said.err


def test_json_has_the_lines(odtool: Callable, job_run: Run) -> None:
    job_run.log("train").write_bytes(b"one\ntwo \xff\n")
    assert odtool("logs", "--json", "-n", 1).json == {
        "run": "first",
        "task": "train",
        "path": str(job_run.log("train")),
        "lines": ["two \ufffd"],
    }
    assert odtool("logs", "--json", "-f").code == 2


def test_following_ends_with_the_job(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    odtool("train")
    until(lambda: job_run.log("train").read_text())
    finish = threading.Timer(0.3, (job_run.path / "finish").touch)
    finish.start()
    said = odtool("logs", "-f")
    finish.join()
    assert said.out == "train begins\n"
    assert "train of run first: finished" in said.err
