"""The engine's commands, each run in a process of its own: python -m odtool.engine TASK …"""

from __future__ import annotations

import argparse
import atexit
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from odtool import printable, temporary_folders
from odtool.api.tasks.arguments import Kind, add_arguments, from_options
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
from odtool.engine import task_process
from odtool.engine.outcome import Ending, StopSignal
from odtool.errors import OdtoolError


def main(arguments: list[str] | None = None) -> int:
    """Runs one task; its exit code is 0 when it finished or was stopped, 1 when it failed."""
    options = _parser().parse_args(arguments)
    for level, word in ((logging.INFO, ""), (logging.WARNING, "warning: "), (logging.ERROR, "error: ")):
        logging.addLevelName(level, word)
    form = "%(asctime)s %(levelname)s%(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_VisibleFormatter(form, "%H:%M:%S"))
    logging.getLogger("odtool").setLevel(logging.INFO)
    code: int = options.work(options)
    return code


class _VisibleFormatter(logging.Formatter):
    """Names of classes and files in the log do nothing to the terminal that shows it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable.show(super().format(record))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m odtool.engine", description=__doc__)
    tasks = parser.add_subparsers(required=True, metavar="TASK")

    def add(kind: type[Kind], work: Callable[[Kind], int]) -> None:
        name: str = kind.NAME  # type: ignore[attr-defined]  # each of engine_tasks has one
        task = tasks.add_parser(name, help=kind.__doc__, description=kind.__doc__)
        add_arguments(task, kind)
        task.set_defaults(work=lambda options: work(from_options(kind, options)))

    add(TrainTask, _train)
    add(EvaluateTask, _evaluate)
    add(DetectTask, _detect)
    add(DetectionsTask, _detections)
    add(ExportTask, _export)
    add(PredictTask, _predict)
    add(BenchmarkTask, _benchmark)
    add(DoctorTask, _doctor)
    add(CheckTask, _check)
    add(FetchTask, _fetch)
    add(MeasureTask, _measure)
    add(PreviewTask, _preview)
    add(RecoverTask, _recover)
    return parser


def _train(task: TrainTask) -> int:
    from odtool import cluster

    group = cluster.find(os.environ)

    def work(stop: StopSignal) -> Ending:
        from odtool.engine.input.record_cache import RecordCache
        from odtool.engine.train.limits import Limits
        from odtool.engine.train.training import train

        return train(
            task.run,
            checkpoint_every=task.checkpoint_every,
            keep_checkpoints=task.keep_checkpoints,
            limits=Limits(task.early_stop, task.deadline),
            stop=stop,
            cache=RecordCache(task.cache_memory) if task.cache_memory else None,
            precision=task.precision,
            cpu_devices=task.cpu_devices or 1,
            cluster=group,
        )

    code = task_process.supervise(task.run, cluster.task_of(group), work)
    if group is not None:
        # TensorFlow's connections wait for one another at the end of a process, and may do so for ever.
        task_process.leave(code)
    return code


def _evaluate(task: EvaluateTask) -> int:
    def work(stop: StopSignal) -> Ending:
        from odtool import parts
        from odtool.engine.evaluate import evaluation_parts
        from odtool.engine.evaluate.evaluation import evaluate

        if task.join:
            return evaluation_parts.join_parts(task.run, which=task.checkpoint, best=task.best)
        if part := parts.choose(task.part, {}):
            return evaluation_parts.score_part(
                task.run,
                which=task.checkpoint,
                sample=task.sample,
                part=part,
                stop=stop,
                batch_size=task.batch_size,
            )
        return evaluate(
            task.run,
            which=task.checkpoint,
            sample=task.sample,
            best=task.best,
            latest=task.latest,
            batch_size=task.batch_size,
            stop=stop,
        )

    return task_process.supervise(task.run, task.job, work)


def _detect(task: DetectTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.detect.sample_images import detect

        detect(task.run, task.images, task.output)
        return {"output": str(task.output)}

    return task_process.answer(work, task.output)


def _detections(task: DetectionsTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.evaluate.all_detections import write_detections

        return write_detections(
            task.run, task.checkpoint, task.output, task.header, lambda doing: task_process.tell({"doing": doing})
        )

    return task_process.answer(work, task.output)


def _export(task: ExportTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.export.exporting import export

        return export(task, lambda doing: task_process.tell({"doing": doing}))

    return task_process.answer(work, task.folder)


def _predict(task: PredictTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.detect.predicting import predict

        return predict(task, lambda doing: task_process.tell({"doing": doing}))

    return task_process.answer(
        work, task.folder, with_api=False
    )  # TFLite and ONNX models do without; loading the others loads it


def _benchmark(task: BenchmarkTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.detect.benchmarking import benchmark

        return benchmark(task, lambda doing: task_process.tell({"doing": doing}))

    return task_process.answer(work, with_api=False)  # as for _predict, and what is not loaded takes no memory


def _doctor(_: DoctorTask) -> int:
    from odtool.engine.doctor import examine

    report = examine()
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if report["errors"] else 0


def _check(task: CheckTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.restore_check import check_restore

        return check_restore(task.run)

    return task_process.answer(work)


def _fetch(task: FetchTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine import model
        from odtool.engine.input.record_files import fetch

        configs = model.read_configs(task.run.pipeline_config)
        readers = [configs["train_input_config"], *configs["eval_input_configs"]]
        return {"sets": [fetch(reader, task.folder / str(index), task.sample) for index, reader in enumerate(readers)]}

    return task_process.answer(work, task.folder)


def _measure(task: MeasureTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.train.measure_memory import measure

        return measure(task.run, task.batch_size, task.precision)

    return task_process.answer(work)


def _preview(task: PreviewTask) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.preview.preview import write_preview

        return write_preview(task)

    return task_process.answer(work, task.folder)


def _recover(task: RecoverTask) -> int:
    from odtool.engine.train.memory_recovery import recover

    try:
        task_process.say(f"starting again: {recover(task.run, task.cause or '', devices=task.devices)}")
    except OdtoolError as error:
        # The hint first: the last line is what the job's state shows.
        task_process.say(f"hint: {error.hint}")
        task_process.say(f"error: {error.message}")
        return 1
    return 0


if __name__ == "__main__":
    temporary_folders.keep_own()
    status = main()
    atexit._run_exitfuncs()  # temporary folders are to go, as at any other end
    task_process.leave(status)
