"""The zoo's Faster R-CNN and Mask R-CNN models: the templates and figures of each."""

from __future__ import annotations

from typing import Any

from odtool.pipeline.zoo.zoo_model import EVALUATION, ZooModel, checkpoint

_PARTS = ("coco.config", "faster_rcnn.config", "cosine_momentum.config")
_TPU_PARTS = (*_PARTS, "padded_boxes.config", "replicas.config", "rcnn_static_shapes.config")
_AUGMENT_SQUARE = ("augment_colour.config", "augment_square_crop.config")


def _figures(network: str, start: str, **figures: Any) -> dict[str, Any]:
    common = {
        "extractor": f"faster_rcnn_{network}_keras",
        "checkpoint": checkpoint(f"{start}.ckpt-1"),
        "crop_size": 14,
        "crop_pool": 2,
    }
    return {**EVALUATION, **common, **figures}


def _on_tpu(steps: int) -> dict[str, Any]:
    rates = {"learning_rate": 0.04, "warmup_rate": 0.013333, "warmup_steps": 2000}
    return {"batch_size": 64, "steps": steps, "detections": 300, **rates}


def _on_gpu(learning_rate: float) -> dict[str, Any]:
    rates = {"learning_rate": learning_rate, "warmup_rate": 0.0, "warmup_steps": 5000}
    return {"batch_size": 16, "steps": 200000, "detections": 100, **rates}


def _keep_aspect(smallest: int, largest: int) -> str:
    sides = f"min_dimension: {smallest} max_dimension: {largest}"
    return f"keep_aspect_ratio_resizer {{ {sides} pad_to_max_dimension: true }}"


def _fixed(size: int) -> str:
    return f"fixed_shape_resizer {{ height: {size} width: {size} }}"


def faster_rcnn(layers: int, size: str) -> ZooModel:
    """On a ResNet of so many layers, for images of `size`, such as 640x640."""
    height, width = (int(side) for side in size.split("x"))
    backbone = f"resnet{layers}"
    anchors = ("rcnn_grid_anchors.config",)
    parts: tuple[str, ...]
    if size == "640x640":
        parts = (*_TPU_PARTS, *anchors, "rcnn_shared_boxes.config", "bfloat16.config")
        more = {"resizer": _keep_aspect(640, 640), **_on_tpu(25000)}
    elif size == "1024x1024":
        parts = (*_TPU_PARTS, *anchors, "rcnn_shared_boxes.config", "bfloat16.config", *_AUGMENT_SQUARE)
        more = {"resizer": _fixed(1024), **_on_tpu(100000)}
    else:
        parts = (*_PARTS, *anchors, "clipped_gradients.config", *_AUGMENT_SQUARE)
        more = {"resizer": _keep_aspect(height, width), **_on_gpu(0.01)}
    device = "gpu" if size == "800x1333" else "tpu"
    name = f"faster_rcnn_{backbone}_v1_{size}_coco17_{device}-8"
    figures = _figures(backbone, backbone, **more)
    return ZooModel(name, "faster_rcnn", parts, figures, height, width)


def faster_rcnn_fpn() -> ZooModel:
    """On ResNet-50, with a pyramid."""
    figures = _figures("resnet50_fpn", "resnet50", resizer=_keep_aspect(640, 640), **_on_tpu(25000))
    parts = (*_TPU_PARTS, "rcnn_fpn.config", "bfloat16.config")
    return ZooModel("faster_rcnn_resnet50_v1_fpn_640x640_coco17_tpu-8", "faster_rcnn", parts, figures, 640, 640)


def mask_rcnn() -> ZooModel:
    """The one that finds masks."""
    name = "mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8"
    network = "inception_resnet_v2"
    more = {**_on_gpu(0.008), "crop_size": 17, "crop_pool": 1, "resizer": _fixed(1024)}
    figures = _figures(network, network, **more)
    figures["eval_reader"] += " load_instance_masks: true mask_type: PNG_MASKS"
    parts = (*_PARTS, "rcnn_grid_anchors.config", "mask_rcnn.config", "clipped_gradients.config")
    return ZooModel(name, "mask_rcnn", parts, figures, 1024, 1024, ("boxes", "masks"))
