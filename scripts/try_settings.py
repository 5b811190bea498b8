"""Trains, evaluates, exports and predicts with every enum value, boolean and alternative of a config not refused.

    python scripts/try_settings.py
    python scripts/try_settings.py --base ssd --only train_config.optimizer --together 1

Small runs of each architecture on drawn images. What `odtool check` refuses is counted with its reason; all else has to
train a step, to be evaluated and exported, and to predict, by the engine's own functions. Values that do not exclude
one another are tried several at a time (--together), and singly where that fails. --sample N takes one of N groups.
Prints each value that fails with the stage and the error, and exits with 1 where there is any.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import settings_cases
from settings_cases import BASES, Case

from odtool import configure, prepare
from odtool.errors import ConfigError, OdtoolError
from odtool.pipeline.checks import check_list
from odtool.pipeline.text import config as configs
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import derive_facts

Group = list[Case]
_ANSWER = "answer: "


def find_refusal(base: PipelineConfig, cases: Sequence[Case]) -> str:
    """Why the config with these settings is refused before anything is built; '' where it is not."""
    try:
        check_list.refuse_errors(derive_facts(settings_cases.apply(base, list(cases))))
    except OdtoolError as error:
        return error.message
    return ""


def group(base: PipelineConfig, cases: Sequence[Case], most: int) -> list[Group]:
    """Cases that do not exclude one another."""
    groups: list[Group] = []
    for case in cases:
        for members in groups:
            if len(members) < most and _go_together(base, [*members, case]):
                members.append(case)
                break
        else:
            groups.append([case])
    return groups


def _go_together(base: PipelineConfig, cases: Group) -> bool:
    """Whether all of their values hold when all are set, and nothing refuses them."""
    changed = settings_cases.apply(base, cases)
    try:
        if any(settings_cases.set_value(changed, case).message != changed.message for case in cases):
            return False
    except ConfigError:  # another one has taken away the part that it is of
        return False
    return not find_refusal(base, cases)


class Worker:
    """A process in which TensorFlow is loaded, that tries one config after another."""

    def __init__(self, images: Path) -> None:
        self._images = images
        self._process: subprocess.Popen[str] | None = None
        self._tried = 0

    def attempt(self, folder: Path) -> str:
        """The stage that fails and its error; '' where all do their work."""
        if self._process is None or self._tried >= 25:  # graphs and their memory stay in the process
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--worker", str(self._images)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._tried = 0
        self._tried += 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(_ANSWER):
                return str(json.loads(line.removeprefix(_ANSWER)))
        code = self._process.wait()
        self.stop()
        return f"the process ended with {code}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def work(images: Path) -> None:
    """What a worker does: for each folder on stdin an answer on stdout."""
    from odtool.engine import startup

    startup.load()
    import tensorflow as tf

    shrink_backbone()

    for line in sys.stdin:
        fault = _try_run(Path(line.strip()), images)
        tf.keras.backend.clear_session()
        sys.stdout.write(f"{_ANSWER}{json.dumps(fault)}\n")
        sys.stdout.flush()


def shrink_backbone() -> None:
    """Gives MobileNet V2 six convolutions in place of 52, for which most of the time goes: settings are tried here."""
    import tensorflow as tf
    from object_detection.models.keras_models import mobilenet_v2

    def build(batchnorm_training: bool, conv_hyperparams: Any = None, input_shape: Any = None, **_: Any) -> Any:
        values = inputs = tf.keras.Input(input_shape or (None, None, 3))
        for name, stride in _BACKBONE:
            settings = conv_hyperparams.params() if conv_hyperparams else {}
            values = tf.keras.layers.Conv2D(8, 3, strides=stride, padding="same", **settings)(values)
            if conv_hyperparams:
                values = conv_hyperparams.build_batch_norm(training=batchnorm_training)(values)
                values = conv_hyperparams.build_activation_layer(name=name)(values)
            else:
                values = tf.keras.layers.ReLU(name=name)(values)
        return tf.keras.Model(inputs, values)

    mobilenet_v2.mobilenet_v2 = build


_BACKBONE = (
    ("block_2_add", 4),
    ("block_5_add", 2),
    ("block_9_add", 2),
    ("block_12_add", 1),
    ("block_13_expand_relu", 1),
    ("out_relu", 2),
)
"""Names of the layers from which the API's extractors take features, and their strides."""


