"""What becomes of detections, written picture by picture: lines of JSON, drawn pictures, counts and annotations."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from odtool.dataset.types import Problem
from odtool.dataset.writers import WRITERS, image_copies
from odtool.dataset.writers.annotation_writer import LabelledBox, WrittenImage
from odtool.detection.predict import video
from odtool.detection.predict.image_stream import Picture, PictureDetections
from odtool.detection.streams.object_counts import Line
from odtool.visual import box_drawing
from odtool.visual.box_drawing import DrawnBox

_QUALITY = 90
"""Of JPEGs with boxes drawn on them."""
JPEG_SUFFIXES = (".jpg", ".jpeg")
"""Of pictures that keep their name when they are drawn."""
_JPEG_SIDE = 65_500
"""Pixels, libjpeg's JPEG_MAX_DIMENSION."""
_LIVE_RATE = 10.0
"""Most frames a second of the video of a live stream, in which each stays until the next one came."""
_FRAME_QUALITY = 95
"""Of frames that are to be trained on."""

Save: TypeAlias = Callable[[PictureDetections], None]
Annotate: TypeAlias = Callable[[PictureDetections], Image.Image]
"""Draws the boxes on a copy of a picture."""
Draw: TypeAlias = Callable[[PictureDetections], Path]
"""Puts a picture with its boxes in place; gives the file that holds it, which frames of a video share."""
Store: TypeAlias = Callable[[PictureDetections, Sequence[Path]], str]
"""Puts a picture into each of some folders under one name, which is given."""


@contextmanager
def writing_lines(file: Path) -> Iterator[Callable[[PictureDetections, str | None], None]]:
    """A JSON object a line for each picture, with the name that it has among the annotations, if any."""
    with file.open("w") as stream:
        yield lambda result, saved_as: print(json.dumps(_as_json(result, saved_as)), file=stream)


def _as_json(result: PictureDetections, saved_as: str | None) -> dict[str, Any]:
    picture = result.picture
    height, width = picture.pixels.shape[:2]
    about: dict[str, Any] = {"file": picture.medium.location, "name": picture.medium.name.as_posix()}
    if picture.frame is not None:
        about |= {"frame": picture.frame, "seconds": round(picture.seconds, 3)}
    if saved_as is not None:
        about["saved_as"] = saved_as
    return {**about, "width": width, "height": height, "detections": list(map(_describe_object, result.boxes))}


def _describe_object(box: LabelledBox) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "label": box.label,
        "class_id": box.class_id,
        "score": round(box.score or 0.0, 4),
        "box": [round(value, 2) for value in (box.box.xmin, box.box.ymin, box.box.xmax, box.box.ymax)],
    }
    if box.track is not None:
        entry["track"] = box.track
    return entry if box.outline is None else {**entry, "polygons": box.outline.polygons}


@contextmanager
def writing_pictures(folder: Path, annotate: Annotate) -> Iterator[Draw]:
    """Images as JPEGs, too large ones as PNGs, and videos, with boxes on them, in folders as they come from."""
    current: Path | None = None
    target, rate, written = folder, 0.0, 0
    add: Callable[[video.Pixels], None]
    with ExitStack() as film:

        def draw(result: PictureDetections) -> Path:
            nonlocal current, target, add, rate, written
            picture = result.picture
            annotated = annotate(result)
            if picture.frame is None:
                return _save_drawn(annotated, folder, picture.medium.name)
            if picture.medium.path != current:
                film.close()  # the video before
                current = picture.medium.path
                target = choose_path(folder, picture.medium.name, (video.find_codec().suffix,))
                rate = min(picture.rate, _LIVE_RATE) if picture.is_live else picture.rate
                add, written = film.enter_context(video.writing(target, rate=rate)), 0
            due = round(picture.seconds * rate) + 1 if picture.is_live else written + 1
            while written < due:
                add(np.asarray(annotated))
                written += 1
            return target

        yield draw


def _save_drawn(annotated: Image.Image, folder: Path, name: PurePath) -> Path:
    if max(annotated.size) > _JPEG_SIDE:
        target = choose_path(folder, name, (".png",))
        annotated.save(target, "PNG")
    else:
        target = choose_path(folder, name, JPEG_SUFFIXES)
        annotated.save(target, "JPEG", quality=_QUALITY)
    return target


