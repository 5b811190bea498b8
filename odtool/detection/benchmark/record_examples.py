"""Images of records with their objects, as a detector gets them and is judged by; read without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.pillow import open_rgb
from odtool.dataset.readers.records.tfrecord import tfrecord_example
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.records import record_reader
from odtool.dataset.types import ObjectAnnotation
from odtool.detection.accuracy import GroundTruth
from odtool.errors import DataError


@dataclass(frozen=True)
class RecordExample:
    """One image."""

    pixels: NDArray[np.uint8]
    """[height, width, 3], RGB; as TensorFlow decodes it, without the rotation that EXIF says."""
    truth: GroundTruth


def read_examples(
    files: Sequence[Path], labels: Mapping[int, str], count: int, *, label_map: Path | None = None
) -> Iterator[RecordExample]:
    """The first images, one at a time.

    Args:
        labels: the model's classes; objects of others are left out.
        label_map: names the classes of records that have ids alone.

    Raises:
        DataError: a record file is damaged, or an image cannot be decoded.
    """
    ids = {name: number for number, name in labels.items()}
    classes = ClassLookup(label_map)
    remaining = count
    for path in files:
        for record in record_reader.read_records(path):
            if not remaining:
                return
            example = tfrecord_example.parse(record.data, path, record.number, classes)
            if example.encoded is None:
                continue
            start, length = example.encoded
            try:
                with open_rgb(record.data[start : start + length]) as image:
                    pixels = np.asarray(image)
            except ImageError as error:
                raise DataError(
                    f"{path}: the image of record {record.number} cannot be used: {error.detail}",
                    "Prepare the data again, or measure with --images.",
                ) from None
            yield RecordExample(pixels, _make_truth(example.objects, ids, pixels.shape[1], pixels.shape[0]))
            remaining -= 1


def _make_truth(objects: Sequence[ObjectAnnotation], ids: Mapping[str, int], width: int, height: int) -> GroundTruth:
    known = [item for item in objects if item.label in ids]
    boxes = [(item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax) for item in known]
    return GroundTruth(
        np.array(boxes, np.float32).reshape(-1, 4) * np.array([width, height, width, height], np.float32),
        np.array([ids[item.label] for item in known], np.int64),
        np.array([item.is_crowd for item in known], bool),
    )
