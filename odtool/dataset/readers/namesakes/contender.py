"""A folder with files that annotations may mean: what its files are, against what annotations state of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from odtool.dataset.images import image_file
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader


class Stated(NamedTuple):
    """What an annotation says of its image's file."""

    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    bytes: int | None = None
    folder: str = ""
    """The name of the folder in which it lay."""


State = Callable[[str], Stated]
"""What annotations say of the image of a name."""


def state_nothing(_name: str) -> Stated:
    """For formats that state nothing."""
    return Stated()


@dataclass
class Contender:
    """A folder with files whose names others have, too."""

    folder: Path
    files: dict[str, Path]
    """By the names that annotations have."""
    count: int
    """Of all names that were looked for, those that it has."""
    _headers: dict[Path, ImageHeader | None] = field(default_factory=dict)

    def read_header(self, name: str) -> ImageHeader | None:
        """That of its file; None where it is no image."""
        path = self.files[name]
        if path not in self._headers:
            try:
                self._headers[path] = image_file.read_header(path)
            except ImageError:
                self._headers[path] = None
        return self._headers[path]

    def agrees(self, name: str, stated: Stated) -> bool:
        """Whether its file is as stated, in bytes or, turned or not, in pixels."""
        header = self.read_header(name)
        if header is None:
            return False
        if stated.bytes is not None:
            return header.bytes == stated.bytes
        return stated.size is not None and stated.size in ((header.width, header.height), (header.height, header.width))

    def was_resized(self, name: str, stated: Stated) -> bool:
        """Whether its file has the shape, though not the size, that is stated in pixels."""
        header = self.read_header(name)
        if header is None or stated.size is None or stated.bytes is not None:
            return False
        (width, height) = stated.size
        return abs(width * header.height - height * header.width) <= max(width, height, header.width, header.height)

    def is_flat(self, names: Iterable[str]) -> bool:
        """Whether its pictures have one channel, perhaps with alpha, or a palette."""
        headers = [header for name in names if name in self.files and (header := self.read_header(name))]
        return bool(headers) and all(header.channels < 3 or header.palette for header in headers)
