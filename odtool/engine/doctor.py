"""What of TensorFlow and the Object Detection API works on this machine, told without ever failing itself."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
import traceback
from typing import Any

from odtool import temporary_folders
from odtool.errors import OdtoolError
from odtool.pipeline.text import messages

API = "tf-models-research-object-detection"

_MODEL = """
ssd {
  num_classes: 2
  image_resizer { fixed_shape_resizer { height: 96 width: 96 } }
  feature_extractor {
    type: "ssd_mobilenet_v2_keras" depth_multiplier: 0.35 min_depth: 8
    conv_hyperparams {
      regularizer { l2_regularizer {} } initializer { truncated_normal_initializer {} } batch_norm {}
    }
    override_base_feature_extractor_hyperparams: true
  }
  box_coder { faster_rcnn_box_coder {} }
  matcher { argmax_matcher {} }
  similarity_calculator { iou_similarity {} }
  box_predictor {
    convolutional_box_predictor {
      kernel_size: 1
      conv_hyperparams { regularizer { l2_regularizer {} } initializer { truncated_normal_initializer {} } }
    }
  }
  anchor_generator { ssd_anchor_generator { num_layers: 6 } }
  post_processing { batch_non_max_suppression { score_threshold: 0.1 iou_threshold: 0.6 } score_converter: SIGMOID }
  loss { localization_loss { weighted_smooth_l1 {} } classification_loss { weighted_sigmoid {} } }
}
"""
"""The smallest SSD that the API builds: it needs every part that training needs, and takes a few seconds."""


_WORK = ("odtool.engine.train.training", "odtool.engine.evaluate.evaluation", "odtool.engine.evaluate.all_detections")


def examine() -> dict[str, Any]:
    """Versions, devices, whether a minimal model builds and runs, and whether all that training imports is there.

    Returns:
        tensorflow, tf_keras, object_detection and protobuf (versions or None), object_detection_path, gpus (names),
        model_seconds (None where none was built), errors: one line for each thing that does not work, and warnings: one
        for each that only some work needs.
    """
    report: dict[str, Any] = {
        "tensorflow": _version("tensorflow"),
        "tf_keras": _version("tf-keras"),
        "object_detection": _version(API),
        "object_detection_path": None,
        "protobuf": _version("protobuf"),
        "gpus": [],
        "model_seconds": None,
        "errors": [],
        "warnings": [],
    }
    for check in (_api_path, _gpus, _model_seconds, _work):
        try:
            report.update(check())
        except OdtoolError as error:
            report["errors"].append(f"{error.message}. {error.hint}")
            break
        except Exception as error:  # whatever is broken here is what is to be reported
            report["errors"].append(f"{type(error).__name__}: {_cause(error)}")
            break
    else:
        report["warnings"] += _without_videos()
    return report


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _api_path() -> dict[str, Any]:
    messages.install()
    found = importlib.util.find_spec("object_detection")
    folders = found.submodule_search_locations if found else None
    return {"object_detection_path": next(iter(folders or []), None)}


def _gpus() -> dict[str, Any]:
    from odtool.engine import compat

    compat.load()
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return {
        "gpus": [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in devices]
    }


def _model_seconds() -> dict[str, Any]:
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection.protos import model_pb2

    from odtool.engine import model

    began = time.monotonic()
    detector = model.build_model(text_format.Parse(_MODEL, model_pb2.DetectionModel()), is_training=False)
    pixels, shapes = detector.preprocess(tf.zeros([1, 96, 96, 3]))
    detections = detector.postprocess(detector.predict(pixels, shapes), shapes)
    if not bool(tf.reduce_all(tf.math.is_finite(detections["detection_boxes"]))):
        raise ArithmeticError("a minimal model gives boxes that are not finite numbers")
    return {"model_seconds": round(time.monotonic() - began, 1)}


def _without_videos() -> list[str]:
    """A warning where videos cannot be read or written; all else does without OpenCV."""
    from odtool.detection.predict import video
    from odtool.errors import InstallationError

    try:
        video.require_opencv()
    except InstallationError as error:
        return [f"{error.message}. {error.hint}"]
    return []


def _work() -> dict[str, Any]:
    """Imports what training and evaluation import, at their start and on their way.

    The first call of tf.summary imports TensorBoard, without which a training ends at its first step.
    """
    import tensorflow as tf

    for module in _WORK:
        importlib.import_module(module)
    with temporary_folders.make() as folder, tf.summary.create_file_writer(str(folder)).as_default(step=0):
        tf.summary.scalar("loss", 0.0)
        tf.summary.image("picture", tf.zeros([1, 8, 8, 3], tf.uint8))
    return {}


def _cause(error: Exception) -> str:
    """The message and the place, on one line: a broken installation often fails far inside a library."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{' '.join(str(error).split())[:300]}{place}"