def annotate(result: PictureDetections, line: Line | None = None) -> Image.Image:
    """A picture with its boxes on it, and the line that objects are counted across."""
    image = box_drawing.annotate(Image.fromarray(result.picture.pixels), list(map(_to_drawn_box, result.boxes)))
    if line and result.picture.frame is not None:
        ImageDraw.Draw(image).line(line, fill="#ffffff", width=max(2, max(image.size) // 300))
    return image


def _to_drawn_box(box: LabelledBox) -> DrawnBox:
    polygons = box.outline.polygons if box.outline is not None else ()
    label = box.label if box.track is None else f"{box.label} #{box.track}"
    return DrawnBox(box.box, label, box.class_id, box.score, polygons)


def choose_path(folder: Path, name: PurePath, suffixes: Sequence[str]) -> Path:
    """A free file name: the source's own where its ending is one of `suffixes`, else with the first of them added."""
    path = folder / name
    if path.suffix.lower() not in suffixes:
        path = path.with_name(path.name + suffixes[0])
    if len(stem := os.fsencode(path.stem)) > image_copies.LONGEST:
        # The end, where numbers are; not from within a character of UTF-8.
        path = path.with_stem(os.fsdecode(stem[-image_copies.LONGEST :].lstrip(bytes(range(0x80, 0xC0)))))
    path.parent.mkdir(parents=True, exist_ok=True)
    target, number = path, 1
    while target.exists():
        number += 1
        target = path.with_stem(f"{path.stem}-{number}")
    return target


@contextmanager
def writing_counts(file: Path, labels: Mapping[int, str]) -> Iterator[Save]:
    """counts.csv: a row a picture, a column a class. Classes may come to `labels` up to the end."""
    with (
        file.open("w", newline="", errors="surrogateescape") as stream,
        # The first line has the names of all classes that are found: the others wait in a file of their own.
        tempfile.TemporaryFile("w+", newline="", errors="surrogateescape", dir=file.parent) as waiting,
    ):
        rows = csv.writer(waiting)

        def save(result: PictureDetections) -> None:
            objects = Counter(box.class_id for box in result.boxes)
            frame = "" if result.picture.frame is None else result.picture.frame
            rows.writerow((result.picture.medium.name.as_posix(), frame, *(objects[number] for number in labels)))

        yield save
        waiting.seek(0)
        table = csv.writer(stream)
        table.writerow(("image", "frame", *labels.values(), "total"))
        for name, frame, *numbers in csv.reader(waiting):
            later = [0] * (len(labels) - len(numbers))
            table.writerow((name, frame, *numbers, *later, sum(map(int, numbers))))


@contextmanager
def writing_data_sets(
    folder: Path, formats: Sequence[str], labels: Mapping[int, str], store: Store
) -> Iterator[Callable[[PictureDetections], str]]:
    """A folder below `folder` for each format, with the images. Gives the name that each image has in all of them."""
    with ExitStack() as stack:
        places, adds = [], []
        for name in formats:
            writer = WRITERS[name]
            places.append(folder / name / writer.images)
            places[-1].mkdir(parents=True)
            adds.append(stack.enter_context(writer.opened(folder / name, labels)))

        def save(result: PictureDetections) -> str:
            height, width = result.picture.pixels.shape[:2]
            stored = store(result, places)
            for add in adds:
                add(WrittenImage(stored, width, height, result.boxes))
            return stored

        yield save


def store_picture(result: PictureDetections, folders: Sequence[Path]) -> str:
    """Puts the image itself, or the frame, into the folders."""
    return image_copies.copy_image(_encode(result.picture), name_file(result.picture), folders)


def name_file(picture: Picture) -> PurePath:
    """The name of its own that a picture has among those of annotations."""
    name = picture.medium.name
    return name if picture.frame is None else name / f"frame_{picture.frame:06d}.jpg"


def _encode(picture: Picture) -> bytes:
    if picture.frame is None:
        return picture.data
    stream = io.BytesIO()
    Image.fromarray(picture.pixels).save(stream, "JPEG", quality=_FRAME_QUALITY)
    return stream.getvalue()


@contextmanager
def writing_problems(file: Path) -> Iterator[Callable[[Problem], None]]:
    """problems.csv: a row for everything that could not be read."""
    with file.open("w", newline="", errors="surrogateescape") as stream:
        rows = csv.writer(stream)
        rows.writerow(("kind", "file", "detail"))
        yield lambda problem: rows.writerow((problem.kind, problem.file, problem.detail))
