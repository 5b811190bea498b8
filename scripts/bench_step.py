"""Benchmark of the training step on one constant batch, as ratios to the API's own step within one run.

    python scripts/bench_step.py                            # SSD 320 and EfficientDet D0, on the device there is
    python scripts/bench_step.py --models ssd faster_rcnn center_net --rounds 3
    python scripts/bench_step.py --models ssd --batch 64 --rounds 0 --json     # only graph and first step

Ours is odtool's step (engine/train/training_step.py), stock the API's `eager_train_step` in a tf.function with
AutoGraph, as its loop has it. Each runs in a process of its own, with the same model and the same random batch, no
input pipeline. The processes live side by side and take turns, so that what else the machine does meets both; medians
are compared, on a CPU of the processor time as well, which other work changes less. The API's loop traces its step
twice before the first one is done; here it is traced once.

Where there is a GPU, TensorFlow's profiler counts the kernels of two more steps, and says which operations take most of
its time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("ours", "stock")
ROWS = 100
"""Boxes that an image's groundtruth is padded to, as most configs have it."""


@dataclass(frozen=True)
class Case:
    """A model, and what a step of it is measured with."""

    name: str
    """In the zoo."""
    side: int
    batch: int
    """On a GPU."""
    cpu_batch: int
    goal: float
    """Steps/s to the stock step's on a GPU."""
    cpu_goal: float
    assignments: tuple[str, ...] = ()
    """What is changed in the zoo's config, as for odtool configure --set."""


_RCNN = "model.faster_rcnn"
_HEAD = f"{_RCNN}.second_stage_box_predictor.mask_rcnn_box_predictor"
CASES = {
    "ssd": Case("ssd_mobilenet_v2_fpnlite_320x320", 320, 64, 8, 4.0, 1.05),
    "efficientdet": Case("efficientdet_d0", 512, 16, 2, 2.5, 1.0),
    "faster_rcnn": Case("faster_rcnn_resnet50_v1_640x640", 640, 8, 1, 1.5, 1.0),
    # With a smaller backbone and fewer proposals, as this is about what a step does with them.
    "mask_rcnn": Case(
        "mask_rcnn_inception_resnet_v2_1024x1024",
        256,
        8,
        1,
        1.5,
        1.0,
        (
            f"{_RCNN}.feature_extractor.type=faster_rcnn_resnet50_keras",
            f"{_RCNN}.image_resizer.fixed_shape_resizer={{height: 256 width: 256}}",
            f"{_RCNN}.first_stage_max_proposals=16",
            f"{_RCNN}.second_stage_batch_size=16",
            f"{_RCNN}.initial_crop_size=14",
            f"{_RCNN}.maxpool_kernel_size=2",
            f"{_RCNN}.maxpool_stride=2",
            *(f"{_HEAD}.mask_{name}=15" for name in ("height", "width")),
            f"{_HEAD}.mask_prediction_conv_depth=32",
        ),
    ),
    "center_net": Case("centernet_resnet50_v1_fpn_512x512_kpts", 512, 16, 1, 2.0, 1.0),
}


