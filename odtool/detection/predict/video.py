"""Videos frame by frame, in and out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from odtool.errors import DataError

_USUAL_RATE = 25.0
"""Frames a second where a video does not say."""
_MEND = "Convert it first, as with: ffmpeg -i IN -c:v libx264 OUT.mp4"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A picture of a video."""

    number: int
    """From 0."""
    seconds: float
    """From the beginning, at the rate that the video gives."""
    pixels: Pixels
    """[height, width, 3], RGB."""


@dataclass(frozen=True)
class Video:
    """A video that is open."""

    rate: float
    """Frames a second."""
    announced: int
    """Frames that its header promises; 0 where it does not say. An estimate in many files."""
    frames: Iterator[Frame]
    """Every n-th, to be read once."""


@contextmanager
def opening(path: Path, *, every: int) -> Iterator[Video]:
    """Reads a video from its beginning; one frame is in memory at a time, turned as the video says (which OpenCV does
    by itself: CAP_PROP_ORIENTATION_AUTO).

    Args:
        every: 1 for each frame; else those in between are passed over.

    Raises:
        DataError: it is not a video that can be decoded.
    """
    _silencing()
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            raise DataError(f"{path}: is not a video that can be decoded", _MEND)
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= 1000 else _USUAL_RATE
        announced = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        yield Video(rate, announced, _read_frames(capture, rate, every))
    finally:
        capture.release()


def _read_frames(capture: cv2.VideoCapture, rate: float, every: int) -> Iterator[Frame]:
    number = 0
    while capture.grab():
        if number % every == 0:
            there, picture = capture.retrieve()
            if not there:
                return
            yield Frame(number, number / rate, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
        number += 1


def _silencing() -> None:
    """FFmpeg would write what it dislikes about a file straight to the terminal; odtool says what comes of it."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@contextmanager
def writing(path: Path, *, rate: float) -> Iterator[Callable[[Pixels], None]]:
    """Writes an mp4 of frames of one size, as the first has it.

    Raises:
        DataError: OpenCV cannot write it, or the disk is full.
    """
    writer: cv2.VideoWriter | None = None
    count = 0

    def add(picture: Pixels) -> None:
        nonlocal writer, count
        height, width = picture.shape[:2]
        if writer is None:
            # The one codec that every build of OpenCV brings with it.
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
            if not writer.isOpened():
                raise DataError(f"{path}: OpenCV cannot write this video ({width}x{height})", "Try --no-pictures.")
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        count += 1

    try:
        yield add
    finally:
        if writer is not None:
            writer.release()
    # OpenCV says nothing of a full disk; the file's index, which is written last, does.
    if count and (stored := _count_frames(path)) < count:
        raise DataError(f"{path}: only {stored} of {count} frames could be written", "Is the disk full?")


def _count_frames(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
