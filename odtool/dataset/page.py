"""The page of inspect: figures, plots, problems and pictures with their boxes, in one HTML file without scripts."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from odtool import __version__
from odtool.dataset import image_file, plots, repair
from odtool.dataset.checks import CATALOGUE
from odtool.dataset.drawing import class_colour
from odtool.dataset.figures import ClassFigures, Figures
from odtool.dataset.image_file import ImageError
from odtool.dataset.inspection import Inspection, ProblemKind, Sample
from odtool.dataset.types import ObjectAnnotation

_SIDE = 360
"""Pixels of a picture's longer side."""
_PICTURE_BYTES = 40_000
"""A picture is compressed until it is no larger, or as small as it gets."""
_QUALITIES = (82, 65, 45, 25)
_MOST_BOXES = 300
"""Boxes drawn on one picture."""
_MOST_LABELS = 12
"""With more objects than this, labels would hide the picture; they are shown under the pointer then."""
_MOST_CLASSES = 1000
_ROW = 210
"""Height in pixels that the pictures of a row have about."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, whatever a file or class is called."""


def render(found: Inspection) -> str:
    """The whole page. Pictures are read and scaled one after the other."""
    names = [source.path.name or str(source.path) for source in found.sources]
    title = _text(", ".join(names))
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    body = [_head(found, title), _tiles(found), _problems(found), _plots(found.figures), _shots(found)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}: odtool inspect</title>\n<style>\n{style}</style>\n'
        f"</head>\n<body>\n{''.join(body)}"
        f'<footer class="soft">Made by odtool {escape(__version__)}. Boxes are drawn as they would be written to '
        "records.</footer>\n</body>\n</html>\n"
    )


def _text(text: object) -> str:
    """Escaped for HTML; file names that are not UTF-8 are shown with backslashes."""
    return escape(str(text).encode("utf-8", "backslashreplace").decode("utf-8"))


def _head(found: Inspection, title: str) -> str:
    lines = "".join(
        f'<p class="soft">{_text(source.path)}: {_text(choice.reader.title)}, as {_text(choice.evidence)}</p>'
        for source, choice in zip(found.sources, found.choices, strict=True)
    )
    return f"<header><h1>{title}</h1>{lines}</header>\n"


def _tiles(found: Inspection) -> str:
    figures = found.figures
    wrong = sum(problem.count for problem in found.problems if problem.check.level != "info")
    tiles = {
        "images": f"{figures.images:,}",
        "objects": f"{figures.objects:,}",
        "classes": f"{len(figures.classes):,}",
        "objects an image": f"{figures.objects / max(figures.images, 1):.1f}",
        "without objects": f"{figures.without_objects:,}",
        "errors and warnings": f"{wrong:,}",
    }
    items = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for name, value in tiles.items())
    return f'<ul class="tiles">{items}</ul>\n'


def _problems(found: Inspection) -> str:
    if not found.problems:
        return '<h2>Problems</h2>\n<p class="soft">None was found.</p>\n'
    return "<h2>Problems</h2>\n" + "".join(map(_problem, found.problems))


def _problem(problem: ProblemKind) -> str:
    first = "".join(f"<li>{_text(item.detail)}<code>{_text(item.file)}</code></li>" for item in problem.examples)
    more = problem.count - len(problem.examples)
    if more:
        first += f'<li class="soft">and {more:,} more</li>'
    return (
        f"<details><summary>{_pill(problem.check.level, problem.check.level)}"
        f'<span class="kind">{_kind(problem.kind)}</span><span class="soft">{_text(problem.check.action)}</span>'
        f'<span class="number">{problem.count:,}</span></summary><ul>{first}</ul></details>\n'
    )


def _pill(level: str, text: str) -> str:
    return f'<span class="pill {level}">{text}</span>'


def _kind(kind: str) -> str:
    return _text(kind.replace("_", " "))


def _plots(figures: Figures) -> str:
    cards = {
        "Objects in an image": plots.columns(figures.objects_per_image.bins, "objects"),
        "Box sizes": plots.columns(figures.box_sides.bins, "square root of the area, pixels (from)"),
        "Box sizes in their image": plots.columns(figures.box_shares.bins, "share of the image's side (from)"),
        "Aspect ratios of boxes": plots.columns(figures.aspect_ratios.bins, "width to height"),
        "Widths and heights of boxes": plots.heat_map(
            figures.box_map, "width, share of the image's", "height, share of the image's"
        ),
        "Image sizes": plots.bubbles(figures.image_sizes, "width, pixels", "height, pixels"),
    }
    made = "".join(f'<section class="card"><h3>{name}</h3>{plot}</section>\n' for name, plot in cards.items())
    classes = f'<section class="card wide">{_classes(figures.classes, list(figures.splits))}</section>\n'
    return f'<h2>Classes</h2>\n{classes}<h2>Boxes and images</h2>\n<div class="plots">{made}</div>\n'