def main() -> None:
    """Measures the models one after the other; prints a table, or one JSON object."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--models", nargs="+", choices=CASES, default=["ssd", "efficientdet"])
    options.add_argument("--batch", type=int, help="images a step; a number for each model and device if not given")
    options.add_argument("--boxes", type=int, default=8, help="boxes of an image, at most; a random number up to it")
    options.add_argument("--rounds", type=int, default=3, help="turns of each; 0 measures no more than the first step")
    options.add_argument("--steps", type=int, help="steps in a turn; 20 on a GPU and 2 on a CPU if not given")
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.child:
        serve(asked.child, asked.models[0], asked.batch, asked.boxes)
        return
    results = {}
    for name in asked.models:
        results[name] = measure(name, asked)
        if not asked.json:
            show(name, results[name])
    if asked.json:
        print(json.dumps(results, indent=2))


class Contestant:
    """A process that holds one kind of step, and takes some when asked."""

    def __init__(self, kind: str, name: str, asked: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--child", kind, "--models", name, "--boxes", str(asked.boxes)]
        if asked.batch:
            command += ["--batch", str(asked.batch)]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.facts = self._read()

    def ask(self, **request: Any) -> dict[str, Any]:
        """What the process answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            sys.exit(f"a step failed: exit code {self._process.wait()}\n{self._log.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
        self._log.close()


def measure(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Both kinds of one model's step."""
    if not asked.rounds:
        # One after the other, as large batches need the memory.
        found = {}
        for kind in KINDS:
            contestant = Contestant(kind, name, asked)
            found[kind] = contestant.facts | contestant.ask(peak=True)
            contestant.close()
        return found | {"load": os.getloadavg()[0], "ratios": compare(found["ours"], found["stock"])}
    return take_turns(name, asked)


def take_turns(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Both kinds side by side."""
    contestants = {kind: Contestant(kind, name, asked) for kind in KINDS}
    gpu = contestants["ours"].facts["device"] == "gpu"
    turns: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for number in range(asked.rounds):
        # Who goes first in a turn changes, too.
        for kind in KINDS if number % 2 else reversed(KINDS):
            turns[kind].append(contestants[kind].ask(steps=asked.steps or (20 if gpu else 2)))
    found: dict[str, Any] = {"goal": CASES[name].goal if gpu else CASES[name].cpu_goal}
    for kind, contestant in contestants.items():
        seconds = statistics.median(turn["seconds"] for turn in turns[kind])
        busy = statistics.median(turn["processor_seconds"] for turn in turns[kind])
        found[kind] = {
            **contestant.facts,
            "seconds_a_step": seconds,
            "processor_seconds_a_step": busy,
            "images_a_second": contestant.facts["batch"] / seconds,
            **contestant.ask(peak=True),
            **(contestant.ask(profile=True) if gpu else {}),
        }
        contestant.close()
    return found | {"load": os.getloadavg()[0], "ratios": compare(found["ours"], found["stock"])}


def compare(ours: dict[str, Any], stock: dict[str, Any]) -> dict[str, float]:
    """Steps/s and the speed by processor time: more is better; of all else less."""
    ratios = {name: ours[name] / stock[name] for name in ("operations", "seconds_to_first_step", "peak_mb")}
    if "seconds_a_step" in ours:
        ratios["steps_a_second"] = stock["seconds_a_step"] / ours["seconds_a_step"]
        ratios["steps_a_processor_second"] = stock["processor_seconds_a_step"] / ours["processor_seconds_a_step"]
    if "kernels_a_step" in ours:
        ratios["kernels_a_step"] = ours["kernels_a_step"] / stock["kernels_a_step"]
    return ratios


def show(name: str, found: dict[str, Any]) -> None:
    """A model's figures, ours, the API's, and ours to the API's."""
    facts = found["ours"]
    print(f"{CASES[name].name}, batch {facts['batch']}, {facts['device']} (load of the machine {found['load']:.1f})")
    for label, key in (
        ("graph operations", "operations"),
        ("seconds to trace", "seconds_to_trace"),
        ("seconds to the first step", "seconds_to_first_step"),
        ("seconds a step", "seconds_a_step"),
        ("processor seconds a step", "processor_seconds_a_step"),
        ("peak memory, MB", "peak_mb"),
        ("kernels a step", "kernels_a_step"),
    ):
        if key in facts:
            ours, stock = facts[key], found["stock"][key]
            print(f"  {label:27} {ours:10,.2f} {stock:10,.2f} {ours / stock:6.2f}")
    for kind in KINDS:
        for operation, share in found[kind].get("largest", {}).items():
            print(f"  {kind:5} {share:6.1%} {operation}")
    ratios = found["ratios"]
    if "steps_a_second" in ratios:
        print(f"  steps/s to the API's: {ratios['steps_a_second']:.2f} (wanted: at least {found['goal']:.2f})", end="")
        print(f"; by processor time {ratios['steps_a_processor_second']:.2f}" if facts["device"] == "cpu" else "")
    sys.stdout.flush()


def serve(kind: str, name: str, batch: int | None, boxes: int) -> None:
    """A contestant's process: builds, traces and takes the first step, then answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is not an answer
    from odtool.engine import compat

    compat.load()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    case = CASES[name]
    batch = batch or (case.batch if gpus else case.cpu_batch)
    step, facts = build_step(kind, case, batch, boxes)
    facts |= {"batch": batch, "device": "gpu" if gpus else "cpu"}
    while True:
        print(json.dumps(facts), file=answers, flush=True)
        line = sys.stdin.readline()
        if not line:
            # Without the seconds that TensorFlow takes to be taken apart.
            os._exit(0)
        facts = answer(json.loads(line), step, gpu=bool(gpus))


def answer(request: dict[str, Any], step: Callable[[], float], *, gpu: bool) -> dict[str, Any]:
    """What was asked for."""
    if "steps" in request:
        return time_steps(step, request["steps"])
    if "profile" in request:
        return profile(step)
    return {"peak_mb": measure_peak(gpu=gpu)}


def build_step(kind: str, case: Case, batch: int, boxes: int) -> tuple[Callable[[], float], dict[str, Any]]:
    """The step, which gives its loss, after it has been taken once, and how long that took."""
    import tensorflow as tf
    from object_detection import model_lib_v2

    from odtool.engine import model
    from odtool.engine.match import detectors
    from odtool.engine.train import training_step
    from odtool.pipeline.text import fields
    from odtool.pipeline.zoo import zoo

    if kind == "stock":
        detectors.assign_in_batches = lambda _: None
    made = zoo.build(zoo.find(case.name))
    for assignment in case.assignments:
        fields.assign(made, assignment)
    message = made.message
    settings = message.train_config
    if message.model.HasField("center_net"):
        del message.model.center_net.keypoint_estimation_task[:]
    detector = model.build_model(message.model)
    chosen = getattr(message.model, message.model.WhichOneof("model"))
    features, labels = draw_batch(tf, batch, case.side, boxes, chosen.num_classes)
    if getattr(chosen, "number_of_stages", 2) == 3:
        labels["groundtruth_instance_masks"] = tf.random.uniform(
            [batch, max(ROWS, boxes), case.side, case.side], seed=0
        )
    trainable = model.build_trainable({"train_config": settings}, detector, (features, labels))

    def take_stock_step(features: Any, labels: Any) -> Any:
        clip = settings.gradient_clipping_by_norm
        return model_lib_v2.eager_train_step(
            detector,
            features,
            labels,
            settings.unpad_groundtruth_tensors,
            trainable.optimizer,
            training_step=trainable.step,
            add_regularization_loss=settings.add_regularization_loss,
            clip_gradients_value=clip if clip > 0 else None,
        )

    def take_own_step(features: Any, labels: Any) -> Any:
        return training_step.take_step(trainable, settings, features, labels)

    start = time.perf_counter()
    traced = tf.function(take_stock_step) if kind == "stock" else tf.function(take_own_step, autograph=False)
    graph = traced.get_concrete_function(features, labels).graph.as_graph_def()
    facts: dict[str, Any] = {"seconds_to_trace": time.perf_counter() - start}
    facts["operations"] = len(graph.node) + sum(len(function.node_def) for function in graph.library.function)

    def step() -> float:
        # Fetching the loss waits for the device.
        return float(traced(features, labels)[training_step.TOTAL_LOSS])

    facts["first_loss"] = step()
    facts["seconds_to_first_step"] = time.perf_counter() - start
    return step, facts


def draw_batch(tf: Any, batch: int, side: int, boxes: int, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random images with random boxes, padded as the input pipeline pads them."""
    import numpy as np

    rng = np.random.default_rng(0)
    counts = rng.integers(1, boxes + 1, batch)
    rows = max(ROWS, boxes)
    real = (np.arange(rows) < counts[:, np.newaxis]).astype(np.float32)
    low = rng.uniform(0, 0.8, (batch, rows, 2))
    corners = np.concatenate([low, low + rng.uniform(0.02, 0.2, low.shape)], -1) * real[..., np.newaxis]
    one_hot = np.eye(classes)[rng.integers(0, classes, (batch, rows))] * real[..., np.newaxis]
    features = {
        "image": tf.constant(rng.uniform(-1, 1, (batch, side, side, 3)), tf.float32),
        "true_image_shape": tf.constant([[side, side, 3]] * batch, tf.int32),
    }
    labels = {
        "num_groundtruth_boxes": tf.constant(counts, tf.int32),
        "groundtruth_boxes": tf.constant(corners, tf.float32),
        "groundtruth_classes": tf.constant(one_hot, tf.float32),
        "groundtruth_weights": tf.constant(real),
        "groundtruth_is_crowd": tf.zeros([batch, rows], tf.bool),
        "groundtruth_area": tf.ones([batch, rows]),
        "groundtruth_difficult": tf.zeros([batch, rows], tf.int32),
    }
    return features, labels


def time_steps(step: Callable[[], float], count: int) -> dict[str, float]:
    """Seconds of a step, by the clock and of all processors."""
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    return {
        "seconds": (time.perf_counter() - start) / count,
        "processor_seconds": (time.process_time() - busy) / count,
    }


def measure_peak(*, gpu: bool) -> float:
    """The GPU's memory by TensorFlow's own counter, or the process's resident memory, at the highest; in MB."""
    import tensorflow as tf

    if gpu:
        return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 1e6
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3  # type: ignore[index]


def profile(step: Callable[[], float], *, steps: int = 2) -> dict[str, Any]:
    """Kernels a step on the GPU, how busy they keep it, and the operations that take most of that time."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(steps):
            step()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(path.read_bytes())
    return summarize(space, steps)


def summarize(space: Any, steps: int) -> dict[str, Any]:
    """Of a profile of so many steps: what ran on the first GPU's streams."""
    busy: Counter[str] = Counter()
    kernels = 0
    for plane in space.planes:
        if not plane.name.startswith("/device:GPU:0"):
            continue
        names = {number: entry.name for number, entry in plane.stat_metadata.items()}
        # Other lines of the plane are made from the streams', and would count everything twice.
        for line in (line for line in plane.lines if line.name.startswith("Stream")):
            for event in line.events:
                kernels += 1
                busy[find_operation(plane, event, names)] += event.duration_ps
    total = sum(busy.values())
    return {
        "kernels_a_step": kernels / steps,
        "busy_ms_a_step": total / 1e9 / steps,
        "largest": {operation: duration / total for operation, duration in busy.most_common(5)},
    }


def find_operation(plane: Any, event: Any, names: dict[int, str]) -> str:
    """The type of the TensorFlow operation that a kernel ran for, or the kernel's own name."""
    for stat in event.stats:
        if names.get(stat.metadata_id) == "tf_op":
            value = stat.str_value or names.get(stat.ref_value, "")
            if value:
                return value.rpartition(":")[2]
    return str(plane.event_metadata[event.metadata_id].name)


if __name__ == "__main__":
    main()