def _try_run(folder: Path, images: Path) -> str:
    from odtool.api.tasks.engine_tasks import ExportTask, PredictTask
    from odtool.engine.detect.predicting import predict
    from odtool.engine.evaluate.evaluation import evaluate
    from odtool.engine.export.exporting import export
    from odtool.engine.outcome import StopSignal
    from odtool.engine.train.limits import Limits
    from odtool.engine.train.training import train
    from odtool.pipeline.checks import exportable
    from odtool.pipeline.text.facts import read_facts
    from odtool.workspace import Run

    run = Run(folder)
    formats = tuple(
        name for name in ("savedmodel",) if not exportable.find_obstacle(read_facts(run.pipeline_config), name)
    )
    exported, predicted = folder / "exported", folder / "predicted"
    exported.mkdir()
    predicted.mkdir()
    stage = "train"
    try:
        train(run, checkpoint_every=10, keep_checkpoints=1, limits=Limits(), stop=StopSignal())
        stage = "evaluate"
        evaluate(run, which="latest", sample=1, stop=StopSignal())
        stage = "export"
        checkpoint = max(run.checkpoints().items())[1]
        task = ExportTask(run=run, checkpoint=checkpoint, folder=exported, formats=formats, verify_images=2)
        if formats and not export(task, lambda _: None)["accepted"]:
            return "export: it does not agree with the checkpoint"
        stage = "predict"
        # The export has run the checkpoint itself already, to compare with.
        model = exported if formats else folder
        predict(PredictTask(folder=predicted, model=model, sources=(str(images),)), lambda _: None)
    except Exception as error:  # whatever it is, is what is looked for
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{stage}: {type(error).__name__}: {' | '.join(lines[:1] + lines[-2:])[:400]}"
    return ""


def try_base(name: str, root: Path, options: argparse.Namespace, worker: Worker) -> list[str]:
    """Tries all of a base's cases; a line for each that fails."""
    base = BASES[name]
    settings = [re.sub("=(data|drawn)/", rf"={root}/\1/", text) for text in base.assignments]
    made = configure(base.model, assignments=settings, checkpoint="none", run=name, workspace=root).config
    cases = settings_cases.list_cases(made, base.roots)
    cases = [case for case in cases if re.search(options.only, case.path) and not re.search(options.skip, case.path)]
    refused = Counter[str]()
    accepted: list[Case] = []
    for case in cases:
        if reason := find_refusal(made, [case]):
            refused[reason] += 1
        else:
            accepted.append(case)
    groups = group(made, accepted, options.together)[:: options.sample]
    say(f"{name}: {len(cases)} values, {refused.total()} refused, {len(groups)} groups of at most {options.together}")
    for reason, count in refused.most_common():
        say(f"  refused {count:3}: {reason}")
    faults = []
    for fault in _try_groups(name, made, [[], *groups], root, worker):
        faults.append(fault)
        say(f"  FAILS {fault}")
    return faults


def _try_groups(name: str, base: PipelineConfig, groups: list[Group], root: Path, worker: Worker) -> Iterator[str]:
    """Halves of a group that fails are tried in its place."""
    waiting = list(groups)
    number = 0
    while waiting:
        members = waiting.pop(0)
        folder = root / f"{name}-{number}"
        number += 1
        folder.mkdir()
        configs.save(settings_cases.apply(base, members), folder / "pipeline.config")
        began = time.monotonic()
        fault = worker.attempt(folder)
        seconds, more = time.monotonic() - began, f", FAIL: {fault}" if fault else ""
        names = " ".join(f"{case.path.rpartition('.')[2]}={case.value}" for case in members)
        say(f"  {seconds:4.0f} s, {len(waiting):3} to come: {len(members)} values{more}: {names}")
        if not fault:
            continue
        if len(members) > 1:
            half = len(members) // 2
            waiting[:0] = [members[:half], members[half:]]
        else:
            what = " ".join(members[0].assignments) if members else "as it is"
            yield f"{name}: {what}: {fault}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", choices=BASES, action="append", help="only this one; may be repeated")
    parser.add_argument("--only", default="", metavar="REGEX", help="only fields whose path has this in it")
    parser.add_argument("--skip", default="$^", metavar="REGEX", help="and not this")
    parser.add_argument("--together", type=int, default=40, help="values tried at once, at most")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="take one of N groups")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="try-settings-") as name:
        root = Path(name)
        drawn = settings_cases.draw_images(root / "drawn", 6)
        prepare(drawn, val=0.34, masks=True, keypoints=True, workspace=root)
        worker = Worker(drawn / "images")
        try:
            for base in options.base or BASES:
                faults += try_base(base, root, options, worker)
        finally:
            worker.stop()
    say(f"{len(faults)} values fail")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
