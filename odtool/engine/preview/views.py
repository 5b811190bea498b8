"""One image with its objects as a picture, masks and numbers, in the files of a preview."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from object_detection.core.standard_fields import InputDataFields

from odtool.engine.preview.preview_data import Tensors

View = dict[str, Any]
"""file, width, height, objects (class_ids, box in pixels, keypoints), masks (a file or None), low, high, spread."""


def write_view(folder: Path, name: str, pixels: Any, tensors: Tensors, *, values: Any, is_spread: bool) -> View:
    """Writes an image, and its masks beside it, as PNG.

    Args:
        pixels: uint8 [height, width, 3].
        tensors: groundtruth of the objects that there are, by InputDataFields, as NumPy arrays; boxes normalized,
            classes as ids from 1, or several in rows of one-hot numbers from 0.
        values: what the pixels stand for.
        is_spread: whether the pixels are not the image's own, but its values spread from black to white.
    """
    _write_png(folder / f"{name}.png", pixels)
    height, width = pixels.shape[:2]
    return {
        "file": f"{name}.png",
        "width": width,
        "height": height,
        "objects": _list_objects(tensors, width, height),
        "masks": _write_masks(folder / f"{name}-masks.png", tensors.get(InputDataFields.groundtruth_instance_masks)),
        "low": float(values.min()),
        "high": float(values.max()),
        "spread": is_spread,
    }


def cut_padding(labels: Tensors, index: int) -> Tensors:
    """Of the labels of a batch those of one image, without the rows that are there to fill it up."""
    count = int(labels[InputDataFields.num_groundtruth_boxes][index])
    return {
        name: tensor[index][:count].numpy()
        for name, tensor in labels.items()
        if name
        in (
            InputDataFields.groundtruth_boxes,
            InputDataFields.groundtruth_classes,
            InputDataFields.groundtruth_instance_masks,
            InputDataFields.groundtruth_keypoints,
        )
    }


def _list_objects(tensors: Tensors, width: int, height: int) -> list[dict[str, Any]]:
    boxes = tensors.get(InputDataFields.groundtruth_boxes, np.zeros((0, 4)))
    classes = tensors.get(InputDataFields.groundtruth_classes, np.zeros(0, np.int64))
    # The API has y before x.
    scale = np.array([width, height, width, height])
    objects = [
        {"class_ids": _to_ids(number), "box": [round(float(side), 2) for side in box[[1, 0, 3, 2]] * scale]}
        for box, number in zip(boxes, classes, strict=True)
    ]
    for item, points in zip(objects, tensors.get(InputDataFields.groundtruth_keypoints, ()), strict=False):
        placed = [point[::-1] * (width, height) for point in points if np.isfinite(point).all() and point.any()]
        item["keypoints"] = [[round(float(side), 2) for side in point] for point in placed]
    return objects


def _to_ids(number: Any) -> list[int]:
    """Of a class id, or of a row with a number above 0 for each class that the object is of."""
    return [int(number)] if number.ndim == 0 else [int(index) + 1 for index in np.flatnonzero(number > 0)]


def _write_masks(path: Path, masks: Any) -> str | None:
    """A picture whose values are the number of the object, from 1, that a pixel belongs to; of several the last."""
    if masks is None or not len(masks):
        return None
    owner = np.zeros(masks.shape[1:], np.uint16)
    for number, mask in enumerate(masks, start=1):
        owner[mask > 0.5] = number
    _write_png(path, owner[..., np.newaxis])
    return path.name


def _write_png(path: Path, pixels: Any) -> None:
    path.write_bytes(tf.io.encode_png(pixels, compression=1).numpy())
