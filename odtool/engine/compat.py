"""What the Object Detection API needs to run on today's TensorFlow: each mend once, with its reason, where needed.

Measured on TensorFlow and tf-keras 2.20 and 2.21, protobuf 6 and 7, Pillow 12 and 13, Python 3.10 to 3.13 and
tf-models-research-object-detection 2.8.0.post1.
Nothing of the API's own files is touched.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from odtool.engine import gpu_limits
from odtool.engine.stderr_filter import ERRORS, LEVEL

NOT_NEEDED = ("sklearn.metrics", "pandas", "googleapiclient")
"""Optional imports of TensorFlow, tf-keras and tf-slim that training never uses, each guarded by `except ImportError`:
for tf-slim's clustering loss, `Model.fit` on data frames and Google Cloud clusters. Without them, and without Keras 3
and tensorflow_io (see `_import_stand_ins`), loading takes 2.6 s instead of 3.9 s (warm file cache, two cores).
"""

_loaded = False


def load() -> None:
    """Makes `import tensorflow` and `import object_detection…` work in this process; to be called before either.

    Raises:
        OdtoolError: the Object Detection API is missing, or the GPU whose memory is to be shared.
        ImportError: TensorFlow is missing, or one of them is broken.
    """
    global _loaded  # noqa: PLW0603 - a process has one import system; mending it twice would only cost time
    if _loaded:
        return
    _set_environment()
    with _without_collections(), warnings.catch_warnings():
        # Deprecations inside the libraries, which nobody who trains a model can act on.
        warnings.simplefilter("ignore")
        with _without(NOT_NEEDED):
            _mend_protobuf()
            importlib.import_module("tensorflow")
            gpu_limits.apply()
            importlib.import_module("tf_keras")
            _mend_log_level()
            _mend_estimator()
            _mend_control_flow()
            _mend_pillow()
            with _in_place_of(_import_stand_ins()):
                importlib.import_module("object_detection.model_lib_v2")
    _mend_category_stats()
    _mend_downloads()
    _mend_numpy_names()
    _quiet()
    _loaded = True


def _set_environment() -> None:
    # The API is written for Keras 2; `tf.keras` is Keras 3 since TensorFlow 2.16 unless this is set before the import.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    # Without TensorFlow's C++ notes on CPU features and plug-ins. Where no GPU is to be used, its one error at start,
    # that there is none, would stand in the log of every run; later errors come as exceptions, too.
    os.environ.setdefault(LEVEL, str(ERRORS if wants_gpu() else ERRORS + 1))


def wants_gpu() -> bool:
    """Whether this process is to use a GPU, as far as can be told before TensorFlow is loaded."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and Path("/dev/nvidiactl").exists()


def _quiet() -> None:
    """Leaves what a person who trains can act on: no deprecations inside libraries, no dumps of configs."""
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.WARNING)
    # The API's own way of telling Keras 2 whether it trains; nobody who trains a model can act on it.
    warnings.filterwarnings("ignore", message="`tf.keras.backend.set_learning_phase` is deprecated")


def _mend_log_level() -> None:
    """TensorFlow 2.20 applies its log level to its own lines, and not to those that it logs by Abseil (gpu_device.cc…).

    Since 2.21 it sets Abseil's level, too. The function has no other name, and this one is that release's.
    """
    library, level = find_framework_library(), os.environ[LEVEL]
    set_level = getattr(library, "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE", None)
    if set_level and level.isdigit():
        set_level(ctypes.c_int(min(int(level), 3)))


def find_framework_library() -> ctypes.CDLL | None:
    """TensorFlow's C++ library that logs, for what Python has no way to; None where it has another name."""
    import tensorflow as tf

    path = Path(tf.__file__).parent / "libtensorflow_framework.so.2"
    return ctypes.CDLL(str(path)) if path.is_file() else None


def _mend_protobuf() -> None:
    """The API's compiled messages are of a style that protobuf 4 and later refuse."""
    from odtool.pipeline.text import messages

    messages.install()


def _mend_estimator() -> None:
    """`tensorflow.compat.v1.estimator` is gone since TensorFlow 2.16; the TF2 path only names its ModeKeys."""
    v1: Any = importlib.import_module("tensorflow.compat.v1")
    if not hasattr(v1, "estimator"):
        v1.estimator = _module("tensorflow.compat.v1.estimator", ModeKeys=_ModeKeys)


def _mend_category_stats() -> None:
    """pycocotools has never had the `category_stats` that the API reads for its metrics by class.

    Without it every config with include_metrics_per_category fails at the end of its first evaluation (the API was
    written against a fork of pycocotools, see the comment in metrics/coco_tools.py).
    """
    from object_detection.metrics import coco_tools

    wrapper = coco_tools.COCOEvalWrapper
    summarize = wrapper.summarize

    def summarize_by_class(self: Any) -> None:
        summarize(self)
        if not hasattr(self, "category_stats") and self._iou_type in ("bbox", "segm"):
            self.category_stats = _category_stats(self.eval["precision"], self.eval["recall"])

    wrapper.summarize = summarize_by_class


