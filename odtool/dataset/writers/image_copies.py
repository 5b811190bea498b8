"""The images beside written annotations: upright, each with a stem of its own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath

from odtool.dataset.images import image_file, repair
from odtool.dataset.images.image_file import EXTENSIONS

LONGEST = 200
"""Bytes of a stem; file systems take 255 with what makes it distinct and the ending."""
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
"""Files may be named so, but XML cannot say it, and a line's end would cut a list of files."""


def copy_image(image: Path | bytes, name: PurePath, folders: Sequence[Path]) -> str:
    """Puts an image into every one of the folders under one name, which is given back.

    The bytes stay as they are. Only an image that viewers turn, as its EXIF says, is encoded again as they show it,
    because boxes of detections are in what they show. The folders hold the same images, so the first speaks for all.

    Args:
        image: the file, or the encoded image (of a video's frame).
        name: where it comes from, relative to all that is read; folders become part of the name.

    Raises:
        ImageError: it cannot be decoded.
        OSError: it cannot be read or written.
    """
    data = image if isinstance(image, bytes) else image_file.read_bytes(image)
    header = image_file.parse_header(data)
    # Readers look for the usual endings only; any other is a part of the name.
    suffix = name.suffix if name.suffix.lower() in EXTENSIONS else ""
    stem = _make_stem(str(name).removesuffix(suffix))
    suffix = suffix or f".{header.format}"
    if header.orientation != 1:
        data = repair.encode_image(data, header, fixed=True)
        suffix = suffix if header.format in ("jpeg", "png") else ".png"
    first = folders[0] / f"{_find_free_stem(stem, folders[0])}{suffix}"
    first.write_bytes(data)
    for folder in folders[1:]:
        link_file(first, folder / first.name)
    return first.name


def link_image(stored: Path, name: PurePath, folders: Sequence[Path]) -> str:
    """Puts an image that `copy_image` has stored elsewhere into the folders, under the name that it would give it here.

    Args:
        name: as `copy_image` was given it.
    """
    suffix = name.suffix if name.suffix.lower() in EXTENSIONS else ""
    stem = _find_free_stem(_make_stem(str(name).removesuffix(suffix)), folders[0])
    for folder in folders:
        link_file(stored, folder / f"{stem}{stored.suffix}")
    return f"{stem}{stored.suffix}"


def _make_stem(name: str) -> str:
    """A name as readers take it: they take slashes for folders, pass over hidden files and strip the space around."""
    # Names need not be UTF-8, but annotations are.
    flat = _NO_TEXT.sub("_", name.replace("/", "_").replace("\\", "_")).encode("utf-8", "replace")
    return flat[-LONGEST:].decode("utf-8", "ignore").lstrip(". ").rstrip() or "image"


def _find_free_stem(preferred: str, folder: Path) -> str:
    """Annotations are found by the image's stem, so that a.jpg and a.png cannot both keep theirs."""
    stem, number = preferred, 1
    while any((folder / f"{stem}{suffix}").exists() for ending in EXTENSIONS for suffix in (ending, ending.upper())):
        number += 1
        stem = f"{preferred}-{number}"
    return stem


def link_file(existing: Path, target: Path) -> None:
    """The same file once more, without taking its place twice where the file system can do that."""
    try:
        os.link(existing, target)
    except OSError:
        shutil.copyfile(existing, target)
