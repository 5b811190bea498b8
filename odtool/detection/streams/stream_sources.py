"""Cameras and addresses among the sources of a prediction: which texts are meant, and what they are called in files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import urlsplit, urlunsplit

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.errors import DataError

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp")
"""Of addresses that are looked at. FFmpeg knows others, some of which read files of this machine."""
_LIVE = ("rtsp", "rtsps", "rtmp", "udp")
_LONGEST_NAME = 100
"""Characters: with what is added to it, no file system takes more than 255, while an address may have thousands."""
_CAMERA = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class StreamSource:
    """A camera of this machine, or an address."""

    camera: int | None
    address: str = ""

    @property
    def shown(self) -> str:
        """For people and files, without the password that an address may hold."""
        if self.camera is not None:
            return f"camera {self.camera}"
        parts = urlsplit(self.address)
        if parts.password is None:
            return self.address
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))

    @property
    def name(self) -> PurePath:
        """A file name."""
        if self.camera is not None:
            return PurePath(f"camera-{self.camera}")
        parts = urlsplit(self.address)
        text = f"{parts.netloc.rpartition('@')[2]}{parts.path}".strip("/")
        return PurePath(re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".")[-_LONGEST_NAME:] or "stream")

    @property
    def is_image(self) -> bool:
        """Whether its name is that of an image; what it is, its server says."""
        return self.camera is None and urlsplit(self.address).path.lower().endswith(EXTENSIONS)

    @property
    def is_endless(self) -> bool:
        """Whether it surely has no end of its own."""
        return self.camera is not None or urlsplit(self.address).scheme.lower() in _LIVE


def parse(source: str) -> StreamSource | None:
    """The camera or address that a text means; None for a path, also where a file is called 0.

    Raises:
        DataError: it is an address that cannot be.
    """
    scheme, separator, rest = source.partition("://")
    if separator and rest and scheme.lower() in SCHEMES:
        try:
            _ = urlsplit(source).port
            source.encode()
        except ValueError as error:
            raise DataError(f"{source}: is not an address: {error}", "Check how it is written.") from None
        return StreamSource(None, source)
    if _CAMERA.fullmatch(source) and not Path(source).exists():
        return StreamSource(int(source))
    return None
