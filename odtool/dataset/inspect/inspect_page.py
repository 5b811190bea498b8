"""The page of inspect: figures, plots, problems and pictures with their boxes, in one HTML file without scripts."""

from __future__ import annotations

from collections.abc import Mapping

from odtool.dataset.images import image_file, repair
from odtool.dataset.images.image_file import ImageError
from odtool.dataset.inspect.box_statistics import ClassFigures, Figures
from odtool.dataset.inspect.inspection import Inspection, ProblemKind, Sample
from odtool.dataset.survey.image_checks import CATALOGUE
from odtool.dataset.types import ObjectAnnotation
from odtool.visual import histograms, html_page
from odtool.visual.box_drawing import class_colour
from odtool.visual.html_page import text

_MOST_BOXES = 300
"""Boxes drawn on one picture."""
_MOST_CLASSES = 1000


def render(found: Inspection) -> str:
    """The whole page. Pictures are read and scaled one after the other."""
    title = ", ".join(source.path.name or str(source.path) for source in found.sources)
    body = [_head(found, title), _tiles(found), _problems(found), _plots(found.figures), _shots(found)]
    return html_page.render(title, "odtool inspect", body, foot="Boxes are drawn as they would be written to records.")


def _head(found: Inspection, title: str) -> str:
    lines = "".join(
        f'<p class="soft">{text(source.path)}: {text(choice.reader.title)}, as {text(choice.evidence)}</p>'
        for source, choice in zip(found.sources, found.choices, strict=True)
    )
    return f"<header><h1>{text(title)}</h1>{lines}</header>\n"


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
    return html_page.tiles(tiles)


def _problems(found: Inspection) -> str:
    if not found.problems:
        return '<h2>Problems</h2>\n<p class="soft">None was found.</p>\n'
    return "<h2>Problems</h2>\n" + "".join(map(_problem, found.problems))


def _problem(problem: ProblemKind) -> str:
    first = "".join(f"<li>{text(item.detail)}<code>{text(item.file)}</code></li>" for item in problem.examples)
    more = problem.count - len(problem.examples)
    if more:
        first += f'<li class="soft">and {more:,} more</li>'
    return (
        f"<details><summary>{html_page.pill(problem.check.level, problem.check.level)}"
        f'<span class="kind">{_kind(problem.kind)}</span><span class="soft">{text(problem.check.action)}</span>'
        f'<span class="number">{problem.count:,}</span></summary><ul>{first}</ul></details>\n'
    )


def _kind(kind: str) -> str:
    return text(kind.replace("_", " "))


def _plots(figures: Figures) -> str:
    cards = {
        "Objects in an image": histograms.columns(figures.objects_per_image.bins, "objects"),
        "Box sizes": histograms.columns(figures.box_sides.bins, "square root of the area, pixels (from)"),
        "Box sizes in their image": histograms.columns(figures.box_shares.bins, "share of the image's side (from)"),
        "Aspect ratios of boxes": histograms.columns(figures.aspect_ratios.bins, "width to height"),
        "Widths and heights of boxes": histograms.heat_map(
            figures.box_map, "width, share of the image's", "height, share of the image's"
        ),
        "Image sizes": histograms.bubbles(figures.image_sizes, "width, pixels", "height, pixels"),
    }
    made = "".join(f'<section class="card"><h3>{name}</h3>{plot}</section>\n' for name, plot in cards.items())
    classes = f'<section class="card wide">{_classes(figures.classes, list(figures.splits))}</section>\n'
    return f'<h2>Classes</h2>\n{classes}<h2>Boxes and images</h2>\n<div class="plots">{made}</div>\n'


def _classes(classes: tuple[ClassFigures, ...], splits: list[str]) -> str:
    most = classes[0].objects if classes else 1
    head = "".join(f'<th class="right">{text(name)}</th>' for name in ("objects", "share", "images", *splits))
    rows = "".join(
        f'<tr><td>{text(item.name)}</td><td class="right">{item.objects:,}</td><td class="right">{item.share:.1%}</td>'
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
    size = header.width, header.height
    pills = "".join(html_page.pill(CATALOGUE[kind].level, _kind(kind)) for kind in sample.kinds)
    count = len(image.objects)
    try:
        shown = html_page.overlaid(_picture(sample), size, _boxes(sample, numbers))
    except (ImageError, OSError) as error:
        detail = error.detail if isinstance(error, ImageError) else str(error)
        shown = f'<div class="broken">cannot be shown: {text(detail)}</div>'
    said = f"{header.width} &times; {header.height}, {count:,} object{'' if count == 1 else 's'}"
    return html_page.figure(size, shown, f"<b>{text(image.name)}</b>{said}<div>{pills}</div>")


def _picture(sample: Sample) -> str:
    """The image as TensorFlow would see it."""
    checked = sample.checked
    data = image_file.read_bytes(checked.image.path, checked.image.extent)
    return html_page.picture(repair.pixels(data, checked.header, fixed=checked.fixed))


def _boxes(sample: Sample, numbers: Mapping[str, int]) -> str:
    header, objects = sample.checked.header, sample.checked.image.objects
    parts = [_box(item, numbers.get(item.label, 1)) for item in objects[:_MOST_BOXES]]
    if len(objects) <= html_page.MOST_LABELS:
        size = header.width, header.height
        parts.append(html_page.labels([((item.box.xmin, item.box.ymin), item.label) for item in objects], size))
    return "".join(parts)


def _box(item: ObjectAnnotation, number: int) -> str:
    box = item.box
    return html_page.box((box.xmin, box.ymin, box.xmax, box.ymax), class_colour(number), item.label)
