"""odtool status."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from odtool.cli.run import watch_screen
from odtool.jobs import record
from odtool.workspace import Run

MAP, MAP50 = "DetectionBoxes_Precision/mAP", "DetectionBoxes_Precision/mAP@.50IOU"
LINES = [
    ("start", 0, {"num_steps": 300, "batch_size": 9}),
    ("train", 150, {"loss": 1.25, "learning_rate": 0.004, "steps_per_second": 3.0}),
    ("eval", 100, {MAP: 0.31, MAP50: 0.6}),
    ("best", 100, {"metric": MAP, "value": 0.31, "checkpoint": "best/ckpt-100"}),
]


def write_metrics(run: Run) -> None:
    lines = [json.dumps({"kind": kind, "step": step, "time": 9e9, "values": values}) for kind, step, values in LINES]
    run.metrics.write_text("\n".join(lines) + '\n{"kind": "tra')


def test_a_run_that_was_never_started_has_no_state(odtool: Callable, job_run: Run) -> None:
    said = odtool("status", "--json").json
    assert (said["run"], said["train"]["state"], said["eval"]["state"]) == ("first", "none", "none")


def test_json_has_every_promised_field(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    odtool("train")
    write_metrics(job_run)
    said = odtool("status", "--json").json
    job = record.load(job_run, "train")
    assert job is not None
    assert said["train"] == {
        "state": "running",
        "pid": job.pid,
        "started": job.started,
        "exit_code": None,
        "reason": "",
        "step": 150,
        "num_steps": 300,
        "loss": 1.25,
        "learning_rate": 0.004,
        "steps_per_second": 3.0,
        "eta_seconds": 50.0,
        "batch_size": 9,
        "restarts": 0,
        "stalled_seconds": None,
        "recoveries": [],
        "input_wait": None,
        "cache": False,
        "advice": "",
        "gpus": [],
    }
    assert said["eval"] == {
        "state": "none",
        "pid": None,
        "started": None,
        "exit_code": None,
        "reason": "",
        "metrics": {"step": 100, MAP: 0.31, MAP50: 0.6},
        "best": {"step": 100, "metric": MAP, "value": 0.31, "checkpoint": "best/ckpt-100"},
        "gpus": [],
    }


def test_people_read_it_in_a_few_lines(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    odtool("train")
    write_metrics(job_run)
    said = odtool("status").out
    for part in (
        "train running, pid",
        "step 150 of 300, loss 1.25, learning rate 0.004, 3 steps/s, 50s left",
        "step 100: mAP@[.5:.95] 0.310, mAP@.5 0.600",
        "best: step 100, mAP@[.5:.95] 0.310, best/ckpt-100",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("share", "cache", "advice"),
    [
        (0.1, False, ""),
        (0.43, False, "43% of the time is spent waiting for input, not for the device; keep records in memory"),
        (0.43, True, "43% of the time is spent waiting for input, not for the device; give it more processor cores"),
    ],
)
def test_a_training_that_waits_for_input_is_told_what_helps(
    odtool: Callable, job_run: Run, share: float, cache: bool, advice: str
) -> None:
    lines = [("start", 0, {"cache": cache}), ("train", 9, {"loss": 1.0, "input_wait": share})]
    entries = [{"kind": kind, "step": step, "time": 1, "values": values} for kind, step, values in lines]
    job_run.metrics.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    shown = odtool("status", "--json").json["train"]
    assert (shown["input_wait"], shown["advice"][: len(advice)]) == (share, advice)
    assert bool(shown["advice"]) == bool(advice)
    assert ("odtool prepare --max-side" in shown["advice"]) == bool(advice)
    assert (f"      {shown['advice']}\n" in odtool("status").out) == bool(advice)


def test_the_gpus_of_a_running_task_are_shown_with_what_is_its_own(
    odtool: Callable, job_run: Run, two_gpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert odtool("status", "--json").json["train"]["gpus"] == []
    pid = odtool("train", "--gpu", "1", "--json").json["train"]["pid"]
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"--query-compute-apps=*) echo '{pid}, GPU-b, 2048'; echo '1, GPU-b, 512'; echo '{pid}, GPU-a, 7';;\n"
        "*) echo '0, Big, 3, 9, 81559, GPU-a'; echo '1, Small, 87, 3072, 8192, GPU-b';;\nesac\n"
    )
    shown = odtool("status", "--json").json
    assert shown["train"]["gpus"] == [
        {"number": 1, "name": "Small", "percent": 87, "own": 2048, "used": 3072, "total": 8192}
    ]
    assert shown["eval"]["gpus"] == []
    line = "      GPU 1 (Small), busy 87% of the time, holds 2.0 GiB, 3.0 of 8.0 GiB in use by all\n"
    assert line in odtool("status").out


def test_figures_of_a_sample_are_said_to_be_so(odtool: Callable, job_run: Run) -> None:
    write_metrics(job_run)
    values = {MAP: 0.4, MAP50: 0.7, "sample_1_of_n": 10}
    with job_run.metrics.open("a") as lines:
        lines.write("\n" + json.dumps({"kind": "eval", "step": 150, "time": 9.0, "values": values}) + "\n")
    assert "step 150: mAP@[.5:.95] 0.400, mAP@.5 0.700, on 1 of 10 images\n" in odtool("status").out


def test_nothing_to_be_found_is_no_figure(odtool: Callable, job_run: Run) -> None:
    write_metrics(job_run)
    with job_run.metrics.open("a") as lines:
        line = {"kind": "eval", "step": 150, "time": 9.0, "values": {MAP: -1.0, MAP50: -1.0}}
        lines.write("\n" + json.dumps(line) + "\n")
    assert "step 150: mAP@[.5:.95] -, mAP@.5 -\n" in odtool("status").out


def test_the_best_is_told_with_the_metric_it_was_chosen_by(odtool: Callable, job_run: Run) -> None:
    best = {"metric": "Loss/total_loss", "value": 0.5, "checkpoint": "best/ckpt-100"}
    job_run.metrics.write_text(json.dumps({"kind": "best", "step": 100, "time": 1, "values": best}) + "\n")
    assert "best: step 100, Loss/total_loss 0.500, best/ckpt-100\n" in odtool("status").out
    assert "best Loss/total_loss 0.500 at step 100" in watch_screen.line(watch_screen.view(job_run))


def test_before_the_first_step_nothing_of_an_earlier_start_is_shown(
    odtool: Callable, job_run: Run, no_gpu: None
) -> None:
    job_run.metrics.write_text('{"kind": "train", "step": 7, "time": 1, "values": {"loss": 1}}\n')
    assert odtool("status", "--json").json["train"]["step"] == 7
    odtool("train")
    assert odtool("status", "--json").json["train"]["step"] is None
    assert "loading TensorFlow" in odtool("status").out


def test_a_killed_training_is_shown_with_its_signal_and_no_time_left(
    odtool: Callable, job_run: Run, until: Callable, no_gpu: None
) -> None:
    write_metrics(job_run)
    pid = odtool("train", "--no-recover", "--json").json["train"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: odtool("status", "--json").json["train"]["state"] == "failed")
    said = odtool("status", "--json").json["train"]
    assert (said["exit_code"], said["eta_seconds"]) == (-9, None)
    assert "killed by SIGKILL (often: out of memory)" in odtool("status").out


def test_the_newest_run_is_shown_and_the_others_listed(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    odtool("train")
    other = Run(job_run.path.parent / "second")
    other.path.mkdir()
    other.pipeline_config.touch()
    os.utime(job_run.pipeline_config, (1, 1))
    said = odtool("status").out
    assert said.startswith("run   second")
    assert "other runs: first (train running)" in said
    assert "other runs" not in odtool("status", "first").out


def test_another_run_that_cannot_be_read_does_not_hide_this_one(odtool: Callable, job_run: Run) -> None:
    other = Run(job_run.path.parent / "second")
    other.path.mkdir()
    other.jobs.touch()
    other.pipeline_config.touch()
    os.utime(other.pipeline_config, (1, 1))
    said = odtool("status")
    assert said.code == 0
    assert said.out.startswith("run   first")
    assert "other runs: second (cannot be read: [Errno 20] Not a directory" in said.out


def test_a_stall_is_reported(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    odtool("train")
    now = time.time()
    written = [{"kind": "train", "step": step, "time": now + step, "values": {"loss": 1.0}} for step in range(3)]
    job_run.metrics.write_text("".join(json.dumps(line) + "\n" for line in written))
    assert odtool("status", "--json").json["train"]["stalled_seconds"] is None
    job = record.load(job_run, "train")
    assert job is not None
    record.save(job_run, "train", replace(job, started=now - 400))
    for line in written:
        line["time"] -= 300
    job_run.metrics.write_text("".join(json.dumps(line) + "\n" for line in written))
    assert odtool("status", "--json").json["train"]["stalled_seconds"] == pytest.approx(300, abs=20)
    assert "stalled: no step for 4m" in odtool("status").out or "stalled: no step for 5m" in odtool("status").out


def test_a_restart_for_lack_of_memory_is_shown_with_its_reason(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    write_metrics(job_run)
    made = {"kind": "recover", "step": 0, "time": 9e9, "values": {"reason": "killed by SIGKILL", "batch_size": 4}}
    again = {"kind": "start", "step": 0, "time": 9e9, "values": {"num_steps": 600, "batch_size": 4}}
    job_run.metrics.write_text("".join(json.dumps(line) + "\n" for line in (made, again)))
    said = odtool("status", "--json").json["train"]
    assert (said["restarts"], said["batch_size"]) == (1, 4)
    assert said["recoveries"] == [{"step": 0, "reason": "killed by SIGKILL", "batch_size": 4}]
    assert "made smaller at step 0 to batch size 4: killed by SIGKILL" in odtool("status").out


def test_escape_codes_in_what_is_shown_are_not_obeyed(odtool: Callable, job_run: Run) -> None:
    evil = "\x1b[2Jcat\x07\nerror: forged"
    job = record.JobRecord(("train",), "/", time.time(), 0, "here", pid=4_000_000, pid_start="1")
    record.save(job_run, "train", job)
    record.save_outcome(job_run, "train", record.Outcome("failed", evil, time.time(), 4_000_000))
    values = {"metric": evil, "value": 0.5, "checkpoint": evil}
    job_run.metrics.write_text(json.dumps({"kind": "best", "step": 3, "time": 5, "values": values}) + "\n")
    job_run.log("train").write_text("\x1b]0;title\x07 warning: x\n")
    (job_run.path.parent / "\x1b[31mred").mkdir()
    (job_run.path.parent / "\x1b[31mred" / "pipeline.config").touch()
    for words in (("status", "first"), ("status", "--watch"), ("status",), ("logs", "first"), ("stop", "\x1b[1m")):
        said = odtool(*words)
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err
        assert "\nerror: forged" not in said.out
    assert "\\x1b[2Jcat\\x07\\nerror: forged" in odtool("status", "first").out
