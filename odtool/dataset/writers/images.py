"""The images beside written annotations: upright, each with a stem of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath

from odtool.dataset import image_file, repair
from odtool.dataset.image_file import EXTENSIONS

_LONGEST = 150
"""Characters of a stem; file systems take 255 bytes with the ending."""


def place(image: Path | bytes, name: PurePath, folders: Sequence[Path]) -> str:
    """Puts an image into every one of the folders under one name, which is given back.

    The bytes stay as they are. Only an image that viewers turn, as its EXIF says, is encoded anew as they show it,
    because boxes of detections are in what they show. The folders hold the same images, so the first speaks for all.

    Args:
        image: the file, or the encoded image (of a video's frame).
        name: where it comes from, relative to all that is read; folders become part of the name.

    Raises:
        ImageError: it cannot be decoded.
        OSError: it cannot be read or written.
    """
    data = image if isinstance(image, bytes) else image_file.read_bytes(image)
    suffix = name.suffix
    header = image_file.header_of(data)
    if header.orientation != 1:
        data = repair.encoded(data, header, fixed=True)
        suffix = suffix if header.format in ("jpeg", "png") else ".png"
    # Readers pass over hidden files, and strip names of the space around them.
    wanted = "_".join(name.with_suffix("").parts)[-_LONGEST:].lstrip(". ").rstrip()
    written = wanted.encode("utf-8", "replace").decode()  # names need not be UTF-8, but annotations are
    stem = _free_stem(written or "image", folders[0])
    first = folders[0] / f"{stem}{suffix}"
    first.write_bytes(data)
    for folder in folders[1:]:
        _link(first, folder / first.name)
    return first.name


def _free_stem(wanted: str, folder: Path) -> str:
    """Annotations are found by the image's stem, so that a.jpg and a.png cannot both keep theirs."""
    stem, number = wanted, 1
    while any((folder / f"{stem}{suffix}").exists() for ending in EXTENSIONS for suffix in (ending, ending.upper())):
        number += 1
        stem = f"{wanted}-{number}"
    return stem


def _link(existing: Path, other: Path) -> None:
    """The same file once more, without taking its place twice where the file system can do that."""
    try:
        os.link(existing, other)
    except OSError:
        shutil.copyfile(existing, other)
