"""What a detector takes and gives, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from odtool.detection.instance_masks import InstanceMask

ImageSource: TypeAlias = str | PathLike[str] | bytes | NDArray[np.uint8]
"""A path, an encoded image, or pixels [height, width, 3] in RGB order."""


@dataclass(frozen=True)
class Detections:
    """The objects found in one image, best first."""

    boxes: NDArray[np.float32]
    """[n, 4]: xmin, ymin, xmax, ymax in pixels of the image as a viewer shows it (turned as its EXIF says)."""
    scores: NDArray[np.float32]
    """[n], between 0 and 1."""
    classes: NDArray[np.int64]
    """[n]: ids of the label map, from 1."""
    width: int
    """Of the image, in pixels."""
    height: int
    masks: tuple[InstanceMask, ...] | None = None
    """[n], in pixels of the image; None where the model finds boxes only."""

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, chosen: Sequence[int] | NDArray[np.int64]) -> Detections:
        """Those of these indices, in their order."""
        indices = np.asarray(chosen, np.int64)
        masks = None if self.masks is None else tuple(self.masks[index] for index in indices.tolist())
        return Detections(
            self.boxes[indices], self.scores[indices], self.classes[indices], self.width, self.height, masks
        )


class Detector(Protocol):
    """A trained model that is loaded."""

    @property
    def labels(self) -> Mapping[int, str]:
        """Class names by the ids of the label map."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The score from which detections of a class are best taken, by its name; empty where nobody has found it."""

    @property
    def takes_batches(self) -> bool:
        """Whether several images of one size are run at once, and not one after the other."""

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        """Finds the objects in each image.

        Raises:
            DataError: an image cannot be read.
        """
