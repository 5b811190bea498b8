"""Videos frame by frame, in and out."""

from __future__ import annotations

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

from odtool.errors import DataError, InstallationError

if TYPE_CHECKING:
    import cv2

_USUAL_RATE = 25.0
"""Frames a second where a video does not say."""
_MEND = "Convert it first, as with: ffmpeg -i IN -c:v libx264 OUT.mp4"

_PACKAGE = "opencv-python-headless"
_OTHER_BUILDS = "opencv-python opencv-contrib-python"
"""Packages of the same folder cv2 that need the libraries of a desktop."""

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
    import cv2

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
        InstallationError: OpenCV is missing or broken.
    """
    require_opencv()
    import cv2

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
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
