"""The engine's commands, each run in a process of its own: python -m odtool.engine TASK …"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from odtool.engine.detect.predicting import add_options as predicting_options
from odtool.engine.export.export_request import add_options as exporting_options
from odtool.engine.export.export_request import from_options as exporting_request
from odtool.engine.outcome import Ending, Stopped, StopRequest, explain_failure, write_ending
from odtool.errors import OdtoolError
from odtool.workspace import Run


def main(arguments: list[str] | None = None) -> int:
    """Runs one task; its exit code is 0 when it finished or was stopped, 1 when it failed."""
    options = _parser().parse_args(arguments)
    for level, word in ((logging.INFO, ""), (logging.WARNING, "warning: "), (logging.ERROR, "error: ")):
        logging.addLevelName(level, word)
    form = "%(asctime)s %(levelname)s%(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=form, datefmt="%H:%M:%S")
    logging.getLogger("odtool").setLevel(logging.INFO)
    code: int = options.task(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m odtool.engine", description=__doc__)
    tasks = parser.add_subparsers(required=True, metavar="TASK")
    train = tasks.add_parser("train", help="train a run up to its number of steps")
    train.add_argument(
        "--checkpoint-every", type=_positive, default=1000, metavar="N", help="steps between checkpoints"
    )
    train.add_argument("--keep-checkpoints", type=_positive, default=5, metavar="N", help="newest checkpoints to keep")
    train.add_argument("--early-stop", type=_positive, metavar="N", help="end after N evaluations without improvement")
    train.add_argument("--deadline", type=float, metavar="TIME", help="Unix time at which to save and end")
    train.add_argument(
        "--cache-memory", type=_size, metavar="BYTES|auto", help="keep records in memory, up to this much"
    )
    train.add_argument(
        "--cpu-devices", type=_positive, default=1, metavar="N", help="split the CPU in N, to try several devices out"
    )
    train.set_defaults(task=_train)
    evaluate = tasks.add_parser("eval", help="score checkpoints of a run until there are no more to come")
    evaluate.add_argument("--checkpoint", default="all", metavar="all|latest|best|PREFIX", help="what to score")
    evaluate.add_argument("--sample", type=_positive, default=1, metavar="N", help="use 1 of N images")
    evaluate.add_argument("--best", metavar="METRIC", help="by which the best is chosen: mAP, AR, or a metric's name")
    evaluate.add_argument("--latest", action="store_true", help="of several that wait, score only the newest")
    evaluate.add_argument("--batch-size", type=_positive, metavar="N", help="images predicted together, at most")
    evaluate.set_defaults(task=_evaluate)
    detect = tasks.add_parser("detect", help="run a trained model over images of the evaluation records")
    detect.add_argument("--images", type=_positive, default=8, metavar="N", help="images, in order of reading")
    detect.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON file; images beside it")
    detect.set_defaults(task=_detect)
    detections = tasks.add_parser(
        "detections", help="all detections of a checkpoint in the evaluation records, as JSON"
    )
    detections.add_argument("--checkpoint", type=Path, required=True, metavar="PREFIX", help="its path without .index")
    detections.add_argument("--output", type=Path, required=True, metavar="FILE", help="a line of JSON for each image")
    detections.add_argument("--header", type=json.loads, default={}, metavar="JSON", help="for the file's first line")
    detections.set_defaults(task=_detections)
    export = tasks.add_parser("export", help="write a run's model in other formats, as JSON lines on stdout")
    exporting_options(export)
    export.set_defaults(task=_export)
    predict = tasks.add_parser("predict", help="what any model finds in images and videos, as files in a folder")
    predicting_options(predict)
    predict.set_defaults(task=_predict)
    doctor = tasks.add_parser("doctor", help="what works here, as JSON on stdout")
    doctor.set_defaults(task=_doctor)
    check = tasks.add_parser("check", help="what a run's fine-tune checkpoint gives its model, as JSON on stdout")
    check.set_defaults(task=_check)
    measure = tasks.add_parser("measure", help="memory that training takes at a batch size, as JSON on stdout")
    measure.add_argument("--batch-size", type=_positive, required=True, metavar="N", help="images per step")
    measure.set_defaults(task=_measure)
    recover = tasks.add_parser("recover", help="rewrite a run's config for half the batch, after it ran out of memory")
    recover.add_argument("--devices", type=_positive, default=1, metavar="N", help="devices that share a batch")
    recover.set_defaults(task=_recover)
    for task in (train, evaluate, detect, detections, export, check, measure, recover):
        task.add_argument("run", type=_run, metavar="RUN_DIR", help="train/<run>")
    recover.add_argument("cause", metavar="CAUSE", help="why: noted in metrics.jsonl")
    return parser


def _run(text: str) -> Run:
    return Run(Path(text).absolute())


def _size(text: str) -> int | Literal["auto"]:
    return "auto" if text == "auto" else _positive(text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _train(options: argparse.Namespace) -> int:
    from odtool import cluster

    found = cluster.find(os.environ)

    def work(stop: StopRequest) -> Ending:
        from odtool.engine.input.record_cache import RecordCache
        from odtool.engine.train.limits import Limits
        from odtool.engine.train.training import train

        return train(
            options.run,
            checkpoint_every=options.checkpoint_every,
            keep_checkpoints=options.keep_checkpoints,
            limits=Limits(options.early_stop, options.deadline),
            stop=stop,
            cache=RecordCache(options.cache_memory) if options.cache_memory else None,
            cpu_devices=options.cpu_devices,
            cluster=found,
        )

    code = _supervised(options.run, cluster.task_of(found), work)
    if found is not None:
        # TensorFlow's connections wait for one another at the end of a process, and may do so for ever.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    return code


def _evaluate(options: argparse.Namespace) -> int:
    def work(stop: StopRequest) -> Ending:
        from odtool.engine.evaluate.evaluation import evaluate

        return evaluate(
            options.run,
            which=options.checkpoint,
            sample=options.sample,
            best=options.best,
            latest=options.latest,
            batch_size=options.batch_size,
            stop=stop,
        )

    return _supervised(options.run, "eval", work)


def _detect(options: argparse.Namespace) -> int:
    from odtool.engine import compat

    try:
        compat.load()
        from odtool.engine.detect.sample_images import detect

        detect(options.run, options.images, options.output)
    except OdtoolError as error:
        _show(error)
        return 1
    return 0


def _detections(options: argparse.Namespace) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.evaluate.all_detections import write_detections

        return write_detections(
            options.run, options.checkpoint, options.output, options.header, lambda doing: _tell({"doing": doing})
        )

    return _answered(work)


def _export(options: argparse.Namespace) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.export.exporting import export

        return export(exporting_request(options), lambda doing: _tell({"doing": doing}))

    return _answered(work)


def _predict(options: argparse.Namespace) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.detect.predicting import predict

        return predict(options, lambda doing: _tell({"doing": doing}))

    return _answered(work, with_api=False)  # TFLite and ONNX models do without; loading the others loads it


def _doctor(_: argparse.Namespace) -> int:
    from odtool.engine.doctor import examine

    report = examine()
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if report["errors"] else 0


def _check(options: argparse.Namespace) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.restore_check import check_restore

        return check_restore(options.run)

    return _answered(work)


def _measure(options: argparse.Namespace) -> int:
    def work() -> dict[str, Any]:
        from odtool.engine.train.measure_memory import measure

        return measure(options.run, options.batch_size)

    return _answered(work)


def _recover(options: argparse.Namespace) -> int:
    from odtool.engine.train.memory_recovery import recover

    try:
        _say(f"starting again: {recover(options.run, options.cause, devices=options.devices)}")
    except OdtoolError as error:
        # The hint first: the last line is what the job's state shows.
        _say(f"hint: {error.hint}")
        _say(f"error: {error.message}")
        return 1
    return 0


def _answered(work: Callable[[], dict[str, Any]], *, with_api: bool = True) -> int:
    """Writes what a question about a run gives as JSON on stdout: the answer, or `failed` with its cause."""
    from odtool.engine import compat

    try:
        if with_api:
            compat.load()
        answer = work()
    except OdtoolError as error:
        answer = {"failed": error.message, "hint": error.hint}
    except Exception as error:  # the API's builders raise anything; the answer is that they do
        traceback.print_exc()
        answer = {"failed": f"{type(error).__name__}: {_first_line(error)}", "hint": ""}
    _tell(answer)
    return 1 if "failed" in answer else 0


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _supervised(run: Run, task: str, work: Callable[[StopRequest], Ending]) -> int:
    """Runs a task of a run and writes how it ended, whatever happens short of kill -9."""
    stop = StopRequest()
    stop.listen()
    began = time.monotonic()
    try:
        from odtool.engine import compat

        compat.load()
        log = logging.getLogger("odtool.engine")
        log.info("loaded TensorFlow and the Object Detection API in %.1f s", time.monotonic() - began)
        ending = work(stop)
    except Stopped as request:
        ending = Ending("stopped", str(request))
    except OdtoolError as error:
        _show(error)
        ending = Ending("failed", error.message)
    except Exception as error:
        traceback.print_exc()
        ending = explain_failure(error)
    stop.defer()  # from here on a signal would only keep the outcome from being written
    write_ending(run, task, ending)
    _say(f"{task} {ending.state}: {ending.reason}")
    return 1 if ending.state == "failed" else 0


def _show(error: OdtoolError) -> None:
    _say(f"error: {error.message}")
    if error.hint:
        _say(f"hint: {error.hint}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else "no message"


if __name__ == "__main__":
    sys.exit(main())
