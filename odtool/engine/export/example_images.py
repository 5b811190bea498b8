"""Images of a run's records, decoded as training decodes them, with their objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from object_detection.builders import image_resizer_builder
from object_detection.utils import config_util

from odtool.dataset import label_map
from odtool.detection.accuracy import GroundTruth
from odtool.engine.export import trained_model as exported
from odtool.engine.export.trained_model import TrainedModel
from odtool.engine.input import record_images
from odtool.errors import DataError


@dataclass(frozen=True)
class RecordImage:
    """One image of the records."""

    pixels: NDArray[np.uint8]
    """[height, width, 3], RGB."""
    truth: GroundTruth


def read_images(source: TrainedModel, *, training: bool, count: int) -> Iterator[RecordImage]:
    """The first images of the training or evaluation records, one at a time.

    Raises:
        DataError: there are no such records.
    """
    names = exported.find_records(source, training=training)
    if not names:
        raise DataError(
            f"{source.run.pipeline_config}: no {'training' if training else 'evaluation'} records",
            "Make them with odtool prepare; the config names where it looks for them.",
        )
    numbers = label_map.index_texts(label_map.read(source.label_map))
    for record in tf.data.TFRecordDataset(names).take(count):
        yield _decode_image(tf.train.Example.FromString(record.numpy()).features.feature, numbers)


def resize_image(source: TrainedModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[1, height, width, 3], 0 to 255: what the config's resizer makes of an image."""
    resize = image_resizer_builder.build(config_util.get_image_resizer_config(source.configs["model"]))
    image, *_ = resize(tf.cast(pixels, tf.float32))
    return np.array(image[tf.newaxis])


def _decode_image(values: Any, numbers: dict[str, int]) -> RecordImage:
    name = next(iter(values["image/source_id"].bytes_list.value), b"").decode("utf-8", "replace")
    pixels = record_images.decode(values["image/encoded"].bytes_list.value[0], name)
    height, width = pixels.shape[:2]
    sides = [values[f"image/object/bbox/{side}"].float_list.value for side in ("xmin", "ymin", "xmax", "ymax")]
    boxes = np.array(sides, np.float32).T.reshape(-1, 4) * np.array([width, height, width, height], np.float32)
    # As the API's decoder does: the text counts where there is one, else the number.
    texts = [text.decode("utf-8", "replace") for text in values["image/object/class/text"].bytes_list.value]
    classes = [numbers.get(text, 0) for text in texts] or list(values["image/object/class/label"].int64_list.value)
    crowds = list(values["image/object/is_crowd"].int64_list.value) or [0] * len(boxes)
    return RecordImage(pixels, GroundTruth(boxes, np.array(classes, np.int64), np.array(crowds, bool)))
