"""From what a model gives for one image to Detections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from odtool.detection import instance_masks
from odtool.detection.detector import Detections

NAMES = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
"""What the API's SavedModels call what is taken of their outputs."""
MASKS = "detection_masks"
"""What those that find masks have besides: a grid [rows, columns] for each box."""


def build_detections(
    boxes: NDArray[np.float32],
    classes: NDArray[np.float32] | NDArray[np.int64],
    scores: NDArray[np.float32],
    *,
    width: int,
    height: int,
    scale: tuple[float, float] = (1.0, 1.0),
    min_score: float = 0.0,
    masks: NDArray[np.float32] | None = None,
) -> Detections:
    """The boxes in pixels, best first; those of no extent, with which models fill up their lists, are left out.

    Args:
        boxes: [n, 4], ymin, xmin, ymax, xmax as fractions of the model's input.
        classes: [n], ids of the label map.
        scores: [n].
        width, height: of the image in pixels.
        scale: height and width of the input over those of the image's part in it, where it was padded.
        min_score: below which detections are left out.
        masks: [n, rows, columns], 0 to 1, each in its box.
    """
    down, across = scale[0] * height, scale[1] * width
    boxes = boxes[:, [1, 0, 3, 2]] * np.array([across, down, across, down], np.float32)
    corners = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    there = (scores >= min_score) & (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    order = np.flatnonzero(there)[np.argsort(-scores[there], kind="stable")]
    return Detections(
        corners[order].astype(np.float32),
        scores[order].astype(np.float32),
        classes[order].astype(np.int64),
        width,
        height,
        # A mask belongs to its box as the model gave it, not to what of it lies in the image.
        None
        if masks is None
        else tuple(instance_masks.make_mask(masks[index], boxes[index], width, height) for index in order),
    )
