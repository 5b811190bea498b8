"""What was published of the zoo's models: where their checkpoints lie, and how well and how fast they detect.

Figures are those of the TF2 Detection Model Zoo (tensorflow/models,
research/object_detection/g3doc/tf2_detection_zoo.md); one that is not published there is None.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A model's row in the zoo."""

    coco_map: float | None = None
    """mAP@[.5:.95] of boxes on COCO 2017 val, in percent."""
    speed_ms: float | None = None
    """Milliseconds an image; the zoo does not name the GPU."""
    mask_map: float | None = None
    keypoint_map: float | None = None
    date: str = "20200711"
    """Folder of the tarball, as in its address; empty where none was published."""
    folder: str = ""
    """Name of the tarball and of what it unpacks to, where it is not the config's."""


PUBLISHED: dict[str, Published] = {
    "ssd_mobilenet_v2_320x320_coco17_tpu-8": Published(20.2, 19),
    "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8": Published(22.2, 22),
    "ssd_mobilenet_v2_fpnlite_640x640_coco17_tpu-8": Published(28.2, 39),
    "ssd_mobilenet_v1_fpn_640x640_coco17_tpu-8": Published(29.1, 48),
    "ssd_resnet50_v1_fpn_640x640_coco17_tpu-8": Published(34.3, 46),
    "ssd_resnet50_v1_fpn_1024x1024_coco17_tpu-8": Published(38.3, 87),
    "ssd_resnet101_v1_fpn_640x640_coco17_tpu-8": Published(35.6, 57),
    "ssd_resnet101_v1_fpn_1024x1024_coco17_tpu-8": Published(39.5, 104),
    "ssd_resnet152_v1_fpn_640x640_coco17_tpu-8": Published(35.4, 80),
    "ssd_resnet152_v1_fpn_1024x1024_coco17_tpu-8": Published(39.6, 111),
    "ssd_efficientdet_d0_512x512_coco17_tpu-8": Published(33.6, 39, folder="efficientdet_d0_coco17_tpu-32"),
    "ssd_efficientdet_d1_640x640_coco17_tpu-8": Published(38.4, 54, folder="efficientdet_d1_coco17_tpu-32"),
    "ssd_efficientdet_d2_768x768_coco17_tpu-8": Published(41.8, 67, folder="efficientdet_d2_coco17_tpu-32"),
    "ssd_efficientdet_d3_896x896_coco17_tpu-32": Published(45.4, 95, folder="efficientdet_d3_coco17_tpu-32"),
    "ssd_efficientdet_d4_1024x1024_coco17_tpu-32": Published(48.5, 133, folder="efficientdet_d4_coco17_tpu-32"),
    "ssd_efficientdet_d5_1280x1280_coco17_tpu-32": Published(49.7, 222, folder="efficientdet_d5_coco17_tpu-32"),
    "ssd_efficientdet_d6_1408x1408_coco17_tpu-32": Published(50.5, 268, folder="efficientdet_d6_coco17_tpu-32"),
    "ssd_efficientdet_d7_1536x1536_coco17_tpu-32": Published(51.2, 325, folder="efficientdet_d7_coco17_tpu-32"),
    "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8": Published(29.3, 53),
    "faster_rcnn_resnet50_v1_1024x1024_coco17_tpu-8": Published(31.0, 65),
    "faster_rcnn_resnet50_v1_800x1333_coco17_gpu-8": Published(31.6, 65),
    "faster_rcnn_resnet101_v1_640x640_coco17_tpu-8": Published(31.8, 55),
    "faster_rcnn_resnet101_v1_1024x1024_coco17_tpu-8": Published(37.1, 72),
    "faster_rcnn_resnet101_v1_800x1333_coco17_gpu-8": Published(36.6, 77),
    "faster_rcnn_resnet152_v1_640x640_coco17_tpu-8": Published(32.4, 64),
    "faster_rcnn_resnet152_v1_1024x1024_coco17_tpu-8": Published(37.6, 85),
    "faster_rcnn_resnet152_v1_800x1333_coco17_gpu-8": Published(37.4, 101),
    "mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8": Published(39.0, 301, mask_map=34.6),
    "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8": Published(29.3, 30, keypoint_map=50.7),
    "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8": Published(27.6, 30, keypoint_map=48.2),
    "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8": Published(34.2, 34),
    "centernet_hourglass104_512x512_coco17_tpu-8": Published(
        41.9, 70, date="20200713", folder="centernet_hg104_512x512_coco17_tpu-8"
    ),
    "centernet_hourglass104_512x512_kpts_coco17_tpu-32": Published(
        40.0, 76, keypoint_map=61.4, folder="centernet_hg104_512x512_kpts_coco17_tpu-32"
    ),
    "centernet_hourglass104_1024x1024_coco17_tpu-32": Published(
        44.5, 197, date="20200713", folder="centernet_hg104_1024x1024_coco17_tpu-32"
    ),
    "centernet_hourglass104_1024x1024_kpts_coco17_tpu-32": Published(
        42.8, 211, keypoint_map=64.5, folder="centernet_hg104_1024x1024_kpts_coco17_tpu-32"
    ),
}
"""By config name."""

NOT_PUBLISHED = Published(date="")
