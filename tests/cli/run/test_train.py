"""odtool train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from odtool import locks
from odtool.api.run import train
from odtool.jobs import record, state
from odtool.workspace import Run


def seen(run: Run, until: Callable, task: str = "train") -> dict:
    until(lambda: "begins" in run.log(task).read_text())
    return dict(json.loads((run.path / f"{task}.seen.json").read_text()))


def test_training_starts_in_the_background_and_says_how_to_watch_it(
    odtool: Callable, job_run: Run, until: Callable, no_gpu: None
) -> None:
    said = odtool("train")
    job = record.load(job_run, "train")
    assert job is not None
    assert (said.code, said.err) == (0, "")
    for part in ("run first", f"pid {job.pid}", str(job_run.log("train")), "odtool status first", "odtool stop first"):
        assert part in said.out
    assert "cpu (no GPU: no NVIDIA driver" in said.out
    assert state.read(job_run, "train").state == "running"
    engine = seen(job_run, until)
    assert engine["argv"] == [
        "train", str(job_run.path), "--checkpoint-every", "100", "--keep-checkpoints", "5", "--precision", "float32"
    ]  # fmt: skip
    assert engine["cwd"] == str(Path.cwd())
    assert engine["environment"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert engine["environment"]["PYTHONUNBUFFERED"] == "1"
    assert engine["nice"] == os.nice(0)


def test_a_run_that_has_all_its_steps_is_said_to_at_once(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    for suffix in ("index", "data-00000-of-00001"):
        (job_run.path / f"ckpt-300.{suffix}").touch()
    said = odtool("train")
    assert said.code == 0
    assert said.err.startswith("note: ckpt-300 has all of the 300 steps already. To train for longer, from there: ")
    assert f"odtool configure --pipeline '{job_run.path}' --checkpoint '{job_run.path}' --steps N" in said.err


def test_json_says_the_same_in_one_object(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    said = odtool("train", "first", "--eval", "--json").json
    assert said["run"] == "first"
    for task in ("train", "eval"):
        job = record.load(job_run, task)
        assert job is not None
        assert (said[task]["pid"], said[task]["log"]) == (job.pid, str(job_run.log(task)))


def test_from_another_folder_the_commands_to_watch_it_name_the_workspace(
    odtool: Callable, job_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None
) -> None:
    root = Path.cwd()
    monkeypatch.chdir(tmp_path)
    said = odtool("train", "--workspace", root)
    assert f"odtool status first -w '{root}'" in said.out


def test_eval_starts_both_with_evaluation_on_the_cpu_and_humble(
    odtool: Callable, job_run: Run, until: Callable, two_gpus: None
) -> None:
    assert odtool("train", "--eval", "--gpu", "1").code == 0
    assert seen(job_run, until)["environment"]["CUDA_VISIBLE_DEVICES"] == "1"
    engine = seen(job_run, until, "eval")
    assert engine["environment"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert engine["nice"] == min(os.nice(0) + 10, 19)
    assert engine["argv"] == ["eval", str(job_run.path), "--checkpoint", "all", "--sample", "1"]


def test_settings_are_handed_on(odtool: Callable, job_run: Run, until: Callable, two_gpus: None) -> None:
    assert odtool("train", "--checkpoint-every", 7, "--keep-checkpoints", 2).code == 0
    engine = seen(job_run, until)
    assert engine["argv"][2:6] == ["--checkpoint-every", "7", "--keep-checkpoints", "2"]
    assert engine["environment"]["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_gpu_that_does_not_exist_is_refused_before_anything_starts(
    odtool: Callable, job_run: Run, two_gpus: None
) -> None:
    said = odtool("train", "--gpu", "2")
    assert said.code == 1
    assert "no GPU 2 here; there is: 0 (Big), 1 (Small)" in said.err
    assert "--gpu cpu" in said.err
    assert not job_run.jobs.exists()
    assert not job_run.log("train").exists()


def test_the_memory_of_a_gpu_is_handed_on_and_kept(
    odtool: Callable, job_run: Run, until: Callable, two_gpus: None
) -> None:
    assert "GPU 0 (Big), memory as needed: pid" in odtool("train", "--gpu-memory", "grow").out
    assert seen(job_run, until)["environment"]["ODTOOL_GPU_MEMORY"] == "grow"
    odtool("stop")
    job_run.log("train").unlink()
    assert odtool("train").code == 0
    assert seen(job_run, until)["environment"]["ODTOOL_GPU_MEMORY"] == "grow"


def test_the_memory_of_a_gpu_is_refused_with_the_cpu(odtool: Callable, job_run: Run, two_gpus: None) -> None:
    said = odtool("train", "--gpu", "cpu", "--gpu-memory", "8GB")
    assert said.code != 0
    assert "--gpu-memory" in said.err
    assert "this is to run on cpu" in said.err
    assert record.load(job_run, "train") is None


def test_a_full_gpu_is_told_before_anything_is_started(odtool: Callable, job_run: Run, two_gpus: None) -> None:
    said = odtool("train", "--gpu", "1", "--gpu-memory", "8GiB")
    assert "GPU 1 (Small) has too little free memory: 8,100 of 8,192 MiB, and 8,192 are asked for" in said.err
    assert record.load(job_run, "train") is None


def test_a_batch_that_the_gpus_cannot_share_is_refused(odtool: Callable, job_run: Run, two_gpus: None) -> None:
    said = odtool("train", "--gpu", "0,1")
    assert said.code == 1
    assert "batch_size 9 cannot be split evenly across 2 devices" in said.err


def test_a_running_run_is_refused(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    assert odtool("train").code == 0
    said = odtool("train")
    assert said.code == 1
    assert "already running (pid" in said.err
    assert "odtool stop first train" in said.err


def test_with_evaluation_nothing_starts_while_another_evaluation_runs(
    odtool: Callable, job_run: Run, no_gpu: None
) -> None:
    lock = locks.acquire(job_run.job_lock("eval"))
    assert lock is not None
    said = odtool("train", "--eval")
    os.close(lock)
    assert said.code == 1
    assert "eval of run 'first' is already running" in said.err
    assert not job_run.job_record("train").exists()


def test_a_run_that_does_not_exist_is_refused(odtool: Callable, job_run: Run) -> None:
    said = odtool("train", "second")
    assert said.code == 1
    assert "no run 'second'" in said.err


def test_training_before_configure_is_refused(odtool: Callable, tmp_path: Path) -> None:
    said = odtool("train", "--workspace", tmp_path)
    assert said.code == 1
    assert "odtool configure" in said.err


def test_a_cache_is_handed_on_with_its_size_in_bytes(odtool: Callable, job_run: Run, until: Callable) -> None:
    assert odtool("train", "--gpu", "cpu", "--cache-memory", "1.5MB").code == 0
    assert seen(job_run, until)["argv"][6:8] == ["--cache-memory", "1500000"]


def test_a_cache_of_no_given_size_is_sized_by_the_engine(odtool: Callable, job_run: Run, until: Callable) -> None:
    assert odtool("train", "--gpu", "cpu", "--cache").code == 0
    assert seen(job_run, until)["argv"][6:8] == ["--cache-memory", "auto"]


def test_a_cache_size_that_is_none_is_refused(odtool: Callable, job_run: Run) -> None:
    said = odtool("train", "--cache-memory", "much")
    assert (said.code, "--cache-memory much: not a size" in said.err) == (1, True)


def test_limits_and_the_metric_are_handed_on(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    before = time.time()
    assert odtool("train", "--eval", "--best", "AR", "--early-stop", 3, "--time-limit", "1h30m").code == 0
    options = seen(job_run, until)["argv"]
    assert options[options.index("--early-stop") + 1] == "3"
    assert float(options[options.index("--deadline") + 1]) - before == pytest.approx(5400, abs=60)
    assert seen(job_run, until, "eval")["argv"][-2:] == ["--best", "AR"]


def test_out_of_memory_is_recovered_from_unless_told_not_to(
    odtool: Callable, job_run: Run, until: Callable, no_gpu: None
) -> None:
    (job_run.path / "hungry").touch()
    odtool("train")
    job = record.load(job_run, "train")
    assert job is not None
    assert job.recover[2:] == ("recover", str(job_run.path), "--devices", "1")
    until(lambda: "recover begins" in job_run.log("train").read_text())
    assert json.loads((job_run.path / "recover.seen.json").read_text())["argv"][-1] == "out of memory: told to"
    (job_run.path / "finish").touch()
    until(lambda: state.read(job_run, "train").state == "finished")
    assert odtool("train", "--no-recover").code == 0
    job = record.load(job_run, "train")
    assert job is not None
    assert job.recover == ()


@pytest.mark.parametrize("options", [("--early-stop", 3), ("--best", "AR"), ("--time-limit", "soon"),
                                     ("--time-limit", "0s"), ("--early-stop", 0, "--eval")])  # fmt: skip
def test_limits_that_cannot_work_are_wrong_usage(odtool: Callable, job_run: Run, options: tuple[object, ...]) -> None:
    assert odtool("train", *options).code == 2


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("1h30m", 5400), ("90s", 90), ("1.5m", 90), ("1D", 86400)])
def test_a_time_limit_is_written_as_people_do(text: str, seconds: float) -> None:
    assert train.parse_duration(text) == seconds


@pytest.mark.parametrize("option", ["--checkpoint-every", "--keep-checkpoints"])
def test_counts_below_one_are_wrong_usage(odtool: Callable, job_run: Run, option: str) -> None:
    assert odtool("train", option, 0).code == 2


@pytest.mark.parametrize(
    ("num_steps", "every"), [(0, 1), (1, 1), (50, 50), (300, 100), (2000, 200), (9999, 999), (300_000, 1000)]
)
def test_checkpoints_are_ten_but_neither_too_close_nor_too_far(num_steps: int, every: int) -> None:
    assert train.default_checkpoint_every(num_steps) == every


def test_foreground_shows_the_log_and_ends_with_the_job(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    (job_run.path / "finish").touch()
    said = odtool("train", "--foreground")
    assert (said.code, said.out) == (0, "train begins\ntrain finished\n")
    assert job_run.log("train").read_text() == "train begins\n"


def test_foreground_of_both_waits_for_both(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    (job_run.path / "finish").touch()
    said = odtool("train", "--eval", "--foreground", "--json")
    assert (said.json["train"]["state"], said.json["eval"]["state"]) == ("finished", "finished")
    told, logged = said.err.splitlines()[:2], said.err.splitlines()[2:]
    assert [line.split(" of run first on cpu")[0] for line in told] == ["train", "eval"]
    assert sorted(logged) == ["eval  | eval begins", "train | train begins"]


def test_a_failure_in_the_foreground_is_exit_code_1(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    (job_run.path / "fail").touch()
    said = odtool("train", "--foreground")
    assert said.code == 1
    assert "train failed, exit code 1: told to fail" in said.out


@pytest.fixture
def foreground(job_run: Run, tmp_path: Path, no_gpu: None) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `odtool train --foreground` in a process of its own, at a terminal or without one, and waits until it has
    begun."""
    driver = (
        "from types import SimpleNamespace\n"
        "from odtool.api.tasks import engine_process\n"
        "from odtool.cli import main\n"
        "from odtool.pipeline.checks import check_list\n"
        f"engine_process.ENGINE = ({sys.executable!r}, {str(tmp_path / 'engine.py')!r})\n"
        "check_list.check_run = lambda path, devices: SimpleNamespace(num_steps=300)\n"
        "main()"
    )
    with ExitStack() as stack:

        def begin(*options: str, terminal: bool) -> subprocess.Popen[bytes]:
            primary, stdin = os.openpty() if terminal else os.pipe()
            for descriptor in (primary, stdin):
                stack.callback(os.close, descriptor)
            command = subprocess.Popen(
                [sys.executable, "-c", driver, "train", "--foreground", *options],
                stdin=stdin if terminal else primary,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert command.stdout is not None
            while not command.stdout.readline().endswith(b"train begins\n"):
                assert command.poll() is None
            return command

        yield begin


def test_ctrl_c_at_a_terminal_saves_and_is_exit_code_0(job_run: Run, foreground: Callable) -> None:
    command = foreground(terminal=True)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate()
    assert out == b"train saves\ntrain stopped: by a signal, after saving\n"
    assert b"asked to save and stop" in err
    assert command.returncode == 0
    assert state.read(job_run, "train").state == "stopped"


@pytest.mark.parametrize(
    ("number", "terminal"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)]
)
def test_what_a_scheduler_stops_is_not_finished(
    job_run: Run, foreground: Callable, number: int, terminal: bool
) -> None:
    command = foreground(terminal=terminal)
    command.send_signal(number)
    out, _ = command.communicate()
    assert out == b"train saves\ntrain stopped: by a signal, after saving\n"
    assert command.returncode == os.EX_TEMPFAIL == 75
    assert state.read(job_run, "train").state == "stopped"