def _mend_numpy_names() -> None:
    """numpy 1.24 took away its names for Python's own types, with which the API compares the types of arrays.

    Without them the metrics of Pascal VOC and Open Images fail when they are summed up, after a whole evaluation.
    """
    import numpy as np
    from object_detection.metrics import coco_evaluation
    from object_detection.utils import metrics

    class Numpy(ModuleType):
        """numpy with the names that the two modules use."""

        float, bool = float, bool

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

    metrics.np = coco_evaluation.np = Numpy("numpy")


def _mend_downloads() -> None:
    """CenterNet's two MobileNets fetch ImageNet's weights from the network whenever the model is built.

    They do so where a checkpoint overwrites the weights at once, too, and in a cluster without a way out nothing could
    be trained, evaluated or exported. Random weights are what every other backbone of the API starts from.
    """
    from object_detection.models.keras_models import mobilenet_v2

    build = mobilenet_v2.mobilenet_v2

    @functools.wraps(build)
    def build_without_weights(*arguments: Any, **settings: Any) -> Any:
        return build(*arguments, **{**settings, "weights": None})

    mobilenet_v2.mobilenet_v2 = build_without_weights


def _category_stats(precision: Any, recall: Any) -> Any:
    """COCO's twelve figures for each class, -1 for a class without ground truth; rows as COCOeval.summarize's.

    Args:
        precision: [10 IoU thresholds, recall thresholds, classes, 4 areas, 3 limits of detections]; -1 for absent.
        recall: the same without the second axis.
    """
    import numpy as np

    by_class = precision.transpose(2, 0, 1, 3, 4), recall.transpose(1, 0, 2, 3)
    ap = [[slice(None), slice(None), area, 2] for area in range(4)]
    rows = [(0, ap[0]), (0, [0, *ap[0][1:]]), (0, [5, *ap[0][1:]]), *((0, index) for index in ap[1:])]
    rows += [(1, [slice(None), 0, limit]) for limit in range(3)] + [(1, [slice(None), area, 2]) for area in (1, 2, 3)]
    stats = [
        [_mean_of_present(by_class[kind][k][tuple(index)]) for k in range(len(by_class[0]))] for kind, index in rows
    ]
    return np.array(stats)


def _mean_of_present(values: Any) -> float:
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0


class _ModeKeys(str, enum.Enum):
    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


def _mend_control_flow() -> None:
    """tf-slim 1.1.0 looks for case, cond and while_loop where TensorFlow kept them until 2.13."""
    ops = "tensorflow.python.ops"
    old = importlib.import_module(f"{ops}.control_flow_ops")
    for name, home in (("case", "control_flow_case"), ("cond", "cond"), ("while_loop", "while_loop")):
        if not hasattr(old, name):
            setattr(old, name, getattr(importlib.import_module(f"{ops}.{home}"), name))


def _mend_pillow() -> None:
    """`getsize` is gone from fonts since Pillow 10; the pictures in evaluation summaries need it."""
    from PIL import ImageFont

    fonts: tuple[Any, ...] = (ImageFont.ImageFont, ImageFont.FreeTypeFont, ImageFont.TransposedFont)
    for font in fonts:
        if not hasattr(font, "getsize"):
            font.getsize = _getsize


def _getsize(font: Any, text: str, *args: Any, **kwargs: Any) -> tuple[int, int]:
    """Width and height in pixels of `text`, from the font's origin as the old method measured."""
    _, _, right, bottom = font.getbbox(text, *args, **kwargs)
    return round(right), round(bottom)


def _import_stand_ins() -> dict[str, ModuleType]:
    """Modules to be found under these names only while the API is being imported."""
    resnet = importlib.import_module("tf_keras.src.applications.resnet")
    return {
        # Only DeepMAC's colour loss uses tensorflow_io, whose binary misses symbols of this TensorFlow.
        "tensorflow_io": _module("tensorflow_io", __getattr__=_no_tensorflow_io),
        # Only lvis's drawing uses OpenCV, which nothing here calls. lvis asks for the build with windows, which is put
        # into the same folder as the one without and cannot be imported where X and GL are not installed.
        "cv2": _module("cv2", __getattr__=_no_opencv),
        # keras_models/resnet_v1.py takes `ResNet` of `keras.applications.resnet`, which is Keras 3 today and cannot
        # hold Keras 2 layers (ResNet-18 and -34 of CenterNet); importing it would also cost half a second. Keras 2 has
        # it in the module behind its public one.
        "keras.applications": _module("keras.applications", resnet=resnet),
    }


def _no_tensorflow_io(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(
        f"tensorflow_io.{name}: DeepMAC's colours need tensorflow-io, which has no release for this TensorFlow"
    )


def _no_opencv(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"cv2.{name}: lvis is loaded without OpenCV, which only its drawing uses")


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name, "A stand-in made by odtool.engine.compat.")
    module.__dict__.update(content)
    return module


@contextmanager
def _without_collections() -> Iterator[None]:
    """A seventh of the time of loading goes to collections that find nothing, as modules stay."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """While this lasts, importing these fails as if they were not installed, unless they are loaded already."""
    with _in_place_of({name: None for name in names if name not in sys.modules}):
        yield


@contextmanager
def _in_place_of(modules: dict[str, Any]) -> Iterator[None]:
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)
