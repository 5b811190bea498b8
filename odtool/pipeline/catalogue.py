"""The model zoo's table: for each model the templates it is made of, its figures in them, and what was published of it.

COCO mAP and speed are those of the TF2 Detection Model Zoo (tensorflow/models,
research/object_detection/g3doc/tf2_detection_zoo.md); a figure that is not published there is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ZooModel:
    """One model that odtool has a template for."""

    name: str
    """The name of its config in the Object Detection API."""
    architecture: str
    parts: tuple[str, ...]
    """Files of templates/, merged in this order."""
    figures: Mapping[str, Any]
    """What stands for each ${name} in them."""
    height: int
    width: int
    outputs: tuple[str, ...] = ("boxes",)
    tarball: str = ""
    """Date and name of the published checkpoint, as in its address; empty where none was published."""
    coco_map: float | None = None
    """mAP@[.5:.95] of boxes on COCO 2017 val, in percent."""
    mask_map: float | None = None
    keypoint_map: float | None = None
    speed_ms: float | None = None
    """Milliseconds an image, as published; the zoo does not name the GPU."""

    one_device: bool = False
    """Whether its batch size was chosen for one device; the API's own were shared by 8 to 32."""

    @property
    def folder(self) -> str:
        """Name of the folder that the published tarball unpacks to; the model's own where there is none."""
        return self.tarball.rpartition("/")[2] or self.name


_EVALUATION = {"eval_reader": "shuffle: false num_epochs: 1", "eval_batch": "batch_size: 1"}
_NORMAL = "random_normal_initializer { mean: 0 stddev: 0.01 }"
_TRUNCATED = "truncated_normal_initializer { mean: 0 stddev: 0.03 }"
_CHECKPOINT = "PATH_TO_BE_CONFIGURED/{}"


def _published(date: str, name: str, coco_map: float, speed_ms: float) -> dict[str, Any]:
    return {"tarball": f"{date}/{name}", "coco_map": coco_map, "speed_ms": speed_ms}


def _ssd_figures(extractor: str, **figures: Any) -> dict[str, Any]:
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
    return {**_EVALUATION, **common, **figures}


_SSD_PARTS = ("coco.config", "padded_boxes.config", "ssd.config")
_FPN_PARTS = (*_SSD_PARTS, "ssd_pyramid.config", "ssd_fpn.config")
_TPU_PARTS = ("replicas.config", "cosine_momentum.config")


def _mobilenet_fpnlite(size: int, coco_map: float, speed_ms: float) -> ZooModel:
    name = f"ssd_mobilenet_v2_fpnlite_{size}x{size}_coco17_tpu-8"
    figures = _ssd_figures(
        "ssd_mobilenet_v2_fpn_keras",
        size=size,
        depth=128,
        batch_size=128,
        steps=50000,
        learning_rate=0.08,
        warmup_rate=0.026666,
        warmup_steps=1000,
        checkpoint=_CHECKPOINT.format("mobilenet_v2.ckpt-1"),
    )
    published = _published("20200711", name, coco_map, speed_ms)
    return ZooModel(name, "ssd", (*_FPN_PARTS, "fpnlite.config", *_TPU_PARTS), figures, size, size, **published)


def _large_fpn(backbone: str, size: int, steps: int, coco_map: float, speed_ms: float) -> ZooModel:
    """RetinaNet on a ResNet, and its like on MobileNet V1."""
    name = f"ssd_{backbone}_fpn_{size}x{size}_coco17_tpu-8"
    resnet = backbone.startswith("resnet")
    figures = _ssd_figures(
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
        checkpoint=_CHECKPOINT.format(f"{backbone.removesuffix('_v1') if resnet else backbone}.ckpt-1"),
    )
    parts = (*_FPN_PARTS, *_TPU_PARTS, *(("bfloat16.config",) if resnet else ()))
    published = _published("20200711", name, coco_map, speed_ms)
    return ZooModel(name, "ssd", parts, figures, size, size, **published)