def test_what_odtool_stop_ends_is_not_finished_for_who_stands_by(
    odtool: Callable, job_run: Run, foreground: Callable
) -> None:
    command = foreground(terminal=True)
    assert odtool("stop").code == 0
    assert b"train stopped: by a signal, after saving\n" in command.communicate()[0]
    assert command.returncode == 75


def test_a_failure_beside_a_stop_is_exit_code_1(odtool: Callable, job_run: Run, foreground: Callable) -> None:
    command = foreground("--eval", terminal=False)
    evaluation = record.load(job_run, "eval")
    assert evaluation is not None
    assert evaluation.pid is not None
    os.kill(evaluation.pid, signal.SIGKILL)
    assert odtool("stop", "train").code == 0
    assert b"eval failed" in command.communicate()[0]
    assert command.returncode == 1


def test_who_is_to_be_told_has_been_told_when_the_foreground_ends(
    odtool: Callable, job_run: Run, two_gpus: None
) -> None:
    (job_run.path / "finish").touch()
    assert odtool("train", "--foreground", "--eval", "--notify", f"cat >> '{job_run.path}/told'").code == 0
    lines = [json.loads(line) for line in (job_run.path / "told").read_text().splitlines()]
    assert sorted((line["task"], line["state"], line["exit_code"]) for line in lines) == [
        ("eval", "finished", 0),
        ("train", "finished", 0),
    ]


@pytest.mark.parametrize("command", ["train", "eval"])
@pytest.mark.parametrize("target", ["ftp://example.com/x", "http://", "no-such-program-here --now"])
def test_who_cannot_be_told_is_refused_before_anything_starts(
    odtool: Callable, job_run: Run, no_gpu: None, command: str, target: str
) -> None:
    said = odtool(command, "--notify", target)
    assert said.code == 2
    assert "--notify" in said.err
    assert not job_run.jobs.exists()


def test_a_batch_script_without_srun_is_told_that_it_trains_alone(
    odtool: Callable, job_run: Run, monkeypatch: pytest.MonkeyPatch, no_gpu: None
) -> None:
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}.items():
        monkeypatch.setenv(name, value)
    (job_run.path / "finish").touch()
    done = odtool("train", "--foreground")
    assert done.code == 0
    assert done.err.count("this Slurm job has 2 tasks, and works in this one process") == 1
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert "Slurm" not in odtool("train", "--foreground").err
