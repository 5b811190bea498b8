"""Requests as command lines, and back."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from odtool.api.tasks import engine_tasks
from odtool.api.tasks.arguments import add_arguments, from_options, to_argv
from odtool.api.tasks.engine_tasks import (
    BenchmarkTask,
    CheckTask,
    DetectionsTask,
    DetectTask,
    DoctorTask,
    EvaluateTask,
    ExportTask,
    FetchTask,
    MeasureTask,
    PredictTask,
    PreviewTask,
    RecoverTask,
    TrainTask,
)
from odtool.workspace import Run

RUN = Run(Path("/a b/train/-first"))
TASKS = [
    TrainTask(run=RUN),
    TrainTask(run=RUN, checkpoint_every=7, cache_memory=10**9, early_stop=3, deadline=1.25e9 + 0.1, cpu_devices=2),
    TrainTask(run=RUN, cache_memory="auto"),
    EvaluateTask(run=RUN),
    EvaluateTask(run=RUN, checkpoint="/x/ckpt-1", best="-loss", latest=True, batch_size=1),
    DetectTask(run=RUN, output=Path("/out.json")),
    DetectionsTask(run=RUN, checkpoint=Path("/c"), output=Path("/o"), header={"checkpoint": "best/ckpt-1", "a": [1]}),
    ExportTask(run=RUN, checkpoint=Path("/c"), folder=Path("/f")),
    ExportTask(
        run=RUN, checkpoint=Path("/c"), folder=Path("/f"), formats=("onnx", "tflite"), fast_nms=True, min_agreement=0.0
    ),
    PredictTask(folder=Path("/f"), model=Path("/m"), source_list=Path("/l")),
    PredictTask(folder=Path("/f"), model=Path("/m"), sources=("-a", "--model", "b c")),
    PredictTask(
        folder=Path("/f"), model=Path("/m"), sources=("a",), min_score=("-1", "a,b=0.3"), save_as=("coco", "voc"),
        pictures=False, count=True, tile=100, label_map=Path("/l"),
    ),
    BenchmarkTask(model=Path("/m"), records=("-a", "b c")),
    BenchmarkTask(model=Path("/m"), records=("a",), threads=2, batches=("1", "8"), on_gpu=True, score=True),
    DoctorTask(),
    CheckTask(run=RUN),
    MeasureTask(run=RUN, batch_size=8),
    FetchTask(run=RUN, folder=Path("/f"), sample=7),
    PreviewTask(run=RUN, folder=Path("/f"), images=3, seed=5, step_by_step=True),
    MeasureTask(run=RUN, batch_size=8, precision="bfloat16"),
    RecoverTask(run=RUN, devices=2, cause="killed by SIGKILL"),
]  # fmt: skip


def parse(kind: type, words: list[str]) -> Any:
    parser = argparse.ArgumentParser()
    add_arguments(parser, kind)
    return from_options(kind, parser.parse_args(words))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task)[:40])
def test_what_is_written_is_read_as_the_same(task: Any) -> None:
    assert parse(type(task), to_argv(task)) == task


def test_every_task_of_the_engine_is_among_them() -> None:
    kinds = {value for name, value in vars(engine_tasks).items() if name.endswith("Task") and isinstance(value, type)}
    assert {type(task) for task in TASKS} == kinds


def test_words_stand_in_the_order_of_the_fields() -> None:
    task = TrainTask(run=Run(Path("/r")), early_stop=3)
    numbers = ["--checkpoint-every", "1000", "--keep-checkpoints", "5", "--early-stop", "3"]
    assert to_argv(task) == ["/r", *numbers, "--precision", "float32"]


def test_a_cause_can_be_appended() -> None:
    words = [*to_argv(RecoverTask(run=RUN)), "why"]
    assert parse(RecoverTask, words) == RecoverTask(run=RUN, cause="why")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["r", "--checkpoint-every", "0"], "0 is not 1 or more"),
        (["r", "--keep-checkpoints", "many"], "invalid literal"),
        (["r", "--cache-memory", "-5"], "not 1 or more"),
        ([], "required"),
    ],
)
def test_words_that_make_no_request_are_refused(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(TrainTask, words)
    assert problem in capsys.readouterr().err


def test_the_engine_lists_its_tasks_without_loading_tensorflow() -> None:
    code = (
        "import sys\nfrom odtool.engine.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('tensorflow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False"
    for name in ("train", "eval", "detections", "Train a run up to its number of steps"):
        assert name in ended.stdout