def _mobilenet_v2() -> ZooModel:
    name = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
    figures = _ssd_figures(
        "ssd_mobilenet_v2_keras",
        batch_norm_decay=0.97,
        initializer=_TRUNCATED,
        focal_alpha=0.75,
        batch_size=512,
        steps=50000,
        learning_rate=0.8,
        warmup_rate=0.13333,
        warmup_steps=2000,
        checkpoint=_CHECKPOINT.format("mobilenet_v2.ckpt-1"),
    )
    parts = (*_SSD_PARTS, "ssd_mobilenet_v2.config", *_TPU_PARTS)
    # Its name says 320 px, its config 300.
    return ZooModel(name, "ssd", parts, figures, 300, 300, **_published("20200711", name, 20.2, 19))


def _efficientdet(
    number: int, size: int, depth: int, repeats: int, layers: int, coco_map: float, speed_ms: float
) -> ZooModel:
    # Upstream's D7 is D6's network on larger images.
    network = min(number, 6)
    figures = _ssd_figures(
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
        checkpoint=_CHECKPOINT.format("ckpt-0"),
    )
    parts = [*_SSD_PARTS, "ssd_pyramid.config", "efficientdet.config", *_TPU_PARTS, "bfloat16.config"]
    if network == 6:
        parts.append("unweighted_bifpn.config")
    tpu = 8 if number < 3 else 32
    published = _published("20200711", f"efficientdet_d{number}_coco17_tpu-32", coco_map, speed_ms)
    name = f"ssd_efficientdet_d{number}_{size}x{size}_coco17_tpu-{tpu}"
    return ZooModel(name, "ssd", tuple(parts), figures, size, size, **published)


_RCNN_PARTS = ("coco.config", "faster_rcnn.config", "cosine_momentum.config")
_RCNN_TPU_PARTS = (*_RCNN_PARTS, "padded_boxes.config", "replicas.config", "rcnn_static_shapes.config")
_AUGMENT_SQUARE = ("augment_colour.config", "augment_square_crop.config")


def _rcnn_figures(network: str, checkpoint: str, **figures: Any) -> dict[str, Any]:
    common = {
        "extractor": f"faster_rcnn_{network}_keras",
        "checkpoint": _CHECKPOINT.format(f"{checkpoint}.ckpt-1"),
        "crop_size": 14,
        "crop_pool": 2,
    }
    return {**_EVALUATION, **common, **figures}


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


def _faster_rcnn(layers: int, size: str, coco_map: float, speed_ms: float) -> ZooModel:
    height, width = (int(side) for side in size.split("x"))
    backbone = f"resnet{layers}"
    anchors = ("rcnn_grid_anchors.config",)
    parts: tuple[str, ...]
    if size == "640x640":
        parts = (*_RCNN_TPU_PARTS, *anchors, "rcnn_shared_boxes.config", "bfloat16.config")
        more = {"resizer": _keep_aspect(640, 640), **_on_tpu(25000)}
    elif size == "1024x1024":
        parts = (*_RCNN_TPU_PARTS, *anchors, "rcnn_shared_boxes.config", "bfloat16.config", *_AUGMENT_SQUARE)
        more = {"resizer": _fixed(1024), **_on_tpu(100000)}
    else:
        parts = (*_RCNN_PARTS, *anchors, "clipped_gradients.config", *_AUGMENT_SQUARE)
        more = {"resizer": _keep_aspect(height, width), **_on_gpu(0.01)}
    device = "gpu" if size == "800x1333" else "tpu"
    name = f"faster_rcnn_{backbone}_v1_{size}_coco17_{device}-8"
    figures = _rcnn_figures(backbone, backbone, **more)
    published = _published("20200711", name, coco_map, speed_ms)
    return ZooModel(name, "faster_rcnn", parts, figures, height, width, **published)


def _faster_rcnn_fpn() -> ZooModel:
    figures = _rcnn_figures("resnet50_fpn", "resnet50", resizer=_keep_aspect(640, 640), **_on_tpu(25000))
    parts = (*_RCNN_TPU_PARTS, "rcnn_fpn.config", "bfloat16.config")
    return ZooModel("faster_rcnn_resnet50_v1_fpn_640x640_coco17_tpu-8", "faster_rcnn", parts, figures, 640, 640)


