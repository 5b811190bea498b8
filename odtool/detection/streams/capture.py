"""Frames of cameras and network streams as they come: where looking at them is slower, the latest one wins."""

from __future__ import annotations

import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from odtool.detection.predict import video
from odtool.detection.streams.stream_sources import StreamSource
from odtool.errors import DataError

if TYPE_CHECKING:
    import cv2

_PATIENCE = 15
"""Seconds for a connection, and until the next frame."""
_LARGEST = 1 << 28
"""Bytes of an image that is downloaded."""
_LONGEST = 120
"""Seconds that its download may take in all; a server that sends a byte now and then would hold up all the others."""
_BY_HAND = "Download it, and look at the file."
_POLL = 0.2


@dataclass(frozen=True)
class StreamFrame:
    """A frame that is to be looked at."""

    number: int
    """From 0, those that were dropped included."""
    seconds: float
    """Since the first one."""
    pixels: NDArray[np.uint8]
    """[height, width, 3], RGB."""
    dropped: int = 0
    """So many were passed over up to here, because looking at others took too long."""


@dataclass(frozen=True)
class OpenStream:
    """A stream that delivers."""

    rate: float
    """Frames a second that it promises."""
    is_live: bool
    """Whether it goes on by itself; else it is a video that can be read at leisure."""
    frames: Iterator[StreamFrame]


def read_image(source: StreamSource) -> bytes | None:
    """The image at an address; None where its server sends something else, such as a stream.

    Raises:
        DataError: there is nothing, or too much.
    """
    if not source.address.lower().startswith(("http://", "https://")):
        return None
    try:
        request = urllib.request.Request(source.address, headers={"User-Agent": "odtool"})
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            if not str(answer.headers.get_content_type()).startswith("image/"):
                return None
            data = _download(source, answer)
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last: what answers is no web server
        cause = getattr(error, "reason", None) or str(error) or type(error).__name__
        code = f"{error.code} " if isinstance(error, urllib.error.HTTPError) else ""
        raise DataError(f"{source.shown}: cannot be read: {code}{cause}", "Check the address.") from None
    return data


def _download(source: StreamSource, answer: http.client.HTTPResponse) -> bytes:
    end = time.monotonic() + _LONGEST
    parts, size = [], answer.length or 0
    while size <= _LARGEST and (part := answer.read1(1 << 20)):
        parts.append(part)
        size = max(size, sum(map(len, parts)))
        if time.monotonic() > end:
            raise DataError(f"{source.shown}: takes longer than {_LONGEST} s", _BY_HAND)
    if size > _LARGEST:
        raise DataError(f"{source.shown}: has more than {_LARGEST >> 20} MB", _BY_HAND)
    return b"".join(parts)


@contextmanager
def opening(source: StreamSource, *, every: int, stop: threading.Event) -> Iterator[OpenStream]:
    """Connects to a camera or address.

    Args:
        every: 1 for each frame; else those in between are passed over.
        stop: ends the frames when it is set.

    Raises:
        DataError: nothing is delivered there.
        InstallationError: OpenCV is missing or broken.
    """
    video.require_opencv()
    import cv2

    capture = _open(source)
    try:
        if not capture.isOpened():
            hint = "Is it connected, and free?" if source.camera is not None else "Check the address and the network."
            raise DataError(f"{source.shown}: no frames come from there", hint)
        video.refuse_too_large(capture, source.shown)
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= 240 else video.USUAL_RATE
        if source.camera is None and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
            yield OpenStream(rate, False, _read_all(capture, rate, every, stop))
            return
        latest = _LatestFrame(capture, every, stop)
        try:
            yield OpenStream(rate, True, latest.frames())
        finally:
            latest.end()
    finally:
        capture.release()


def _open(source: StreamSource) -> cv2.VideoCapture:
    import cv2

    video.silence()
    if source.camera is not None:
        return cv2.VideoCapture(source.camera)
    # UDP, FFmpeg's choice for RTSP, loses packets that then show as grey smears.
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE * 1000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE * 1000]
    return cv2.VideoCapture(source.address, cv2.CAP_FFMPEG, limits)


def _read_all(capture: cv2.VideoCapture, rate: float, every: int, stop: threading.Event) -> Iterator[StreamFrame]:
    for frame in video.read_frames(capture, rate, every):
        if stop.is_set():
            return
        yield StreamFrame(frame.number, frame.seconds, frame.pixels)


class _LatestFrame:
    """Reads all the time, so that nothing old waits in the buffers of the way, and keeps the newest frame."""

    def __init__(self, capture: cv2.VideoCapture, every: int, stop: threading.Event) -> None:
        self._capture = capture
        self._every = every
        self._stop = stop
        self._changed = threading.Condition()
        self._frame: StreamFrame | None = None
        self._dropped = 0
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[StreamFrame]:
        """The newest frame each time, until the stream ends or is to."""
        while not self._stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._frame is not None or self._ended, timeout=_POLL)
                frame, self._frame = self._frame, None
            if frame is not None:
                yield frame
            elif self._ended:
                return

    def end(self) -> None:
        """Waits for the thread, which must not read from what is released."""
        self._ended = True
        self._thread.join(timeout=2 * _PATIENCE)

    def _read(self) -> None:
        import cv2

        number, start = 0, time.monotonic()
        while not self._ended and not self._stop.is_set() and self._capture.grab():
            if number == 0:
                start = time.monotonic()
            if number % self._every == 0:
                there, picture = self._capture.retrieve()
                if not there:
                    break
                pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                self._put(number, time.monotonic() - start, pixels)
            number += 1
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, number: int, seconds: float, pixels: NDArray[np.uint8]) -> None:
        with self._changed:
            self._dropped += self._frame is not None
            self._frame = StreamFrame(number, seconds, pixels, self._dropped)
            self._changed.notify()
