"""What goes into a reader and what it yields: images with their annotated objects, and the problems met on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from odtool.dataset.pickling import by_position

Level = Literal["info", "warning", "error"]
Unit = Literal["pixel", "fraction"]
Match = Literal["named", "namesake", "elsewhere"]
"""How an image was found. 'named': where its annotation says, or beside it. 'namesake': by the last part of its name
alone, so that it may be another image. 'elsewhere': the same, and not in the folder nearest to the annotation."""


@by_position
@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box, in pixels of the stored image (or as the AnnotatedImage's `unit` says).

    Coordinates are the annotation file's own numbers; nothing is shifted by a pixel.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def area(self) -> float:
        """Square units; negative or zero for a box that is inverted or flat in one direction."""
        return (self.xmax - self.xmin) * (self.ymax - self.ymin)


@by_position
@dataclass(frozen=True, slots=True)
class Outline:
    """An object's mask as COCO writes it: polygons, or run lengths down the columns of the image."""

    polygons: tuple[tuple[float, ...], ...] = ()
    """Each x, y, x, y, … in pixels; the mask is all of them together."""
    counts: str | tuple[int, ...] = ()
    """Run lengths, compressed or not; used where there are no polygons."""
    width: int = 0
    height: int = 0
    """Size of the image that the run lengths are for."""
    turn: int = 1
    """EXIF orientation by which the mask is turned, as the image's pixels are, after it is drawn."""


@by_position
@dataclass(frozen=True, slots=True)
class Keypoint:
    """A point of an object, such as a person's left eye."""

    x: float
    y: float
    """In the box's unit."""
    visibility: int = 0
    """As COCO has it: 0 not labelled, 1 hidden, 2 visible. Where it is 0, the place means nothing."""
    name: str = ""


@by_position
@dataclass(frozen=True, slots=True)
class ObjectAnnotation:
    """One annotated object of an image."""

    label: str
    box: Box
    difficult: bool = False
    truncated: bool = False
    occluded: bool = False
    is_crowd: bool = False
    group_of: bool = False
    view: str = ""
    """The viewpoint (VOC's pose), for image/object/view."""
    area: float | None = None
    """Area of the object's mask in square pixels where the format gives it; else the box's is used."""
    weight: float | None = None
    """How much the object counts in training where records say so; else 1."""
    outline: Outline | None = None
    """The object's mask, where the format gives it and it is asked for."""
    keypoints: tuple[Keypoint, ...] = ()
    """As many and in the same order for all objects of a data set that has them."""
    enclosed: bool = False
    """Whether the box is the envelope of a shape, so that no other reading of four numbers (dialects.py) moves it."""


@by_position
@dataclass(frozen=True, slots=True)
class Extent:
    """Where an image lies inside a larger file, such as a TFRecord or an annotation file."""

    offset: int
    length: int
    """In bytes."""
    name: str
    """The image's own file name, as the larger file gives it."""
    encoded: bool = False
    """Whether it stands there as base64, as in JSON."""


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image file and what is annotated in it. Holds paths and numbers, never pixels."""

    path: Path
    """The image file."""
    source: Path
    """The annotation file that speaks of it; the image itself for a background image."""
    objects: tuple[ObjectAnnotation, ...] = ()
    unit: Unit = "pixel"
    """'fraction' where the format gives boxes as fractions of the image's width and height."""
    split: str | None = None
    """'train', 'val' or 'test' where the data set itself says so."""
    source_id: str | None = None
    """The format's own id of the image, where it has one."""
    declared_size: tuple[int, int] | None = None
    """Width and height in pixels as the annotation claims them; see survey/conventions/annotated_size.py."""
    extent: Extent | None = None
    """Where in `path` the image lies; None where it is the whole file."""
    match: Match = "named"
    """How sure it is that this is the image that the annotation means."""
    dialect: str = ""
    """The row of dialects.py that says what else the boxes' numbers may mean; '' where they can mean nothing else."""

    @property
    def shown_path(self) -> Path:
        """The file to look at: the user's own where the image lies within another."""
        return self.source if self.extent else self.path

    @property
    def name(self) -> str:
        """The image's file name, without folders."""
        return self.extent.name if self.extent else self.path.name

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """By position, and paths as text: they would pickle as all their parts, and slowly."""
        return _make_annotated_image, (str(self.path), str(self.source), *_REST(self))


_REST = attrgetter(*AnnotatedImage.__match_args__[2:])


def _make_annotated_image(path: str, source: str, *fields: Any) -> AnnotatedImage:
    return AnnotatedImage(Path(path), Path(source), *fields)


@by_position
@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the data, and what was done about it."""

    kind: str
    """Name in the catalogue of survey/problem_kinds.py, such as 'box_outside'."""
    file: Path
    """The file to look at."""
    detail: str
    """What is wrong, with the line, field or numbers."""
    image: str = ""
    """Source id of the image concerned, where that is known."""

    def describe(self) -> str:
        """As in 'a.xml:3: broken XML', which editors and terminals follow to the line."""
        line, separator, what = self.detail.removeprefix("line ").partition(": ")
        has_line = self.detail.startswith("line ") and separator and line.isdecimal()
        return f"{self.file}:{line}: {what}" if has_line else f"{self.file}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Source:
    """What the user named: a folder with annotations, or one annotation file."""

    path: Path
    images: Path | None = None
    """The folder of the images where the user names it (--images)."""
    prefix: str = ""
    """Goes before the images' source ids where several sources are merged; ends with a slash."""
    masks: bool = False
    """Whether objects' outlines are asked for."""
    keypoints: bool = False
    """Whether objects' keypoints are asked for; those that lie in records are carried over in any case."""
    columns: tuple[tuple[str, str], ...] = ()
    """Roles and columns of a CSV where the user names them (--columns), as readers/tables/any_csv has them."""
    label_map: Path | None = None
    """The label map to follow; it names the ids of records that have no other beside them."""
    scratch: Path | None = None
    """A folder for images that cannot be read where they are, which goes when the source has been read."""
    root: Path = field(init=False)
    """The folder that the source's own paths may lead to, and nowhere above it. Looked for once: it is used often."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.path if self.path.is_dir() else self.path.parent)


@by_position
@dataclass(frozen=True, slots=True)
class Deferred:
    """Small files that may be parsed in another process: `parse(*arguments)` gives what is in them.

    `parse` is a module's own function and the arguments can be pickled. Formats with one file an image
    yield these, so that the parsing is spread over the cores.
    """

    parse: Callable[..., Iterable[AnnotatedImage | Problem]]
    arguments: tuple[Any, ...]
    files: int = 1


Finding = AnnotatedImage | Problem | Deferred
"""What a reader yields."""
