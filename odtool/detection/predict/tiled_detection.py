"""Large images: a detector looks at one tile after the other, and the objects are put together again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odtool.dataset.images import tiles
from odtool.detection.detector import Detections, Detector
from odtool.detection.predict import tile_merging
from odtool.detection.predict.tile_merging import Area
from odtool.errors import DataError


@dataclass(frozen=True)
class TileSize:
    """How images are cut that are larger than a tile."""

    size: int
    """Width and height, in pixels."""
    overlap: int
    """Pixels that neighbours share."""

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise DataError(
                f"--overlap {self.overlap} does not fit --tile {self.size}",
                "The overlap must be smaller than the tile.",
            )

    def applies(self, image: NDArray[np.uint8]) -> bool:
        return bool(max(image.shape[:2]) > self.size)


def plan_tiles(width: int, height: int, tiling: TileSize) -> list[Area]:
    """The tiles of an image, row by row; `odtool prepare` cuts the same ones."""
    return [
        Area(x, y, min(x + tiling.size, width), min(y + tiling.size, height))
        for y in tiles.find_starts(height, tiling.size, tiling.overlap)
        for x in tiles.find_starts(width, tiling.size, tiling.overlap)
    ]


def detect(
    detector: Detector, image: NDArray[np.uint8], tiling: TileSize, *, batch: int, min_score: float
) -> Detections:
    """What is in an image [height, width, 3] of RGB, in its pixels, looked at `batch` tiles at a time."""
    height, width = image.shape[:2]
    tile_areas = plan_tiles(width, height, tiling)
    detections: list[tuple[Area, Detections]] = []
    for start in range(0, len(tile_areas), batch):
        batch_areas = tile_areas[start : start + batch]
        pieces = [np.ascontiguousarray(image[area.ymin : area.ymax, area.xmin : area.xmax]) for area in batch_areas]
        detections += zip(batch_areas, detector.detect(pieces, min_score=min_score), strict=True)
    return tile_merging.merge(detections, width=width, height=height)
