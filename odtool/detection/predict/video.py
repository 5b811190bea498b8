"""Videos frame by frame, in and out."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from odtool import temporary_folders
from odtool.dataset.images import decoding_memory
from odtool.dataset.images.image_error import ImageError
from odtool.errors import DataError, InstallationError

if TYPE_CHECKING:
    import cv2

_FRAME_BYTES = 22
"""A pixel: OpenCV's and odtool's colours, a detector's floats, and what a decoder keeps of two frames before."""
USUAL_RATE = 25.0
"""Frames a second where a video does not say."""
_MEND = "Convert it first, as with: ffmpeg -i IN -c:v libx264 OUT.mp4"
_SMALLER = "Make it smaller first, as with: ffmpeg -i IN -vf scale=1920:-2 OUT.mp4"

_PACKAGE = "opencv-python-headless"
_OTHER_BUILDS = "opencv-python opencv-contrib-python"
"""Packages of the same folder cv2 that need the libraries of a desktop."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """How videos are written."""

    name: str
    fourcc: str
    """By which OpenCV knows it."""
    suffix: str
    """Of its files."""


CODECS = (Codec("H.264", "avc1", ".mp4"), Codec("VP8", "VP80", ".webm"), Codec("VP9", "VP90", ".webm"))
"""What browsers play; the first that OpenCV's build writes is taken, and its packages on PyPI have no H.264.

VP8 takes 42 ms of a core for a frame of 1280x720, VP9 108 at the same quality and half the size (OpenCV 5.0). MPEG-4
Part 2 in an mp4, which every build writes in 10 ms, is played by no browser, nor is Motion JPEG in an avi."""


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


def require_opencv() -> None:
    """Looks whether OpenCV works, which only videos need.

    Several packages write one folder cv2, and the last to be installed wins. lvis, which the Object Detection API
    requires, brings the build with windows, which cannot be imported where X and GL are not installed.

    Raises:
        InstallationError: it is missing or broken.
    """
    try:
        import cv2

        cv2.VideoCapture  # noqa: B018 - a folder that an uninstallation left behind is imported without a word
    except Exception as error:  # a mixture of two builds fails in many ways
        lines = str(error).splitlines() or [type(error).__name__]
        raise InstallationError(
            f"videos need OpenCV ({_PACKAGE}), which cannot be imported: {lines[0]}", f"Repair it with: {_repair()}"
        ) from error


def _repair() -> str:
    """Shell commands that leave this Python one build of OpenCV, of the version that it has, and nothing else new."""
    python = shlex.quote(sys.executable)
    if importlib.util.find_spec("pip"):
        uninstall, install = f"{python} -m pip uninstall", f"{python} -m pip install"
    else:  # an environment made by uv has no pip
        uninstall, install = f"uv pip uninstall --python {python}", f"uv pip install --python {python}"
    try:
        package = f"{_PACKAGE}=={importlib.metadata.version(_PACKAGE)}"
    except importlib.metadata.PackageNotFoundError:
        package = _PACKAGE
    return f"{uninstall} -y {_OTHER_BUILDS} && {install} --force-reinstall --no-deps {package}"


@contextmanager
def opening(path: Path, *, every: int) -> Iterator[Video]:
    """Reads a video from its beginning; one frame is in memory at a time, turned as the video says (which OpenCV does
    by itself: CAP_PROP_ORIENTATION_AUTO).

    Args:
        every: 1 for each frame; else those in between are passed over.

    Raises:
        DataError: it is not a video that can be decoded.
        InstallationError: OpenCV is missing or broken.
    """
    require_opencv()
    import cv2

    silence()
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            raise DataError(f"{path}: is not a video that can be decoded", _MEND)
        refuse_too_large(capture, str(path))
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= 1000 else USUAL_RATE
        announced = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        yield Video(rate, announced, read_frames(capture, rate, every))
    finally:
        capture.release()


def refuse_too_large(capture: cv2.VideoCapture, name: str) -> None:
    """Asks for the memory of a frame before one is fetched: some kilobytes of video may hold a thousand million pixels.

    Raises:
        DataError: there is less.
    """
    import cv2

    sides = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    width, height = (max(int(side), 0) for side in sides)
    try:
        with decoding_memory.reserve(width * height * _FRAME_BYTES, f"frames of {width}x{height} pixels"):
            return
    except ImageError as error:
        raise DataError(f"{name}: {error.detail}", _SMALLER) from None


def read_frames(capture: cv2.VideoCapture, rate: float, every: int) -> Iterator[Frame]:
    """Each frame of what is open, or every n-th, to its end."""
    import cv2

    number = 0
    while capture.grab():
        if number % every == 0:
            there, picture = capture.retrieve()
            if not there:
                return
            yield Frame(number, number / rate, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
        number += 1


def silence() -> None:
    """FFmpeg would write what it dislikes about a file straight to the terminal; odtool says what comes of it."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@functools.cache
def find_codec() -> Codec:
    """The first codec of which OpenCV writes frames here, and reads one back: a build may know of more than it has.

    Raises:
        InstallationError: OpenCV is missing or broken, or has none of them.
    """
    require_opencv()
    with temporary_folders.make() as folder:
        for codec in CODECS:
            if _is_written(codec, folder / f"{codec.fourcc}{codec.suffix}"):
                return codec
    names = ", ".join(codec.name for codec in CODECS)
    raise InstallationError(
        f"this build of OpenCV writes none of {names}, which browsers play", f"Use --no-pictures, or: {_repair()}"
    )


def _is_written(codec: Codec, path: Path) -> bool:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec.fourcc), 10, (64, 48))
    try:
        if not writer.isOpened():
            return False
        for _ in range(3):
            writer.write(np.full((48, 64, 3), 99, np.uint8))
    finally:
        writer.release()
    return _holds(path, 3)


@contextmanager
def writing(path: Path, *, rate: float) -> Iterator[Callable[[Pixels], None]]:
    """Writes a video of frames of one size, as the first has it.

    Args:
        path: with the suffix of `find_codec`.

    Raises:
        DataError: OpenCV cannot write it, or the disk is full.
        InstallationError: OpenCV is missing or broken.
    """
    codec = find_codec()
    import cv2

    silence()
    writer: cv2.VideoWriter | None = None
    count = 0

    def add(picture: Pixels) -> None:
        nonlocal writer, count
        height, width = picture.shape[:2]
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec.fourcc), rate, (width, height))
            if not writer.isOpened():
                raise DataError(f"{path}: OpenCV cannot write this video ({width}x{height})", "Try --no-pictures.")
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        count += 1

    try:
        yield add
    finally:
        if writer is not None:
            writer.release()
    # OpenCV says nothing of a full disk, and writes the length where there was room: only the last frame tells.
    if count and not _holds(path, count):
        raise DataError(f"{path}: only {_count_frames(path)} of {count} frames could be written", "Is the disk full?")


def _holds(path: Path, count: int) -> bool:
    """Whether a video's last frame can be read."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            return False
        capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
        return bool(capture.read()[0])
    finally:
        capture.release()


def _count_frames(path: Path) -> int:
    import cv2

    capture = cv2.VideoCapture(str(path))
    count = 0
    try:
        while capture.isOpened() and capture.grab():
            count += 1
        return count
    finally:
        capture.release()