def _mask_rcnn() -> ZooModel:
    name = "mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8"
    network = "inception_resnet_v2"
    more = {**_on_gpu(0.008), "crop_size": 17, "crop_pool": 1, "resizer": _fixed(1024)}
    figures = _rcnn_figures(network, network, **more)
    figures["eval_reader"] += " load_instance_masks: true mask_type: PNG_MASKS"
    parts = (*_RCNN_PARTS, "rcnn_grid_anchors.config", "mask_rcnn.config", "clipped_gradients.config")
    published = _published("20200711", name, 39.0, 301)
    return ZooModel(name, "mask_rcnn", parts, figures, 1024, 1024, ("boxes", "masks"), mask_map=34.6, **published)


_CENTER_NET_PARTS = ("coco.config", "padded_boxes.config", "center_net.config")
_AUGMENT_512 = ("augment_random_crop.config", "augment_colour.config", "augment_brightness.config")
_AUGMENT_1024 = ("augment_colour.config", "augment_brightness.config", "augment_square_crop.config")
_LEFT_RIGHT = "keypoint_flip_permutation: [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"
"""Key points of human_keypoints.config that change places in a mirror: eyes, ears and limbs."""
_ADAM_COSINE = {"learning_rate": 1e-3, "warmup_rate": 2.5e-4, "warmup_steps": 5000}


def _center_net(
    name: str,
    extractor: str,
    size: int,
    steps: int,
    checkpoint: str,
    *,
    tarball: str,
    coco_map: float,
    speed_ms: float,
    keypoint_map: float | None = None,
) -> ZooModel:
    hourglass = extractor.startswith("hourglass")
    keypoints = "_kpts_" in name
    figures: dict[str, Any] = {
        **_EVALUATION,
        **_ADAM_COSINE,
        "extractor": extractor,
        "size": size,
        "batch_size": 128,
        "steps": steps,
        "checkpoint": _CHECKPOINT.format(checkpoint).rstrip("/"),
        "checkpoint_type": "detection" if hourglass else "classification",
        "flip": _LEFT_RIGHT if keypoints else "",
    }
    parts = [*_CENTER_NET_PARTS, *(_AUGMENT_1024 if size == 1024 else (*_AUGMENT_512, "augment_padding.config"))]
    parts.append("adam_cosine.config" if keypoints or size == 1024 else "adam_manual_steps.config")
    parts += ["hourglass.config"] * hourglass
    if keypoints:
        parts.append("human_keypoints.config")
        # Upstream's hourglass at 512 px evaluates with the reader's defaults: shuffled, without an end.
        figures["eval_reader"] = (
            "num_keypoints: 17" if hourglass and size == 512 else ("shuffle: false num_epochs: 1 num_keypoints: 17")
        )
    outputs = ("boxes", "keypoints") if keypoints else ("boxes",)
    return ZooModel(
        name,
        "center_net",
        tuple(parts),
        figures,
        size,
        size,
        outputs,
        tarball=tarball,
        coco_map=coco_map,
        keypoint_map=keypoint_map,
        speed_ms=speed_ms,
    )


def _demo() -> ZooModel:
    figures = _ssd_figures(
        "ssd_mobilenet_v2_fpn_keras",
        size=160,
        depth=64,
        depth_multiplier=0.35,
        head_layers=2,
        # The zoo's 0.997 needs thousands of steps before evaluation means anything.
        batch_norm_decay=0.9,
        batch_size=16,
        steps=300,
        learning_rate=0.004,
        warmup_rate=0.0,
        warmup_steps=0,
        checkpoint="",
    )
    parts = (*_FPN_PARTS, "fpnlite.config", "adam_cosine.config")
    return ZooModel("demo_ssd", "ssd", parts, figures, 160, 160, one_device=True)


