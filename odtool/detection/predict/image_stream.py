"""The way of images and frames through a detector: read, gathered in batches, looked at, in the order they came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odtool.dataset.images import image_file
from odtool.dataset.types import Box, Outline, Problem
from odtool.dataset.writers.annotation_writer import LabelledBox
from odtool.detection import image_arrays, instance_masks, thresholds
from odtool.detection.class_labels import ClassNames
from odtool.detection.detector import Detections, Detector
from odtool.detection.predict import tiled_detection, video
from odtool.detection.predict.image_sources import Medium
from odtool.detection.predict.tiled_detection import TileSize
from odtool.detection.streams import capture
from odtool.detection.streams.stream_sources import StreamSource
from odtool.detection.thresholds import Thresholds
from odtool.errors import DataError

_CUT_SHORT = 0.05
"""Share of a video's frames that may be missing against its header, which estimates them."""

_MOST_BYTES = 128 << 20
"""Of pixels in a batch: eight photographs of 48 megapixels, and the eight after them, would take 2.3 GB."""

OnProblem = Callable[[Medium, Problem], None]


@dataclass(frozen=True)
class Picture:
    """An image or a frame that has been read."""

    medium: Medium
    pixels: NDArray[np.uint8]
    """[height, width, 3], RGB, upright."""
    data: bytes = b""
    """The image's own bytes; none of a frame."""
    frame: int | None = None
    """Its number in the video, from 0."""
    seconds: float = 0.0
    """Where in the video it is."""
    rate: float = 0.0
    """Frames a second of the video that are looked at, at most where it is live."""
    is_live: bool = False
    """Whether its stream goes on by itself, so that it is looked at at once and not with others."""
    dropped: int = 0
    """Frames of the stream that were passed over up to here, because looking at others took too long."""


@dataclass(frozen=True)
class PictureDetections:
    """A picture and the objects in it that are sure enough, best first."""

    picture: Picture
    boxes: tuple[LabelledBox, ...]


@dataclass(frozen=True)
class DetectionOptions:
    """How pictures are looked at."""

    thresholds: Thresholds
    batch: int
    """Pictures, or tiles of one picture, that the model gets at a time."""
    tiling: TileSize | None
    every: int
    """Of this many frames of a video, one is looked at."""


def read(media: Iterable[Medium], *, every: int, on_problem: OnProblem, stop: threading.Event) -> Iterator[Picture]:
    """Pictures one by one; what cannot be read is reported and passed over.

    Args:
        stop: ends it when it is set.
    """
    for medium in media:
        if stop.is_set():
            return
        try:
            if medium.stream:
                yield from _read_stream(medium, medium.stream, every, stop)
            elif medium.kind == "video":
                yield from _read_frames(medium, every, on_problem, stop)
            else:
                data = image_file.read_bytes(medium.path)
                yield Picture(medium, image_arrays.read_pixels(data), data)
        except (DataError, OSError) as error:
            cause = error.message if isinstance(error, DataError) else error.strerror or str(error)
            cause = cause.removeprefix("image: ").removeprefix(f"{medium.path}: ")
            on_problem(medium, Problem(f"{medium.kind}_unreadable", medium.path, cause))


def _read_stream(medium: Medium, source: StreamSource, every: int, stop: threading.Event) -> Iterator[Picture]:
    data = capture.read_image(source)
    if data is not None:
        yield Picture(medium, image_arrays.read_pixels(data), data)
        return
    with capture.opening(source, every=every, stop=stop) as stream:
        frame = None
        for frame in stream.frames:
            yield Picture(
                medium,
                frame.pixels,
                b"",
                frame.number,
                frame.seconds,
                stream.rate / every,
                is_live=stream.is_live,
                dropped=frame.dropped,
            )
        if frame is None and not stop.is_set():
            raise DataError(f"{source.shown}: no frames come from there", "Check the address.")


def _read_frames(medium: Medium, every: int, on_problem: OnProblem, stop: threading.Event) -> Iterator[Picture]:
    with video.opening(medium.path, every=every) as film:
        count = 0
        for frame in film.frames:
            if stop.is_set():
                return
            count = frame.number + 1
            yield Picture(medium, frame.pixels, b"", frame.number, frame.seconds, film.rate / every)
    if not count:
        raise DataError(f"{medium.path}: none of its frames can be decoded", "")
    if film.announced - count - every >= _CUT_SHORT * film.announced:
        on_problem(medium, Problem("video_cut", medium.path, f"ends after {count} of {film.announced} frames"))


def detect_stream(
    pictures: Iterator[Picture], detector: Detector, options: DetectionOptions, names: ClassNames
) -> Iterator[PictureDetections]:
    """What the detector finds; the next batch is read while it looks at one.

    Raises:
        DataError: a threshold is for a class that the model does not have.
    """
    by_class = options.thresholds.for_labels(detector.labels)
    batches = _make_batches(pictures, options)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while batch := coming.result():
            is_live = batch[0].is_live
            if not is_live:
                coming = reader.submit(next, batches, None)
            for picture, detections in zip(batch, _detect_batch(batch, detector, options), strict=True):
                sure = thresholds.select_surest(detections, options.thresholds.default, by_class)
                yield PictureDetections(picture, tuple(_label(sure, names)))
            if is_live:  # the newest by now
                coming = reader.submit(next, batches, None)


def _make_batches(pictures: Iterator[Picture], options: DetectionOptions) -> Iterator[list[Picture]]:
    """Up to `batch` pictures of one block each, fewer where they are large; one that is to be tiled by itself."""
    waiting: list[Picture] = []
    size = 0
    for picture in pictures:
        alone = picture.is_live or _is_tiled(picture, options)
        full = len(waiting) == options.batch or size + picture.pixels.nbytes > _MOST_BYTES
        ended = bool(waiting) and waiting[-1].medium.block != picture.medium.block
        if waiting and (alone or full or ended):
            yield waiting
            waiting, size = [], 0
        if alone:
            yield [picture]
        else:
            waiting.append(picture)
            size += picture.pixels.nbytes
    if waiting:
        yield waiting


def _is_tiled(picture: Picture, options: DetectionOptions) -> bool:
    return options.tiling is not None and options.tiling.applies(picture.pixels)


def _detect_batch(batch: list[Picture], detector: Detector, options: DetectionOptions) -> list[Detections]:
    lowest = options.thresholds.lowest
    if options.tiling is not None and _is_tiled(batch[0], options):
        return [
            tiled_detection.detect(detector, picture.pixels, options.tiling, batch=options.batch, min_score=lowest)
            for picture in batch
        ]
    return detector.detect([picture.pixels for picture in batch], min_score=lowest)


def _label(detections: Detections, names: ClassNames) -> Iterator[LabelledBox]:
    masks = detections.masks or [None] * len(detections)
    for box, score, number, mask in zip(
        detections.boxes.tolist(), detections.scores.tolist(), detections.classes.tolist(), masks, strict=True
    ):
        polygons = () if mask is None else instance_masks.find_polygons(mask)
        outline = Outline(polygons=polygons) if polygons else None
        yield LabelledBox(Box(*box), number, names.get_name(number), score, outline)
