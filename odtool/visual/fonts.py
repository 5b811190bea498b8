"""Fonts for class names in any script, of those that are installed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font: TypeAlias = FreeTypeFont | ImageFont

_SYSTEM = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
)
"""Fonts of many scripts on Linux, macOS and Windows, looked for where the system keeps its fonts."""
_MISSING = "\uffff"
"""No character: shows what a font draws for one that it lacks."""


@lru_cache(maxsize=1024)  # a class name comes again with every box
def find_font(text: str, size: int) -> tuple[Font, bool]:
    """The first font that has all letters of a text, and whether there is one; else Pillow's own, which has ASCII."""
    for font in _load_fonts(size):
        if _has(font, text):
            return font, True
    return next(_load_fonts(size)), False


def _load_fonts(size: int) -> Iterator[Font]:
    from PIL import ImageFont

    yield ImageFont.load_default(size=size)
    for name in (*_find_matplotlib_font(), *_SYSTEM):
        try:
            yield ImageFont.truetype(name, size)
        except OSError:
            continue  # not installed


def _find_matplotlib_font() -> Iterator[str]:
    """It comes with the Object Detection API and brings a font with Latin, Greek and Cyrillic letters."""
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield str(Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"))


def _has(font: Font, text: str) -> bool:
    if text.isascii():
        return True
    lacking = bytes(font.getmask(_MISSING))
    return all(bytes(font.getmask(letter)) != lacking for letter in set(text) if not letter.isspace())