def _classes(classes: tuple[ClassFigures, ...], splits: list[str]) -> str:
    most = classes[0].objects if classes else 1
    head = "".join(f'<th class="right">{_text(name)}</th>' for name in ("objects", "share", "images", *splits))
    rows = "".join(
        f'<tr><td>{_text(item.name)}</td><td class="right">{item.objects:,}</td><td class="right">{item.share:.1%}</td>'
        f'<td class="right">{item.images:,}</td>'
        + "".join(f'<td class="right">{item.splits.get(split, 0):,}</td>' for split in splits)
        + f'<td class="meter"><div style="width:{100 * item.objects / most:.1f}%"></div></td></tr>'
        for item in classes[:_MOST_CLASSES]
    )
    more = len(classes) - _MOST_CLASSES
    rest = f'<p class="soft">and {more:,} classes more</p>' if more > 0 else ""
    return f'<div class="scroll"><table><tr><th>class</th>{head}<th></th></tr>{rows}</table>{rest}</div>'


def _shots(found: Inspection) -> str:
    if not found.samples:
        return ""
    names = sorted(item.name for item in found.figures.classes)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    made = "".join(_shot(sample, numbers) for sample in found.samples)
    said = "those with problems first, the others chosen at random"
    return (
        f'<h2>Images</h2>\n<p class="soft">{len(found.samples)} images, {said}.</p>\n<div class="shots">{made}</div>\n'
    )


def _shot(sample: Sample, numbers: Mapping[str, int]) -> str:
    image, header = sample.checked.image, sample.checked.header
    ratio = min(max(header.width / header.height, 0.6), 2.4)
    pills = "".join(_pill(CATALOGUE[kind].level, _kind(kind)) for kind in sample.kinds)
    count = len(image.objects)
    try:
        picture = f'<img src="{_picture(sample)}" width="{header.width}" height="{header.height}" alt="">'
        shown = f'<div class="shot">{picture}{_boxes(sample, numbers)}</div>'
    except (ImageError, OSError) as error:
        detail = error.detail if isinstance(error, ImageError) else str(error)
        shown = f'<div class="broken">cannot be shown: {_text(detail)}</div>'
    return (
        f'<figure style="flex:{ratio:.2f} 1 {ratio * _ROW:.0f}px">{shown}<figcaption><b>{_text(image.name)}</b>'
        f"{header.width} &times; {header.height}, {count:,} object{'' if count == 1 else 's'}<div>{pills}</div>"
        "</figcaption></figure>\n"
    )


def _picture(sample: Sample) -> str:
    """A data URI of the image scaled down, as TensorFlow would see it."""
    checked = sample.checked
    data = image_file.read_bytes(checked.image.path, checked.image.extent)
    image = repair.pixels(data, checked.header, fixed=checked.fixed)
    image.thumbnail((_SIDE, _SIDE))
    image.info.clear()
    stream = io.BytesIO()
    for quality in _QUALITIES:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if stream.tell() <= _PICTURE_BYTES:
            break
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _boxes(sample: Sample, numbers: Mapping[str, int]) -> str:
    """The boxes as lines over the picture, which stay sharp at any size."""
    header, objects = sample.checked.header, sample.checked.image.objects
    parts = "".join(_box(item, numbers.get(item.label, 1)) for item in objects[:_MOST_BOXES])
    if len(objects) <= _MOST_LABELS:
        parts += "".join(_labels(sample))
    return f'<svg viewBox="0 0 {header.width} {header.height}" preserveAspectRatio="none">{parts}</svg>'


def _box(item: ObjectAnnotation, number: int) -> str:
    box = item.box
    return (
        f'<rect x="{box.xmin:.1f}" y="{box.ymin:.1f}" width="{box.xmax - box.xmin:.1f}" '
        f'height="{box.ymax - box.ymin:.1f}" stroke="{class_colour(number)}"><title>{_text(item.label)}</title></rect>'
    )


def _labels(sample: Sample) -> Iterator[str]:
    header = sample.checked.header
    # In pixels of the image, of which some two hundred and ten of the page's show the height.
    size = 13 * max(header.height / _ROW, header.width / (2.4 * _ROW))
    for item in sample.checked.image.objects:
        x = min(max(item.box.xmin, 0) + size * 0.25, header.width - size)
        y = item.box.ymin + size * 1.05 if item.box.ymin < size * 1.3 else item.box.ymin - size * 0.35
        yield (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" stroke="#000" stroke-width="{size * 0.22:.1f}">'
            f"{_text(item.label)}</text>"
        )
