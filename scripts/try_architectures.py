"""Trains each architecture on drawn images until it finds them, exports it to all that it can become, prints a table.

    python scripts/try_architectures.py                                # all of them: an hour or so on two cores
    python scripts/try_architectures.py mask_rcnn --steps 600 --folder /tmp/tried

Each is a model of the zoo made small: the same meta-architecture, on images of 64 to 192 pixels, with the smallest
backbone that the API has for it and that learns from random weights in some hundred steps, which asks for batch norm
whose averages follow quickly. docs/howto/export.md has the table that this prints. Exit code 1 says that a model did
not learn, or that a file with float weights agrees with its checkpoint less than it should.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AGREEMENT = 0.95
"""Of files with float weights: found and confirmed."""
LEARNED = 0.8
"""mAP@.5 of boxes, and of masks, from which a model counts as having found the shapes."""
METRICS = {"boxes": "DetectionBoxes_Precision/mAP", "masks": "DetectionMasks_Precision/mAP"}
IMAGES, VAL = 460, 60 / 460
_FORMATS = "savedmodel,tflite,onnx"


@dataclass(frozen=True)
class SmallModel:
    """A model of the zoo, and what makes it small."""

    zoo: str
    steps: int
    batch_size: int
    settings: dict[str, Any]
    rate: float | None = None
    """Of Adam, in place of the zoo's optimizer, whose rate is for large batches and for 25,000 steps and more."""
    formats: str = _FORMATS
    precisions: str = "float32,float16,int8"


_RCNN = "model.faster_rcnn"
_EXTRACTOR = f"{_RCNN}.feature_extractor"
_NMS = f"{_RCNN}.second_stage_post_processing.batch_non_max_suppression"
_MASKS = f"{_RCNN}.second_stage_box_predictor.mask_rcnn_box_predictor"
_TWO_STAGES = {
    # Sides of 12 to 68 pixels, where the shapes have 13 to 27, about as wide as high.
    f"{_RCNN}.first_stage_anchor_generator.multiscale_anchor_generator": "{ min_level: 2 max_level: 4 anchor_scale: 3 "
    "aspect_ratios: [1] scales_per_octave: 2 normalize_coordinates: false }",
    f"{_EXTRACTOR}.fpn.min_level": 2,
    f"{_EXTRACTOR}.fpn.max_level": 4,
    f"{_EXTRACTOR}.fpn.additional_layer_depth": 64,
    f"{_RCNN}.first_stage_box_predictor_depth": 128,
    # Many of an image this small reach over its edge. Left out of training, they would still propose in evaluation.
    f"{_RCNN}.clip_anchors_to_image": "true",
    # One or two anchors of an image are an object's. Among the default of 256, the first stage learns that there is
    # nothing, and the second gets no objects to learn from; nor does it from a first stage that starts near zero.
    f"{_RCNN}.first_stage_minibatch_size": 32,
    f"{_RCNN}.first_stage_box_predictor_conv_hyperparams.initializer": "{ variance_scaling_initializer { } }",
    f"{_RCNN}.first_stage_max_proposals": 48,
    f"{_RCNN}.second_stage_batch_size": 24,
    f"{_RCNN}.second_stage_balance_fraction": 0.5,
    f"{_NMS}.max_detections_per_class": 10,
    f"{_NMS}.max_total_detections": 10,
    f"{_NMS}.score_threshold": 0.02,
}
_LAYERS = """{
    regularizer { l2_regularizer { weight: 0.00001 } }
    initializer { truncated_normal_initializer { stddev: 0.03 } }
    activation: RELU_6
    batch_norm { decay: 0.9 scale: true epsilon: 0.001 }
}"""


def _square(resizer: str, side: int) -> dict[str, int]:
    names = ("height", "width") if "fixed" in resizer else ("min_dimension", "max_dimension")
    return {f"{resizer}.{name}": side for name in names}


MODELS = {
    "efficientdet_d0": SmallModel(
        "ssd_efficientdet_d0_512x512",
        steps=400,
        batch_size=8,
        settings={
            **_square("model.ssd.image_resizer.keep_aspect_ratio_resizer", 192),
            # Of 192 pixels, level 7 would have one and a half.
            "model.ssd.anchor_generator.multiscale_anchor_generator.max_level": 6,
            "model.ssd.feature_extractor.bifpn.max_level": 6,
        },
        rate=0.002,
    ),
    "center_net": SmallModel(
        "centernet_hourglass104_512x512",
        steps=600,
        batch_size=8,
        settings={
            **_square("model.center_net.image_resizer.keep_aspect_ratio_resizer", 128),
            "model.center_net.feature_extractor.type": "hourglass_10",
            "model.center_net.object_center_params.max_box_predictions": 20,
        },
        precisions="float32,float16",
    ),
    "faster_rcnn": SmallModel(
        "faster_rcnn_resnet50_v1_fpn_640x640",
        steps=300,
        batch_size=4,
        settings={
            **_square(f"{_RCNN}.image_resizer.keep_aspect_ratio_resizer", 64),
            f"{_EXTRACTOR}.conv_hyperparams": _LAYERS,
            **_TWO_STAGES,
        },
        rate=0.001,
        formats="savedmodel,onnx",
    ),
    "mask_rcnn": SmallModel(
        "mask_rcnn_inception_resnet_v2_1024x1024",
        steps=400,
        batch_size=4,
        settings={
            **_square(f"{_RCNN}.image_resizer.fixed_shape_resizer", 64),
            f"{_EXTRACTOR}.type": "faster_rcnn_resnet50_fpn_keras",
            f"{_EXTRACTOR}.batch_norm_trainable": "true",
            f"{_EXTRACTOR}.conv_hyperparams": _LAYERS,
            f"{_EXTRACTOR}.override_base_feature_extractor_hyperparams": "true",
            f"{_RCNN}.initial_crop_size": 14,
            f"{_RCNN}.maxpool_kernel_size": 2,
            f"{_RCNN}.maxpool_stride": 2,
            # With a pyramid, all that the masks are made of is one vector for each box: where in the box a point lies
            # shows by the border alone, which each layer takes one point farther.
            f"{_MASKS}.mask_height": 15,
            f"{_MASKS}.mask_width": 15,
            f"{_MASKS}.mask_prediction_conv_depth": 32,
            f"{_MASKS}.mask_prediction_num_conv_layers": 8,
            f"{_MASKS}.conv_hyperparams.initializer": "{ variance_scaling_initializer { } }",
            **_TWO_STAGES,
        },
        rate=0.001,
        formats="savedmodel,onnx",
    ),
}
"""By the architecture that each stands for."""