MODELS: tuple[ZooModel, ...] = (
    _mobilenet_v2(),
    _mobilenet_fpnlite(320, 22.2, 22),
    _mobilenet_fpnlite(640, 28.2, 39),
    _large_fpn("mobilenet_v1", 640, 25000, 29.1, 48),
    _large_fpn("resnet50_v1", 640, 25000, 34.3, 46),
    _large_fpn("resnet50_v1", 1024, 100000, 38.3, 87),
    _large_fpn("resnet101_v1", 640, 25000, 35.6, 57),
    _large_fpn("resnet101_v1", 1024, 100000, 39.5, 104),
    _large_fpn("resnet152_v1", 640, 25000, 35.4, 80),
    _large_fpn("resnet152_v1", 1024, 100000, 39.6, 111),
    _efficientdet(0, 512, 64, 3, 3, 33.6, 39),
    _efficientdet(1, 640, 88, 4, 3, 38.4, 54),
    _efficientdet(2, 768, 112, 5, 3, 41.8, 67),
    _efficientdet(3, 896, 160, 6, 4, 45.4, 95),
    _efficientdet(4, 1024, 224, 7, 4, 48.5, 133),
    _efficientdet(5, 1280, 288, 7, 4, 49.7, 222),
    _efficientdet(6, 1408, 384, 8, 5, 50.5, 268),
    _efficientdet(7, 1536, 384, 8, 5, 51.2, 325),
    _faster_rcnn(50, "640x640", 29.3, 53),
    _faster_rcnn(50, "1024x1024", 31.0, 65),
    _faster_rcnn(50, "800x1333", 31.6, 65),
    _faster_rcnn_fpn(),
    _faster_rcnn(101, "640x640", 31.8, 55),
    _faster_rcnn(101, "1024x1024", 37.1, 72),
    _faster_rcnn(101, "800x1333", 36.6, 77),
    _faster_rcnn(152, "640x640", 32.4, 64),
    _faster_rcnn(152, "1024x1024", 37.6, 85),
    _faster_rcnn(152, "800x1333", 37.4, 101),
    _mask_rcnn(),
    _center_net(
        "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8",
        "resnet_v1_50_fpn",
        512,
        250000,
        "",
        tarball="20200711/centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8",
        coco_map=29.3,
        keypoint_map=50.7,
        speed_ms=30,
    ),
    _center_net(
        "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8",
        "resnet_v2_50",
        512,
        250000,
        "",
        tarball="20200711/centernet_resnet50_v2_512x512_kpts_coco17_tpu-8",
        coco_map=27.6,
        keypoint_map=48.2,
        speed_ms=30,
    ),
    _center_net(
        "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8",
        "resnet_v2_101",
        512,
        140000,
        "weights-1",
        tarball="20200711/centernet_resnet101_v1_fpn_512x512_coco17_tpu-8",
        coco_map=34.2,
        speed_ms=34,
    ),
    _center_net(
        "centernet_hourglass104_512x512_coco17_tpu-8",
        "hourglass_104",
        512,
        140000,
        "ckpt-1",
        tarball="20200713/centernet_hg104_512x512_coco17_tpu-8",
        coco_map=41.9,
        speed_ms=70,
    ),
    _center_net(
        "centernet_hourglass104_512x512_kpts_coco17_tpu-32",
        "hourglass_104",
        512,
        250000,
        "",
        tarball="20200711/centernet_hg104_512x512_kpts_coco17_tpu-32",
        coco_map=40.0,
        keypoint_map=61.4,
        speed_ms=76,
    ),
    _center_net(
        "centernet_hourglass104_1024x1024_coco17_tpu-32",
        "hourglass_104",
        1024,
        50000,
        "ckpt-1",
        tarball="20200713/centernet_hg104_1024x1024_coco17_tpu-32",
        coco_map=44.5,
        speed_ms=197,
    ),
    _center_net(
        "centernet_hourglass104_1024x1024_kpts_coco17_tpu-32",
        "hourglass_104",
        1024,
        250000,
        "",
        tarball="20200711/centernet_hg104_1024x1024_kpts_coco17_tpu-32",
        coco_map=42.8,
        keypoint_map=64.5,
        speed_ms=211,
    ),
    _demo(),
)
