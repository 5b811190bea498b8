"""The zoo's SSD, RetinaNet and EfficientDet models: the templates and figures of each."""

from __future__ import annotations

from typing import Any

from odtool.pipeline.zoo.zoo_model import EVALUATION, ZooModel, checkpoint

_NORMAL = "random_normal_initializer { mean: 0 stddev: 0.01 }"
_TRUNCATED = "truncated_normal_initializer { mean: 0 stddev: 0.03 }"


def _figures(extractor: str, **figures: Any) -> dict[str, Any]:
    common = {
        "extractor": extractor,
        "activation": "RELU_6",
        "weight_decay": 4e-5,
        "batch_norm_decay": 0.997,
        "initializer": _NORMAL,
        "focal_alpha": 0.25,
        "focal_gamma": 2.0,
        "nms_iou": 0.6,
        "scales_per_octave": 2,
        "head_layers": 4,
        "depth_multiplier": 1.0,
        "eval_batch": "",  # the default, which is 1 too
    }
    return {**EVALUATION, **common, **figures}


_PARTS = ("coco.config", "padded_boxes.config", "ssd.config")
_FPN_PARTS = (*_PARTS, "ssd_pyramid.config", "ssd_fpn.config")
_TPU_PARTS = ("replicas.config", "cosine_momentum.config")


def mobilenet_fpnlite(size: int) -> ZooModel:
    """The small one, with separable convolutions."""
    name = f"ssd_mobilenet_v2_fpnlite_{size}x{size}_coco17_tpu-8"
    figures = _figures(
        "ssd_mobilenet_v2_fpn_keras",
        size=size,
        depth=128,
        batch_size=128,
        steps=50000,
        learning_rate=0.08,
        warmup_rate=0.026666,
        warmup_steps=1000,
        checkpoint=checkpoint("mobilenet_v2.ckpt-1"),
    )
    return ZooModel(name, "ssd", (*_FPN_PARTS, "fpnlite.config", *_TPU_PARTS), figures, size, size)


def large_fpn(backbone: str, size: int, steps: int) -> ZooModel:
    """RetinaNet on a ResNet, and its like on MobileNet V1."""
    name = f"ssd_{backbone}_fpn_{size}x{size}_coco17_tpu-8"
    resnet = backbone.startswith("resnet")
    figures = _figures(
        f"ssd_{backbone}_fpn_keras",
        size=size,
        depth=256,
        weight_decay=4e-4 if resnet else 4e-5,
        initializer=_TRUNCATED if resnet else _NORMAL,
        batch_size=64,
        steps=steps,
        learning_rate=0.04,
        warmup_rate=0.013333,
        warmup_steps=2000,
        eval_batch="" if resnet else "batch_size: 1",
        checkpoint=checkpoint(f"{backbone.removesuffix('_v1') if resnet else backbone}.ckpt-1"),
    )
    parts = (*_FPN_PARTS, *_TPU_PARTS, *(("bfloat16.config",) if resnet else ()))
    return ZooModel(name, "ssd", parts, figures, size, size)


def mobilenet_v2() -> ZooModel:
    """SSD as it was, without a pyramid."""
    name = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
    figures = _figures(
        "ssd_mobilenet_v2_keras",
        batch_norm_decay=0.97,
        initializer=_TRUNCATED,
        focal_alpha=0.75,
        batch_size=512,
        steps=50000,
        learning_rate=0.8,
        warmup_rate=0.13333,
        warmup_steps=2000,
        checkpoint=checkpoint("mobilenet_v2.ckpt-1"),
    )
    parts = (*_PARTS, "ssd_mobilenet_v2.config", *_TPU_PARTS)
    # Its name says 320 px, its config 300.
    return ZooModel(name, "ssd", parts, figures, 300, 300)


def efficientdet(number: int, size: int, depth: int, repeats: int, layers: int) -> ZooModel:
    """Its number, image size, and the pyramid's depth, repeats and layers in the head."""
    # Upstream's D7 is D6's network on larger images.
    network = min(number, 6)
    figures = _figures(
        f"ssd_efficientnet-b{network}_bifpn_keras",
        size=size,
        depth=depth,
        pyramid_repeats=repeats,
        head_layers=layers,
        activation="SWISH",
        batch_norm_decay=0.99,
        initializer=_TRUNCATED,
        eval_batch="batch_size: 1",
        focal_gamma=1.5,
        nms_iou=0.5,
        scales_per_octave=3,
        batch_size=128,
        steps=300000,
        learning_rate=0.08,
        warmup_rate=0.001,
        warmup_steps=2500,
        checkpoint=checkpoint("ckpt-0"),
    )
    parts = [*_PARTS, "ssd_pyramid.config", "efficientdet.config", *_TPU_PARTS, "bfloat16.config"]
    if network == 6:
        parts.append("unweighted_bifpn.config")
    tpu = 8 if number < 3 else 32
    name = f"ssd_efficientdet_d{number}_{size}x{size}_coco17_tpu-{tpu}"
    return ZooModel(name, "ssd", tuple(parts), figures, size, size)


def demo() -> ZooModel:
    """The one of `odtool demo`, small enough to learn on a CPU in minutes."""
    figures = _figures(
        "ssd_mobilenet_v1_fpn_keras",
        size=160,
        depth=64,
        depth_multiplier=0.25,
        head_layers=2,
        # The zoo's 0.997 needs thousands of steps before evaluation means anything.
        batch_norm_decay=0.9,
        batch_size=16,
        steps=250,
        learning_rate=0.002,
        warmup_rate=0.0,
        warmup_steps=30,
        checkpoint="",
    )
    parts = (*_PARTS, "demo_ssd.config", "fpnlite.config", "adam_cosine.config")
    return ZooModel("demo_ssd", "ssd", parts, figures, 160, 160, one_device=True)