def main() -> int:
    """Tries what is named; prints a table of Markdown as the models come."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; all by default")
    options.add_argument("--steps", type=int, help="instead of each model's own number")
    options.add_argument("--folder", type=Path, help="where to work and what to keep; a temporary folder by default")
    asked = options.parse_args()
    if unknown := set(asked.models) - MODELS.keys():
        options.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(MODELS)}")
    with tempfile.TemporaryDirectory(prefix="try_architectures_") as name:
        space = asked.folder or Path(name)
        prepare(space)
        print("| model | steps | mAP, @.5 | file | found | confirmed | mAP | change | ms per image |", flush=True)
        print("|---|---:|---:|---|---:|---:|---:|---:|---:|")
        return max(try_model(space, name, asked.steps) for name in asked.models or MODELS)


def prepare(space: Path) -> None:
    """Draws and prepares the images of all models, with masks, unless that is done."""
    from odtool.dataset import synthetic

    if (space / "data" / "dataset.json").is_file():
        return
    space.mkdir(parents=True, exist_ok=True)
    synthetic.draw_masks(space / "drawings", images=IMAGES)
    run(space, "prepare", "drawings", "--masks", "--val", VAL)


def try_model(space: Path, name: str, steps: int | None) -> int:
    """Trains and exports one; prints its rows. Gives 1 where it falls short."""
    small = MODELS[name]
    began = time.monotonic()
    steps = steps or small.steps
    chosen = small.settings | (set_adam(small.rate, steps) if small.rate else {})
    settings = [word for path, value in chosen.items() for word in ("--set", f"{path}={value}")]
    wanted = ("--steps", steps, "--batch-size", small.batch_size)
    run(space, "configure", "--model", small.zoo, "--run", name, "--force", *wanted, *settings)
    run(space, "train", name, "--gpu", "cpu", "--foreground")
    run(space, "eval", name, "--gpu", "cpu", "--foreground", "--checkpoint", "latest")
    metrics = next(line for line in read_metrics(space / "train" / name) if line["kind"] == "eval")["values"]
    record = run(space, "export", name, "--format", small.formats, "--tflite", small.precisions, "--min-agreement", 0)
    figures = {kind: metrics[f"{tag}@.50IOU"] for kind, tag in METRICS.items() if tag in metrics}
    precision = "; ".join(f"{kind} {metrics[METRICS[kind]]:.3f}, {value:.3f}" for kind, value in figures.items())
    rows = [format_row(file) for file in record["files"]]
    print("\n".join(f"| {name} | {steps} | {precision} | {row} |" for row in rows))
    print(f"{name}: {time.monotonic() - began:.0f} s in all", file=sys.stderr, flush=True)
    floats = [file["agreement"] for file in record["files"] if file["precision"] != "int8"]
    agreed = all(min(one["found"], one["confirmed"]) >= AGREEMENT for one in floats)
    return 0 if agreed and min(figures.values()) >= LEARNED else 1


def set_adam(rate: float, steps: int) -> dict[str, str]:
    """The optimizer as a setting."""
    schedule = f"learning_rate_base: {rate} total_steps: {steps} warmup_learning_rate: {rate / 4} warmup_steps: 30"
    adam = f"{{ learning_rate {{ cosine_decay_learning_rate {{ {schedule} }} }} }}"
    return {"train_config.optimizer.adam_optimizer": adam}


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl, the newest first."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][::-1]


def format_row(file: dict[str, Any]) -> str:
    """A file's columns."""
    agreement = file["agreement"]
    figures = [f"{agreement['found']:.1%}", f"{agreement['confirmed']:.1%}", f"{file['mAP'] or 0:.3f}"]
    figures += [f"{file['mAP_change'] or 0:+.3f}", f"{file['milliseconds']:.1f}"]
    return " | ".join([file["label"], *figures])


def run(space: Path, *words: object) -> Any:
    """Runs a command of odtool; gives its JSON where it prints any."""
    foreground = "--foreground" in words
    command = [sys.executable, "-m", "odtool", *map(str, words), "--workspace", str(space)]
    if words[0] == "prepare":
        command[command.index("drawings")] = str(space / "drawings")
    done = subprocess.run(command + ([] if foreground else ["--json"]), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"odtool {words[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return None if foreground else json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
