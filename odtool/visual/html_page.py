"""What odtool's pages share: one HTML file that loads nothing, its style, its parts, and pictures inside of it."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from odtool import __version__, printable

if TYPE_CHECKING:
    from PIL import Image

ROW = 210
"""Height in pixels that the pictures of a row have about."""
MOST_LABELS = 12
"""With more objects than this, labels would hide the picture; they are shown under the pointer then."""
_SIDE = 360
"""Pixels of a picture's longer side."""
_PICTURE_BYTES = 40_000
"""A picture is compressed until it is no larger, or as small as it gets."""
_QUALITIES = (82, 65, 45, 25)
_LEAST_SIDE = 100
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, whatever a file or class is called; a script of ours is named by its hash."""


def render(title: str, kind: str, body: Iterable[str], *, foot: str, style: str = "", interactive: bool = False) -> str:
    """The whole page.

    Args:
        title: of the page, as plain text.
        kind: what made it, such as 'odtool inspect'.
        body: HTML, part by part.
        foot: HTML of the last line, after the words that say who made the page.
        style: CSS beside that of all pages.
        interactive: whether tables and pictures answer to clicks, as page.js has it.
    """
    common = Path(__file__).with_name("page.css").read_text("utf-8")
    policy, script = _POLICY, ""
    if interactive:
        content = Path(__file__).with_name("page.js").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        policy, script = f"{policy}; script-src 'sha256-{digest}'", f"<script>{content}</script>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape_text(title)}: {kind}</title>\n<style>\n{common}{style}</style>\n"
        f"</head>\n<body>\n{''.join(body)}"
        f'<footer class="soft">Made by odtool {escape(__version__)}. {foot}</footer>\n'
        f"{script}</body>\n</html>\n"
    )


def escape_text(content: object) -> str:
    """Escaped for HTML; controls are shown, as on the terminal, and so are bytes of file names that are not UTF-8."""
    return escape(printable.show(str(content)).encode("utf-8", "backslashreplace").decode("utf-8"))


def render_tiles(values: Mapping[str, str]) -> str:
    """Large figures by what they are, both HTML."""
    items = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for name, value in values.items())
    return f'<ul class="tiles">{items}</ul>\n'


def render_pill(level: str, content: str) -> str:
    """A short word on a coloured ground: error, warning or info."""
    return f'<span class="pill {level}">{content}</span>'


def encode_picture(image: Image.Image, *, side: int = _SIDE, most: int = _PICTURE_BYTES) -> str:
    """A data URI of an RGB image, which is scaled down in place.

    Args:
        side: pixels of the longer side.
        most: bytes of the picture; it is compressed, and at last made smaller, until it has no more.
    """
    image.info.clear()
    stream = io.BytesIO()
    while True:
        image.thumbnail((side, side))
        for quality in _QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=quality)
            if stream.tell() <= most:
                break
        if stream.tell() <= most or side <= _LEAST_SIDE:
            break
        side = side * 2 // 3  # noise, of which even the worst quality is large
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def draw_box(corners: tuple[float, float, float, float], colour: str, title: str, *, attributes: str = "") -> str:
    """A box over a picture as a line that stays sharp at any size.

    Args:
        corners: xmin, ymin, xmax, ymax in pixels of the image.
        title: what shows under the pointer, as plain text.
        attributes: further attributes.
    """
    xmin, ymin, xmax, ymax = corners
    return (
        f'<rect x="{xmin:.1f}" y="{ymin:.1f}" width="{xmax - xmin:.1f}" '
        f'height="{ymax - ymin:.1f}" stroke="{colour}"{attributes}><title>{escape_text(title)}</title></rect>'
    )


def draw_polygons(polygons: Iterable[Sequence[float]], colour: str, *, attributes: str = "") -> str:
    """Outlines over a picture, x, y, x, y and so on in pixels of the image, with a veil of their colour within."""
    lines = (
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(polygon[::2], polygon[1::2], strict=True)) + "Z"
        for polygon in polygons
    )
    return f'<path d="{"".join(lines)}" fill="{colour}" stroke="{colour}"{attributes}/>'


def draw_labels(
    words: Iterable[tuple[tuple[float, float], str]], size: tuple[int, int], *, attributes: Iterable[str] = ()
) -> str:
    """Words at boxes' upper left corners, kept within an image of this width and height.

    One that would lie on an earlier one is left out: neither could be read.

    Args:
        attributes: further attributes of each.
    """
    width, height = size
    # In pixels of the image, of which some two hundred and ten of the page's show the height.
    letters = 13 * max(height / ROW, width / (2.4 * ROW))
    label_spans: list[tuple[float, float, float]] = []
    texts = []
    for ((left, top), content), further in zip(words, chain(attributes, repeat("")), strict=False):
        # Bold letters are some six tenths as wide as they are high.
        length = letters * 0.6 * len(content)
        x = max(min(left + letters * 0.25, width - length - letters * 0.25), letters * 0.25)
        y = top + letters * 1.05 if top < letters * 1.3 else top - letters * 0.35
        if any(abs(y - low) < letters and x < end and start < x + length for start, end, low in label_spans):
            continue
        label_spans.append((x, x + length, y))
        texts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{letters:.1f}" stroke="#000" '
            f'stroke-width="{letters * 0.22:.1f}"{further}>{escape_text(content)}</text>'
        )
    return "".join(texts)


def render_figure(size: tuple[int, int], content: str, caption: str, *, attributes: str = "") -> str:
    """A picture with its caption, in a row of others of about the same height."""
    ratio = min(max(size[0] / size[1], 0.6), 2.4)
    return (
        f'<figure style="flex:{ratio:.2f} 1 {ratio * ROW:.0f}px"{attributes}>{content}'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def render_controls(attributes: str, fields: Iterable[str]) -> str:
    """What filters a table or a list of an interactive page, hidden until its script runs."""
    return f'<div class="controls" hidden {attributes}>{"".join(fields)}<output></output></div>\n'


def render_search(name: str) -> str:
    """A field for words to search for; `name` is plain text."""
    return f'<input type="search" placeholder="{escape_text(name)}" aria-label="{escape_text(name)}">'


def render_choice(by: str, everything: str, values: Mapping[str, str]) -> str:
    """A list to choose from, its values and what they are called in plain text.

    Args:
        by: what items say of themselves in their attribute data-`by`.
        everything: what stands for no choice.
    """
    options = {"": everything, **values}
    items = "".join(
        f'<option value="{escape_text(value)}">{escape_text(name)}</option>' for value, name in options.items()
    )
    return f'<select data-by="{by}" aria-label="{escape_text(everything)}">{items}</select>'


def render_table(identity: str, columns: Mapping[str, bool], rows: Iterable[str]) -> str:
    """A table that an interactive page sorts by a click on the head of a column.

    Args:
        identity: of the element.
        columns: whether they hold numbers, by their names in plain text.
        rows: HTML, each a row.
    """
    head = "".join(
        f'<th scope="col" class="{"right" if is_number else "left"}">{escape_text(name)}</th>'
        for name, is_number in columns.items()
    )
    return (
        f'<div class="scroll"><table class="sortable" id="{identity}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
    )


def overlay(uri: str, size: tuple[int, int], shapes: str) -> str:
    """A picture with SVG over it, whose coordinates are pixels of the image."""
    width, height = size
    return (
        f'<div class="shot"><img src="{uri}" width="{width}" height="{height}" alt="">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{shapes}</svg></div>'
    )
