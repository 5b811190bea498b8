"""odtool eval."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool import locks
from odtool.workspace import Run


def checkpoint(prefix: Path) -> Path:
    prefix.parent.mkdir(exist_ok=True)
    for ending in (".index", ".data-00000-of-00001"):
        Path(f"{prefix}{ending}").touch()
    return prefix


def seen(run: Run, until: Callable) -> dict:
    until(lambda: "begins" in run.log("eval").read_text())
    return dict(json.loads((run.path / "eval.seen.json").read_text()))


def test_evaluation_runs_on_the_cpu_over_all_checkpoints(
    odtool: Callable, job_run: Run, until: Callable, two_gpus: None
) -> None:
    checkpoint(job_run.checkpoint(100))
    assert odtool("eval").code == 0
    engine = seen(job_run, until)
    assert engine["argv"] == ["eval", str(job_run.path), "--checkpoint", "all", "--sample", "1"]
    assert engine["environment"]["CUDA_VISIBLE_DEVICES"] == "-1"


def test_settings_are_handed_on(odtool: Callable, job_run: Run, until: Callable, two_gpus: None) -> None:
    checkpoint(job_run.checkpoint(100))
    assert odtool("eval", "first", "--gpu", 1, "--checkpoint", "latest", "--sample", 4).code == 0
    engine = seen(job_run, until)
    assert engine["argv"][2:] == ["--checkpoint", "latest", "--sample", "4"]
    assert engine["environment"]["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize(
    "wanted", ["ckpt-100", "ckpt-100.index", "train/first/ckpt-100", "./train/first/ckpt-100.index"]
)
def test_a_checkpoint_is_named_from_here_or_from_the_run(
    odtool: Callable, job_run: Run, until: Callable, wanted: str
) -> None:
    checkpoint(job_run.checkpoint(100))
    assert odtool("eval", "--checkpoint", wanted).code == 0
    assert seen(job_run, until)["argv"][3] == str(job_run.checkpoint(100))


@pytest.mark.parametrize("folder", ["", "best"])
def test_a_checkpoint_over_a_link_is_the_runs_own(
    odtool: Callable, job_run: Run, until: Callable, tmp_path: Path, folder: str
) -> None:
    elsewhere = tmp_path / "scratch"
    job_run.path.rename(elsewhere)
    job_run.path.symlink_to(elsewhere)
    (elsewhere / folder).mkdir(exist_ok=True)
    checkpoint(elsewhere / folder / "ckpt-100")
    assert odtool("eval", "--checkpoint", elsewhere / folder / "ckpt-100").code == 0
    assert seen(job_run, until)["argv"][3] == str(job_run.path / folder / "ckpt-100")


@pytest.mark.parametrize("wanted", ["ckpt-7", "/no/such/ckpt-1", "train/first", "", "/"])
def test_a_checkpoint_that_does_not_exist_is_refused(odtool: Callable, job_run: Run, wanted: str) -> None:
    checkpoint(job_run.checkpoint(100))
    said = odtool("eval", "--checkpoint", wanted)
    assert said.code == 1
    assert "no such checkpoint" in said.err
    assert "Checkpoints of first: ckpt-100" in said.err
    assert not job_run.log("eval").exists()


def test_a_checkpoint_without_its_data_is_refused(odtool: Callable, job_run: Run) -> None:
    Path(f"{job_run.checkpoint(5)}.index").touch()
    said = odtool("eval", "--checkpoint", "ckpt-5")
    assert said.code == 1
    assert "lacks its .data file" in said.err


@pytest.mark.parametrize("wanted", ["all", "latest"])
def test_without_checkpoints_and_training_there_is_nothing_to_wait_for(
    odtool: Callable, job_run: Run, wanted: str
) -> None:
    said = odtool("eval", "--checkpoint", wanted)
    assert said.code == 1
    assert "run 'first' has no checkpoint" in said.err
    assert "odtool train first" in said.err


def test_while_training_runs_evaluation_waits_for_checkpoints(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    assert odtool("train").code == 0
    assert odtool("eval").code == 0
    said = odtool("eval", "--checkpoint", "latest")
    assert (said.code, "no checkpoint yet" in said.err) == (1, True)


def test_best_needs_a_best_checkpoint(odtool: Callable, job_run: Run) -> None:
    said = odtool("eval", "--checkpoint", "best")
    assert (said.code, "no best checkpoint yet" in said.err) == (1, True)
    checkpoint(job_run.best / "ckpt-100")
    assert odtool("eval", "--checkpoint", "best").code == 0


def test_a_gpu_that_does_not_exist_is_refused(odtool: Callable, job_run: Run, no_gpu: None) -> None:
    checkpoint(job_run.checkpoint(100))
    said = odtool("eval", "--gpu", "0")
    assert said.code == 1
    assert "no GPU 0 here" in said.err


@pytest.mark.parametrize("command", [("eval",), ("train", "--eval")])
def test_a_metric_that_does_not_exist_is_wrong_usage(
    odtool: Callable, job_run: Run, no_gpu: None, command: tuple[str, ...]
) -> None:
    said = odtool(*command, "--best", "mAP5")
    assert said.code == 2
    assert "'mAP5' is not a metric" in " ".join(said.err.split())
    assert not job_run.log("eval").exists()


def test_foreground_shows_the_log(odtool: Callable, job_run: Run) -> None:
    checkpoint(job_run.checkpoint(100))
    (job_run.path / "finish").touch()
    said = odtool("eval", "--foreground")
    assert (said.code, said.out) == (0, "eval begins\neval finished\n")


def test_the_metric_and_the_latest_are_handed_on(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    job_run.path.joinpath("ckpt-1.index").touch()
    assert odtool("eval", "--best", "loss", "--latest").code == 0
    until(lambda: "begins" in job_run.log("eval").read_text())
    seen = json.loads((job_run.path / "eval.seen.json").read_text())
    assert seen["argv"][-3:] == ["--best", "loss", "--latest"]
    assert odtool("eval", "--latest", "--checkpoint", "best").code == 2


def test_a_part_has_a_log_and_a_lock_of_its_own(odtool: Callable, job_run: Run, until: Callable) -> None:
    checkpoint(job_run.checkpoint(100))
    job_run.path.joinpath("finish").touch()
    said = odtool("eval", "--checkpoint", "latest", "--part", "2/16", "--json")
    assert said.code == 0
    assert said.json["eval-part2-of-16"]["argv"][-2:] == ["--part", "2/16"]
    until(lambda: "begins" in job_run.log("eval-part2-of-16").read_text())
    until(lambda: not locks.is_held(job_run.job_lock("eval-part2-of-16")))
    assert odtool("eval", "--join", "--checkpoint", "latest").code == 0
    assert seen(job_run, until)["argv"][-1] == "--join"


@pytest.mark.parametrize(
    "options",
    [
        ("--part", "2/16"),  # of which checkpoint?
        ("--part", "2/16", "--checkpoint", "latest", "--best", "mAP"),
        ("--part", "17/16", "--checkpoint", "latest"),
        ("--join", "--sample", "2"),
        ("--join", "--part", "1/2"),
    ],
)
def test_what_parts_cannot_have_is_wrong_usage(odtool: Callable, job_run: Run, options: tuple[str, ...]) -> None:
    checkpoint(job_run.checkpoint(100))
    assert odtool("eval", *options).code == 2
