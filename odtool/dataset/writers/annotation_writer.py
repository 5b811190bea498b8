"""What goes into a writer of annotations: an image that has been put in its place, with its labelled boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from odtool.dataset.types import Box, Outline


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box with its class, drawn by a person or found by a model."""

    box: Box
    """In pixels of the image."""
    class_id: int
    """In the label map, from 1."""
    label: str
    score: float | None = None
    """Confidence from 0 to 1 where a model found it."""
    outline: Outline | None = None
    """Polygons of its mask, where there is one."""
    track: int | None = None
    """The number of its object in a video, where objects are followed."""


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image in the writer's folder of images."""

    name: str
    """Its file name there; no other image there has the same stem."""
    width: int
    height: int
    """In pixels."""
    boxes: tuple[LabelledBox, ...]


Add: TypeAlias = Callable[[WrittenImage], None]
"""Takes one image after the other."""
Labels: TypeAlias = Mapping[int, str]
"""Class names by the ids of the label map; classes may be added to it up to when the writer is closed."""


@dataclass(frozen=True)
class Writer:
    """A format: where its images lie, and how its annotations are written."""

    title: str
    images: str
    """The folder of the images below that of the format; empty where they lie beside the annotations."""
    opened: Callable[[Path, Labels], AbstractContextManager[Add]]
    """Writes into an empty folder. What is added is on the disk, or in a few open files; nothing is held in memory."""


def round_corners(box: Box) -> tuple[float, float, float, float]:
    """Corners to a hundredth of a pixel, which no detector is sure of."""
    return round(box.xmin, 2), round(box.ymin, 2), round(box.xmax, 2), round(box.ymax, 2)
