"""The model zoo: every model that odtool has templates for, in the order in which it is listed.

What was published of each stands in published.py, and how its config is put together in the module of its family.
"""

from __future__ import annotations

from odtool.pipeline.zoo.center_net_models import center_net
from odtool.pipeline.zoo.rcnn_models import faster_rcnn, faster_rcnn_fpn, mask_rcnn
from odtool.pipeline.zoo.ssd_models import demo, efficientdet, large_fpn, mobilenet_fpnlite, mobilenet_v2
from odtool.pipeline.zoo.zoo_model import ZooModel

MODELS: tuple[ZooModel, ...] = (
    mobilenet_v2(),
    mobilenet_fpnlite(320),
    mobilenet_fpnlite(640),
    large_fpn("mobilenet_v1", 640, 25000),
    large_fpn("resnet50_v1", 640, 25000),
    large_fpn("resnet50_v1", 1024, 100000),
    large_fpn("resnet101_v1", 640, 25000),
    large_fpn("resnet101_v1", 1024, 100000),
    large_fpn("resnet152_v1", 640, 25000),
    large_fpn("resnet152_v1", 1024, 100000),
    efficientdet(0, 512, 64, 3, 3),
    efficientdet(1, 640, 88, 4, 3),
    efficientdet(2, 768, 112, 5, 3),
    efficientdet(3, 896, 160, 6, 4),
    efficientdet(4, 1024, 224, 7, 4),
    efficientdet(5, 1280, 288, 7, 4),
    efficientdet(6, 1408, 384, 8, 5),
    efficientdet(7, 1536, 384, 8, 5),
    faster_rcnn(50, "640x640"),
    faster_rcnn(50, "1024x1024"),
    faster_rcnn(50, "800x1333"),
    faster_rcnn_fpn(),
    faster_rcnn(101, "640x640"),
    faster_rcnn(101, "1024x1024"),
    faster_rcnn(101, "800x1333"),
    faster_rcnn(152, "640x640"),
    faster_rcnn(152, "1024x1024"),
    faster_rcnn(152, "800x1333"),
    mask_rcnn(),
    center_net("centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8", "resnet_v1_50_fpn", 512, 250000),
    center_net("centernet_resnet50_v2_512x512_kpts_coco17_tpu-8", "resnet_v2_50", 512, 250000),
    center_net("centernet_resnet101_v1_fpn_512x512_coco17_tpu-8", "resnet_v2_101", 512, 140000, "weights-1"),
    center_net("centernet_hourglass104_512x512_coco17_tpu-8", "hourglass_104", 512, 140000, "ckpt-1"),
    center_net("centernet_hourglass104_512x512_kpts_coco17_tpu-32", "hourglass_104", 512, 250000),
    center_net("centernet_hourglass104_1024x1024_coco17_tpu-32", "hourglass_104", 1024, 50000, "ckpt-1"),
    center_net("centernet_hourglass104_1024x1024_kpts_coco17_tpu-32", "hourglass_104", 1024, 250000),
    demo(),
)
