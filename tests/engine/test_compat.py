"""Each mend that lets the API run on today's libraries, and that none is made where it is not needed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import ImageFont

from odtool.engine import compat

pytestmark = pytest.mark.usefixtures("api")


def test_keras_is_keras_2(api: Any) -> None:
    import tf_keras

    assert api.keras.layers.Dense is tf_keras.layers.Dense


def test_the_estimator_modes_are_there(api: Any) -> None:
    assert [mode.value for mode in api.compat.v1.estimator.ModeKeys] == ["train", "eval", "infer"]


def test_control_flow_is_where_tf_slim_looks_for_it() -> None:
    ops = importlib.import_module("tensorflow.python.ops.control_flow_ops")
    assert all(callable(getattr(ops, name)) for name in ("case", "cond", "while_loop"))


@pytest.mark.parametrize("font", [ImageFont.load_default(), ImageFont.load_default(size=20)])
def test_fonts_measure_text_as_they_did(font: Any) -> None:
    width, height = font.getsize("disc: 90%")
    assert (width, height) == font.getbbox("disc: 90%")[2:]


def test_a_font_that_can_measure_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(self: Any, text: str) -> tuple[int, int]:
        return (1, 1)

    monkeypatch.setattr(ImageFont.FreeTypeFont, "getsize", own, raising=False)
    compat._mend_pillow()
    assert ImageFont.FreeTypeFont.getsize is own


def test_an_estimator_that_is_there_is_left_alone(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = object()
    monkeypatch.setattr(api.compat.v1, "estimator", own)
    compat._mend_estimator()
    assert api.compat.v1.estimator is own


def test_stand_ins_are_gone_after_loading() -> None:
    for name in ("tensorflow_io", "cv2", "keras.applications", *compat.NOT_NEEDED):
        assert name not in sys.modules or isinstance(sys.modules[name].__file__, str)


def test_deepmac_says_what_it_cannot_do() -> None:
    from object_detection.meta_architectures import deepmac_meta_arch

    with pytest.raises(NotImplementedError, match="DeepMAC"):
        deepmac_meta_arch.tfio.experimental  # noqa: B018 - reading the attribute is what is tested


def test_lvis_says_what_it_does_without() -> None:
    from lvis import vis

    with pytest.raises(NotImplementedError, match=r"cv2\.imread: lvis is loaded without OpenCV"):
        vis.cv2.imread  # noqa: B018 - reading the attribute is what is tested


@pytest.mark.slow
def test_the_api_is_loaded_where_opencv_is_broken(without_opencv: dict[str, str]) -> None:
    code = "import sys; from odtool.engine import compat; compat.load(); sys.exit('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=without_opencv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_small_resnets_are_built_from_keras_2() -> None:
    import tf_keras
    from object_detection.models.keras_models import resnet_v1

    made = resnet_v1.resnet_v1_18(weights=None, include_top=False)
    assert isinstance(made, tf_keras.Model)
    # He et al. 2015 (arXiv 1512.03385), table 1, without the classifier, plus what batch norm keeps.
    assert 11.1e6 < made.count_params() < 11.3e6


@pytest.mark.parametrize("kind", ["mobilenet_v2", "mobilenet_v2_fpn", "mobilenet_v2_fpn_sep_conv"])
def test_no_backbone_is_fetched_from_the_network(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    from object_detection.builders import model_builder
    from tf_keras.src.utils import data_utils

    def refuse(*_arguments: Any, **_settings: Any) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(data_utils, "get_file", refuse)
    build = model_builder.CENTER_NET_EXTRACTOR_FUNCTION_MAP[kind]
    assert build(channel_means=[0.0] * 3, channel_stds=[1.0] * 3, bgr_ordering=False).out_stride == 4


@pytest.mark.parametrize("optimizer", ["rms_prop_optimizer", "momentum_optimizer", "adam_optimizer"])
def test_every_optimizer_of_the_api_is_built(api: Any, optimizer: str) -> None:
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    rate = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
    for average in ("true", "false"):
        text = f"{optimizer} {{ {rate} }} use_moving_average: {average}"
        made, _ = optimizer_builder.build(text_format.Parse(text, optimizer_pb2.Optimizer()))
        assert isinstance(made, api.keras.optimizers.legacy.Optimizer)


def test_the_figures_by_class_average_to_the_figures_over_all() -> None:
    """COCO's mean over classes is the mean of each class's own where every class has the same number of entries."""
    from object_detection.metrics import coco_tools

    chance = np.random.default_rng(0)
    boxes = [[float(x) for x in (*chance.integers(0, 50, 2), *chance.integers(20, 60, 2))] for _ in range(12)]
    truth = [
        {"id": i + 1, "image_id": i // 3, "category_id": i % 2 + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for i, box in enumerate(boxes)
    ]
    found = [
        {
            "image_id": row["image_id"],
            "category_id": row["category_id"],
            "score": 0.9,
            "bbox": [row["bbox"][0] + 4, *row["bbox"][1:]],
            "area": row["area"],
        }
        for row in truth
    ]
    classes = [{"id": 1, "name": "disc"}, {"id": 2, "name": "square"}, {"id": 3, "name": "absent"}]
    wrapped = coco_tools.COCOWrapper(
        {"annotations": truth, "images": [{"id": i} for i in range(4)], "categories": classes}
    )
    judge = coco_tools.COCOEvalWrapper(wrapped, wrapped.LoadAnnotations(found))
    overall, by_class = judge.ComputeMetrics(include_metrics_per_category=True, all_metrics_per_category=True)
    assert overall["Precision/mAP@.50IOU"] > 0
    for name, value in overall.items():
        parts = [by_class[f"{name} ByCategory/{label}"] for label in ("disc", "square")]
        assert np.mean([part for part in parts if part >= 0] or [-1]) == pytest.approx(value), name
        assert by_class[f"{name} ByCategory/absent"] == -1


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("pascal_voc_detection_metrics", "PascalBoxes_Precision/mAP@0.5IOU"),
        ("weighted_pascal_voc_detection_metrics", "WeightedPascalBoxes_Precision/mAP@0.5IOU"),
        ("precision_at_recall_detection_metrics", "PrecisionAtRecallBoxes_Precision/mAP@0.5IOU"),
        ("oid_V2_detection_metrics", "OpenImagesV2_Precision/mAP@0.5IOU"),
        ("oid_challenge_detection_metrics", "OpenImagesDetectionChallenge_Precision/mAP@0.5IOU"),
        ("coco_detection_metrics", "DetectionBoxes_Precision/mAP"),
        ("pascal_voc_instance_segmentation_metrics", "PascalMasks_Precision/mAP@0.5IOU"),
        ("weighted_pascal_voc_instance_segmentation_metrics", "WeightedPascalMasks_Precision/mAP@0.5IOU"),
    ],
)
def test_every_metric_gives_its_figures(api: Any, name: str, figure: str) -> None:
    from object_detection import eval_util
    from object_detection.protos import eval_pb2

    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    (evaluator,) = eval_util.get_evaluators(eval_pb2.EvalConfig(metrics_set=[name]), categories)
    boxes, masks = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], np.float32), np.zeros((2, 50, 50), np.uint8)
    masks[0, :10, :10] = masks[1, 20:40, 20:40] = 1
    classes = np.array([1, 2])
    truth = {"groundtruth_boxes": boxes, "groundtruth_classes": classes, "groundtruth_instance_masks": masks}
    evaluator.add_single_ground_truth_image_info("1", truth)
    found = {"detection_boxes": boxes, "detection_classes": classes, "detection_scores": np.array([0.9, 0.8])}
    evaluator.add_single_detected_image_info("1", {**found, "detection_masks": masks})
    figures = evaluator.evaluate()
    assert figures[figure] == pytest.approx(1.0), figures
