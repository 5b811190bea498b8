"""One image of a preview as a figure: the picture with its masks, boxes, keypoints and labels, and words below."""

from __future__ import annotations

from collections.abc import Mapping

from odtool.dataset.images.pillow import open_image
from odtool.reporting.preview.preview_file import PreviewObject, PreviewView
from odtool.visual import html_page
from odtool.visual.box_drawing import choose_class_colour
from odtool.visual.html_page import escape_text

_MOST_BOXES = 300
_STRENGTH = 0.45
"""Share that a mask's colour has of a pixel."""


def render_view(view: PreviewView, labels: Mapping[int, str], caption: str, *, side: int, most: int) -> str:
    """A figure.

    Args:
        caption: HTML.
        side: pixels of the picture's longer side at most.
        most: bytes of the picture at most.
    """
    size = view.width, view.height
    shapes = "".join(_draw_object(item, labels, size) for item in view.objects[:_MOST_BOXES])
    if len(view.objects) <= html_page.MOST_LABELS:
        words = [(item.box[:2], name_classes(item, labels)) for item in view.objects]
        attributes = [_name_class(item) for item in view.objects]
        shapes += html_page.draw_labels(words, size, attributes=attributes)
    picture = html_page.overlay(_encode(view, side, most), size, shapes)
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>\n"


def name_classes(item: PreviewObject, labels: Mapping[int, str]) -> str:
    """What an object is, in plain text."""
    return " + ".join(labels.get(number, f"class {number}") for number in item.class_ids) or "no class"


def format_values(view: PreviewView) -> str:
    """The range of an image's values."""
    return f"values {view.low:.4g} to {view.high:.4g}"


def format_size(view: PreviewView) -> str:
    """Width and height."""
    return f"{view.width} &times; {view.height}"


def count_objects(count: int) -> str:
    """1 object, 2 objects."""
    return f"{count:,} object{'' if count == 1 else 's'}"


def describe_view(view: PreviewView, heading: str, *, was: int | None = None) -> str:
    """A caption in HTML.

    Args:
        heading: plain text.
        was: objects that there were before.
    """
    objects = count_objects(len(view.objects))
    if was is not None and was != len(view.objects):
        objects += f" of {was:,}" if was > len(view.objects) else f", {was:,} before"
    shown = ", shown from black to white" if view.is_spread else ""
    return f"<b>{escape_text(heading)}</b>{format_size(view)}, {objects}, {format_values(view)}{shown}"


def _name_class(item: PreviewObject) -> str:
    """An object of several classes is filtered by its first."""
    return f' data-class="{item.class_ids[0]}"' if item.class_ids else ""


def _choose_colour(item: PreviewObject) -> str:
    return choose_class_colour(item.class_ids[0] if item.class_ids else 1)


def _draw_object(item: PreviewObject, labels: Mapping[int, str], size: tuple[int, int]) -> str:
    colour, label = _choose_colour(item), name_classes(item, labels)
    parts = [html_page.draw_box(item.box, colour, label, attributes=_name_class(item))]
    radius = max(size) / 120
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" stroke="#fff" '
        f'stroke-width="{radius / 3:.1f}"{_name_class(item)}><title>{escape_text(label)}</title></circle>'
        for x, y in item.keypoints
    ]
    return "".join(parts)


def _encode(view: PreviewView, side: int, most: int) -> str:
    from PIL import Image

    with open_image(view.picture.read_bytes()) as picture:
        image = picture.convert("RGB")
    if view.masks is not None:
        import numpy as np

        with open_image(view.masks.read_bytes()) as picture:
            owners = np.asarray(picture)
        palette = np.zeros((len(view.objects) + 1, 3))
        for number, item in enumerate(view.objects, start=1):
            palette[number] = [int(_choose_colour(item)[at : at + 2], 16) for at in (1, 3, 5)]
        colours = palette[np.minimum(owners, len(view.objects))]
        share = np.where(owners[..., np.newaxis] > 0, _STRENGTH, 0)
        image = Image.fromarray((np.asarray(image) * (1 - share) + colours * share).round().astype(np.uint8))
    return html_page.encode_picture(image, side=side, most=most)
