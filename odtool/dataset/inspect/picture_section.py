"""The pictures on the page of inspect: images with their boxes, to be filtered and enlarged, and similar ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from odtool.dataset.images import image_file, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.inspect.inspection import Inspection
from odtool.dataset.inspect.samples import Sample, SimilarImages
from odtool.dataset.survey.problem_kinds import CATALOGUE
from odtool.dataset.types import ObjectAnnotation
from odtool.visual import html_page
from odtool.visual.box_drawing import choose_class_colour
from odtool.visual.html_page import escape_text

_MOST_BOXES = 300
"""Boxes drawn on one picture, where there are few."""
_ALL_BOXES = 50_000
"""Boxes drawn on all pictures together, some hundred bytes each."""
_ALL_BYTES = 6_000_000
"""Of the pictures on a page together."""
_MOST_BYTES = 160_000
"""Of a picture, where there are few."""


@dataclass(frozen=True)
class _Quality:
    """How large a picture is in the page."""

    side: int
    """Pixels of its longer side."""
    bytes: int
    boxes: int
    """Boxes that are drawn on it at most."""


_SMALL = _Quality(side=320, bytes=20_000, boxes=100)
"""Of images that look alike, of which the page has 48 at most."""


def _choose_quality(count: int) -> _Quality:
    """Pictures that can be enlarged, where there are not too many."""
    size = min(_ALL_BYTES // max(count, 1), _MOST_BYTES)
    side = 1280 if size >= 120_000 else 800 if size >= 80_000 else 360
    return _Quality(side, size, min(_ALL_BOXES // max(count, 1), _MOST_BOXES))


def render_samples(inspection: Inspection, numbers: Mapping[str, int]) -> str:
    """The sample images with what filters them.

    Args:
        numbers: of the classes, which decide their colours.
    """
    samples = inspection.samples
    if not samples:
        return ""
    quality = _choose_quality(len(samples))
    figures = "".join(_render_sample(sample, numbers, quality) for sample in samples)
    count = f"{len(samples):,} of {inspection.figures.images:,} images"
    selection = f"{count}: those with problems first, then some of each class, then others at random."
    return (
        f'<h2 id="pictures">Images</h2>\n<p class="soft">{selection}</p>\n{_render_filters(samples, numbers)}'
        f'<div class="shots" id="samples">{figures}</div>\n'
    )


def _render_filters(samples: Iterable[Sample], numbers: Mapping[str, int]) -> str:
    """Fields for class, problem, split and name, with what there is among these images."""
    images = [sample.checked.image for sample in samples]
    names = sorted({item.label for image in images for item in image.objects})
    kinds = sorted({kind for sample in samples for kind in sample.kinds})
    splits = dict.fromkeys(image.split for image in images if image.split)
    fields = [
        html_page.render_choice("classes", "all classes", {str(numbers[name]): name for name in names}),
        html_page.render_choice("problems", "any problems or none", {kind: kind.replace("_", " ") for kind in kinds}),
    ]
    if len(splits) > 1:
        fields.append(html_page.render_choice("split", "all splits", {name: name for name in splits}))
    return html_page.render_controls('data-items="samples"', [*fields, html_page.render_search("search names")])


def render_similar(similar: SimilarImages | None, numbers: Mapping[str, int]) -> str:
    """Images that look alike, a row for each group."""
    if similar is None:
        return ""
    heading = "<h2>Similar images</h2>\n"
    if not similar.groups:
        return f'{heading}<p class="soft">No images look alike.</p>\n'
    rows = "".join(
        f'<div class="alike">{"".join(_render_sample(sample, numbers, _SMALL) for sample in group)}</div>\n'
        for group in similar.samples
    )
    shown = "" if len(similar.samples) == similar.groups else f" {len(similar.samples)} groups are shown."
    groups = f"{similar.groups:,} group{'' if similar.groups == 1 else 's'}"
    counts = f"{similar.images:,} images look alike, in {groups}.{shown}"
    return f'{heading}<p class="soft">{counts}</p>\n<div class="shots">{rows}</div>\n'


def _render_sample(sample: Sample, numbers: Mapping[str, int], quality: _Quality) -> str:
    image, header = sample.checked.image, sample.checked.header
    size = header.width, header.height
    pills = "".join(
        html_page.render_pill(CATALOGUE[kind].level, escape_text(kind.replace("_", " "))) for kind in sample.kinds
    )
    count = len(image.objects)
    try:
        picture = html_page.overlay(_encode_picture(sample, quality), size, _draw_boxes(sample, numbers, quality.boxes))
    except (ImageError, OSError) as error:
        detail = error.detail if isinstance(error, ImageError) else str(error)
        picture = f'<div class="broken">cannot be shown: {escape_text(detail)}</div>'
    split = f", {image.split}" if image.split else ""
    caption = f"{header.width} &times; {header.height}, {count:,} object{'' if count == 1 else 's'}{split}"
    return html_page.render_figure(
        size,
        picture,
        f"<b>{escape_text(image.name)}</b>{caption}<div>{pills}</div>",
        attributes=_describe(sample, numbers),
    )


def _describe(sample: Sample, numbers: Mapping[str, int]) -> str:
    """What the page's filters and its large view ask of a picture."""
    image = sample.checked.image
    classes = " ".join(str(number) for number in sorted({numbers[item.label] for item in image.objects}))
    file = f' data-file="{escape_text(image.path.absolute().as_uri())}"' if image.extent is None else ""
    problems = " ".join(sample.kinds)
    return f' data-item data-classes="{classes}" data-problems="{problems}" data-split="{image.split or ""}"{file}'


def _encode_picture(sample: Sample, quality: _Quality) -> str:
    """The image as TensorFlow would see it."""
    checked = sample.checked
    data = image_file.read_bytes(checked.image.path, checked.image.extent)
    image = repair.decode_pixels(data, checked.header, fixed=checked.fixed)
    return html_page.encode_picture(image, side=quality.side, most=quality.bytes)


def _draw_boxes(sample: Sample, numbers: Mapping[str, int], most: int) -> str:
    header, objects = sample.checked.header, sample.checked.image.objects
    parts = [_draw_box(item, numbers[item.label]) for item in objects[:most]]
    if len(objects) <= html_page.MOST_LABELS:
        size = header.width, header.height
        words = [((item.box.xmin, item.box.ymin), item.label) for item in objects]
        attributes = [_name_class(numbers[item.label]) for item in objects]
        parts.append(html_page.draw_labels(words, size, attributes=attributes))
    return "".join(parts)


def _draw_box(item: ObjectAnnotation, number: int) -> str:
    box = item.box
    corners = box.xmin, box.ymin, box.xmax, box.ymax
    return html_page.draw_box(corners, choose_class_colour(number), item.label, attributes=_name_class(number))


def _name_class(number: int) -> str:
    return f' data-class="{number}"'
