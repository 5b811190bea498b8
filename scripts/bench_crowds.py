"""Memory of a training step over crowded images, as a ratio to the API's own code within one run.

    python scripts/bench_crowds.py                 # 2,000 boxes an image at 640 px, batches of 2

Each step runs in a process of its own, whose highest resident memory (VmHWM) is read at its end. What counts is how
much a step over many boxes takes beyond one over 10, with the API's target assignment and with odtool's.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

FEW = 10
ZOO_NAME = "ssd_mobilenet_v2_fpnlite_640x640"


def main() -> int:
    """Runs the four steps and prints the ratio; 1 where it is above a half."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--boxes", type=int, default=2000)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--child", choices=("stock", "ours"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.child:
        take_steps(asked.child, asked.boxes, asked.batch)
        return 0
    extra = {}
    for kind in ("stock", "ours"):
        few, many = (highest_memory(kind, boxes, asked.batch) for boxes in (FEW, asked.boxes))
        extra[kind] = many - few
        print(f"{kind}: {few:,} MB with {FEW} boxes an image, {many:,} MB with {asked.boxes:,}")
    ratio = extra["ours"] / extra["stock"]
    print(f"extra memory for {asked.boxes:,} boxes an image, to the API's own code: {ratio:.2f} (at most 0.50)")
    return 0 if ratio <= 0.5 else 1


def highest_memory(kind: str, boxes: int, batch: int) -> int:
    """MB of a process that takes two steps."""
    command = [sys.executable, __file__, "--child", kind, "--boxes", str(boxes), "--batch", str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind} with {boxes} boxes failed: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return int(done.stdout)


def take_steps(kind: str, boxes: int, batch: int) -> None:
    """Builds the model, takes two training steps over random boxes, prints VmHWM in MB."""
    from odtool.engine import compat

    compat.load()
    import tensorflow as tf
    from object_detection import model_lib_v2

    from odtool.engine import model
    from odtool.engine.match import detectors
    from odtool.engine.train import training_step
    from odtool.pipeline.zoo import zoo

    if kind == "stock":
        detectors.assign_in_batches = lambda _: None
    config = zoo.build(zoo.find(ZOO_NAME)).message
    config.train_config.use_bfloat16 = False
    config.train_config.unpad_groundtruth_tensors = True
    detector = model.build_model(config.model)
    features, labels = batch_of(tf, batch, boxes, config.model.ssd.num_classes)
    trainable = model.build_trainable({"train_config": config.train_config}, detector, (features, labels))

    @tf.function(autograph=False)
    def step(features: Any, labels: Any) -> Any:
        if kind == "ours":
            return training_step.take_step(trainable, config.train_config, features, labels)
        return model_lib_v2.eager_train_step(
            detector, features, labels, True, trainable.optimizer, training_step=trainable.step
        )

    for _ in range(2):
        losses = step(features, labels)
    if not float(losses["Loss/total_loss"]) > 0:
        sys.exit("the loss is not a number above zero")
    print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)  # type: ignore[index]


def batch_of(tf: Any, batch: int, boxes: int, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random images of 640 px with small random boxes."""
    import numpy as np

    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.9, (batch, boxes, 2))
    corners = np.concatenate([low, low + rng.uniform(0.01, 0.1, low.shape)], -1).astype(np.float32)
    one_hot = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, (batch, boxes))]
    features = {
        "image": tf.constant(rng.uniform(-1, 1, (batch, 640, 640, 3)).astype(np.float32)),
        "true_image_shape": tf.constant([[640, 640, 3]] * batch, tf.int32),
    }
    labels = {
        "num_groundtruth_boxes": tf.fill([batch], boxes),
        "groundtruth_boxes": tf.constant(corners),
        "groundtruth_classes": tf.constant(one_hot),
        "groundtruth_weights": tf.ones([batch, boxes]),
    }
    return features, labels


if __name__ == "__main__":
    sys.exit(main())
