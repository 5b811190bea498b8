"""Several images predicted at once, and each judged by itself: losses and detections are those of one image at a time.

The API evaluates image by image. Its convolutions, which take nearly all of the time, are faster over a batch, and
with batch norm at rest they give each image what it would get alone. Losses are not like that: they are divided by the
matches in a batch. So only the prediction is made for a batch; the rest runs for one image after the other, by a graph
that is traced once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from object_detection.core.standard_fields import InputDataFields
from object_detection.meta_architectures.center_net_meta_arch import CenterNetMetaArch
from object_detection.meta_architectures.ssd_meta_arch import SSDMetaArch
from object_detection.protos import input_reader_pb2
from object_detection.utils import config_util

from odtool.engine.model import Configs

MOST = 8
"""Images at once. Measured on a CPU (SSD MobileNet V2 FPNLite 320): 35 ms an image alone, 30 by 4 or 8, 34 by 16."""
PIXELS = MOST * 640 * 640
"""Of all images of a batch; beyond these, images are large enough to keep a device busy by themselves."""
_APART = (SSDMetaArch, CenterNetMetaArch)
"""Models whose predictions for a batch can be told apart by image; Faster R-CNN's mixes the boxes of all images."""
Dicts = tuple[dict[str, Any], dict[str, Any]]


def choose_batch_size(configs: Configs, reader: Any, model: Any, *, limit: int | None = None) -> int:
    """How many images to predict together: 1 where they have no common size, or the model cannot tell them apart.

    Never more than training takes, so that a device which can train can evaluate. A config that names a batch size for
    evaluation keeps it, and is evaluated as the API does.

    Args:
        limit: images at once; MOST if None.
    """
    if configs["eval_config"].batch_size > 1:
        return 1
    if type(model) not in _APART or reader.input_type != input_reader_pb2.InputType.Value("TF_EXAMPLE"):
        return 1
    height, width = config_util.get_spatial_image_size(config_util.get_image_resizer_config(configs["model"]))
    if height < 1 or width < 1:
        return 1
    return int(max(1, min(limit or MOST, PIXELS // (height * width), configs["train_config"].batch_size)))


def fill_batch(parts: Any, size: int) -> Any:
    """A batch of `size` images: a shorter one is filled with its last image, so that one graph serves all batches."""

    def filled(value: Any) -> Any:
        return tf.gather(value, tf.minimum(tf.range(size), tf.shape(value)[0] - 1))

    return tf.nest.map_structure(filled, parts)


def postprocess_one_by_one(
    model: Any,
    features: dict[str, Any],
    labels: dict[str, Any],
    judge: Callable[[Any, dict[str, Any], dict[str, Any]], Dicts],
    *,
    autograph: bool,
) -> Dicts:
    """Predicts a batch, and gives what `judge` says of each image, in one tensor for all images.

    Args:
        judge: takes a model, features and labels of a batch of one; gives scalars, and tensors with a batch dimension.
        autograph: whether `judge` needs it, see `tracing.Graph`.
    """
    images, shapes = features[InputDataFields.image], features[InputDataFields.true_image_shape]
    predicted = model.predict(images, shapes, **model.get_side_inputs(features))
    shared = {name: value for name, value in predicted.items() if name not in model.batched_prediction_tensor_names}
    batched = {name: value for name, value in predicted.items() if name not in shared}
    weights = model.regularization_losses()
    same = [tf.add_n(weights)] if weights else []

    def judge_one(shared: Any, same: Any, batched: Any, features: Any, labels: Any) -> Dicts:
        return judge(_Predicted(model, {**shared, **batched}, same), features, labels)

    # Called, not copied into the graph: that would be optimized for each image anew.
    traced = tf.function(judge_one, autograph=autograph, experimental_attributes={"_noinline": True})
    parts = (batched, features, labels)
    outputs = [traced(shared, same, *_slice_part(parts, index)) for index in range(images.shape[0])]
    scalars, tensors = zip(*outputs, strict=True)
    return (
        {name: tf.stack([output[name] for output in scalars]) for name in scalars[0]},
        {name: tf.concat([output[name] for output in tensors], 0) for name in tensors[0]},
    )


def _slice_part(parts: Any, index: int) -> Any:
    """Image number `index` of tensors with a batch dimension, as a batch of one."""
    return tf.nest.map_structure(lambda value: value[index : index + 1], parts)


class _Predicted:
    """A model whose prediction, and the losses that depend on its weights only, have been made; the rest is its own."""

    def __init__(self, model: Any, predicted: dict[str, Any], weights: list[Any]) -> None:
        self._model = model
        self._predicted = predicted
        self._weights = weights

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, *_: Any, **__: Any) -> dict[str, Any]:
        return dict(self._predicted)

    def regularization_losses(self) -> list[Any]:
        return self._weights
