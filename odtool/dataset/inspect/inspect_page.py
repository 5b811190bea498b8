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
from odtool.visual.box_drawing import choose_class_colour
from odtool.visual.html_page import escape_text

_MOST_BOXES = 300
"""Boxes drawn on one picture."""
_MOST_CLASSES = 1000


def render(inspection: Inspection) -> str:
    """The whole page. Pictures are read and scaled one after the other."""
    title = ", ".join(source.path.name or str(source.path) for source in inspection.sources)
    body = [
        _render_head(inspection, title),
        _render_tiles(inspection),
        _render_problems(inspection),
        _render_plots(inspection.figures),
        _render_samples(inspection),
    ]
    return html_page.render(title, "odtool inspect", body, foot="Boxes are drawn as they would be written to records.")


def _render_head(inspection: Inspection, title: str) -> str:
    lines = "".join(
        f'<p class="soft">{escape_text(f"{source.path}: {choice.reader.title}, as {choice.evidence}")}</p>'
        for source, formats in zip(inspection.sources, inspection.choices, strict=True)
        for choice in formats
    )
    return f"<header><h1>{escape_text(title)}</h1>{lines}</header>\n"


def _render_tiles(inspection: Inspection) -> str:
    figures = inspection.figures
    wrong = sum(problem.count for problem in inspection.problems if problem.check.level != "info")
    tiles = {
        "images": f"{figures.images:,}",
        "objects": f"{figures.objects:,}",
        "classes": f"{len(figures.classes):,}",
        "objects per image": f"{figures.objects / max(figures.images, 1):.1f}",
        "without objects": f"{figures.without_objects:,}",
        "errors and warnings": f"{wrong:,}",
    }
    return html_page.render_tiles(tiles)


def _render_problems(inspection: Inspection) -> str:
    if not inspection.problems:
        return '<h2>Problems</h2>\n<p class="soft">No problems found.</p>\n'
    return "<h2>Problems</h2>\n" + "".join(map(_render_problem, inspection.problems))


def _render_problem(problem: ProblemKind) -> str:
    examples = "".join(
        f"<li>{escape_text(item.detail)}<code>{escape_text(item.file)}</code></li>" for item in problem.examples
    )
    hidden_count = problem.count - len(problem.examples)
    if hidden_count:
        examples += f'<li class="soft">and {hidden_count:,} more</li>'
    return (
        f"<details><summary>{html_page.render_pill(problem.check.level, problem.check.level)}"
        f'<span class="kind">{_render_kind(problem.kind)}</span>'
        f'<span class="soft">{escape_text(problem.check.action)}</span>'
        f'<span class="number">{problem.count:,}</span></summary><ul>{examples}</ul></details>\n'
    )


def _render_kind(kind: str) -> str:
    return escape_text(kind.replace("_", " "))


def _render_plots(figures: Figures) -> str:
    cards = {
        "Objects in an image": histograms.draw_columns(figures.objects_per_image.bins, "objects"),
        "Box sizes": histograms.draw_columns(figures.box_sides.bins, "square root of the area, pixels (from)"),
        "Box sizes in their image": histograms.draw_columns(
            figures.box_shares.bins, "share of the image's side (from)"
        ),
        "Aspect ratios of boxes": histograms.draw_columns(figures.aspect_ratios.bins, "width to height"),
        "Widths and heights of boxes": histograms.draw_heat_map(
            figures.box_map, "width, share of the image's", "height, share of the image's"
        ),
        "Image sizes": histograms.draw_bubbles(figures.image_sizes, "width, pixels", "height, pixels"),
    }
    plots = "".join(f'<section class="card"><h3>{name}</h3>{plot}</section>\n' for name, plot in cards.items())
    classes = f'<section class="card wide">{_render_classes(figures.classes, list(figures.splits))}</section>\n'
    return f'<h2>Classes</h2>\n{classes}<h2>Boxes and images</h2>\n<div class="plots">{plots}</div>\n'


def _render_classes(classes: tuple[ClassFigures, ...], splits: list[str]) -> str:
    maximum = classes[0].objects if classes else 1
    head = "".join(f'<th class="right">{escape_text(name)}</th>' for name in ("objects", "share", "images", *splits))
    rows = "".join(
        f'<tr><td>{escape_text(item.name)}</td><td class="right">{item.objects:,}</td>'
        f'<td class="right">{item.share:.1%}</td><td class="right">{item.images:,}</td>'
        + "".join(f'<td class="right">{item.splits.get(split, 0):,}</td>' for split in splits)
        + f'<td class="meter"><div style="width:{100 * item.objects / maximum:.1f}%"></div></td></tr>'
        for item in classes[:_MOST_CLASSES]
    )
    hidden_count = len(classes) - _MOST_CLASSES
    footnote = f'<p class="soft">and {hidden_count:,} more classes</p>' if hidden_count > 0 else ""
    return f'<div class="scroll"><table><tr><th>class</th>{head}<th></th></tr>{rows}</table>{footnote}</div>'


def _render_samples(inspection: Inspection) -> str:
    if not inspection.samples:
        return ""
    names = sorted(item.name for item in inspection.figures.classes)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    samples = "".join(_render_sample(sample, numbers) for sample in inspection.samples)
    selection = f"{len(inspection.samples)} images, those with problems first, the others chosen at random."
    return f'<h2>Images</h2>\n<p class="soft">{selection}</p>\n<div class="shots">{samples}</div>\n'


def _render_sample(sample: Sample, numbers: Mapping[str, int]) -> str:
    image, header = sample.checked.image, sample.checked.header
    size = header.width, header.height
    pills = "".join(html_page.render_pill(CATALOGUE[kind].level, _render_kind(kind)) for kind in sample.kinds)
    count = len(image.objects)
    try:
        picture = html_page.overlay(_encode_picture(sample), size, _draw_boxes(sample, numbers))
    except (ImageError, OSError) as error:
        detail = error.detail if isinstance(error, ImageError) else str(error)
        picture = f'<div class="broken">cannot be shown: {escape_text(detail)}</div>'
    caption = f"{header.width} &times; {header.height}, {count:,} object{'' if count == 1 else 's'}"
    return html_page.render_figure(size, picture, f"<b>{escape_text(image.name)}</b>{caption}<div>{pills}</div>")


def _encode_picture(sample: Sample) -> str:
    """The image as TensorFlow would see it."""
    checked = sample.checked
    data = image_file.read_bytes(checked.image.path, checked.image.extent)
    return html_page.encode_picture(repair.decode_pixels(data, checked.header, fixed=checked.fixed))


def _draw_boxes(sample: Sample, numbers: Mapping[str, int]) -> str:
    header, objects = sample.checked.header, sample.checked.image.objects
    parts = [_draw_box(item, numbers.get(item.label, 1)) for item in objects[:_MOST_BOXES]]
    if len(objects) <= html_page.MOST_LABELS:
        size = header.width, header.height
        parts.append(html_page.draw_labels([((item.box.xmin, item.box.ymin), item.label) for item in objects], size))
    return "".join(parts)


def _draw_box(item: ObjectAnnotation, number: int) -> str:
    box = item.box
    return html_page.draw_box((box.xmin, box.ymin, box.xmax, box.ymax), choose_class_colour(number), item.label)
