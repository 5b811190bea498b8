"""The page of inspect: figures, plots, problems and pictures with their boxes, in one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping

from odtool.dataset.inspect import picture_section
from odtool.dataset.inspect.box_statistics import Figures
from odtool.dataset.inspect.inspection import Inspection
from odtool.dataset.inspect.problem_log import ProblemKind
from odtool.visual import histograms, html_page
from odtool.visual.html_page import escape_text

_MOST_CLASSES = 1000


def render(inspection: Inspection) -> str:
    """The whole page. Pictures are read and scaled one after the other."""
    title = ", ".join(source.path.name or str(source.path) for source in inspection.sources)
    names = sorted(item.name for item in inspection.figures.classes)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    body = [
        _render_head(inspection, title),
        _render_tiles(inspection),
        _render_problems(inspection),
        _render_splits(inspection.figures),
        _render_classes(inspection.figures, numbers, inspection.repeat_factors),
        _render_plots(inspection.figures),
        picture_section.render_similar(inspection.similar, numbers),
        picture_section.render_samples(inspection, numbers),
    ]
    foot = "Boxes are drawn as they would be written to records."
    return html_page.render(title, "odtool inspect", body, foot=foot, interactive=True)


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
    levels: dict[str, str] = {problem.check.level: problem.check.level for problem in inspection.problems}
    controls = html_page.render_controls(
        'data-items="problems"',
        [html_page.render_choice("level", "all levels", levels), html_page.render_search("search problems")],
    )
    problems = "".join(map(_render_problem, inspection.problems))
    return f'<h2>Problems</h2>\n{controls}<div id="problems">{problems}</div>\n'


def _render_problem(problem: ProblemKind) -> str:
    examples = "".join(
        f"<li>{escape_text(item.detail)}<code>{escape_text(item.file)}</code></li>" for item in problem.examples
    )
    hidden_count = problem.count - len(problem.examples)
    if hidden_count:
        examples += f'<li class="soft">and {hidden_count:,} more</li>'
    level = problem.check.level
    return (
        f'<details data-item data-level="{level}"><summary>{html_page.render_pill(level, level)}'
        f'<span class="kind">{escape_text(problem.kind.replace("_", " "))}</span>'
        f'<span class="soft">{escape_text(problem.check.action)}</span>'
        f'<button type="button" class="link" data-choose="problems" value="{problem.kind}" disabled>pictures</button>'
        f'<span class="number">{problem.count:,}</span></summary><ul>{examples}</ul></details>\n'
    )


def _render_plots(figures: Figures) -> str:
    cards = {
        "Objects in an image": histograms.draw_columns(figures.objects_per_image.bins, "objects"),
        "Box sizes": histograms.draw_columns(figures.box_sides.bins, "square root of the area, pixels (from)"),
        "Box sizes in their image": histograms.draw_columns(
            figures.box_shares.bins, "share of the image's side (from)"
        ),
        "Aspect ratios of boxes": histograms.draw_columns(figures.aspect_ratios.bins, "width to height"),
        "Widths and heights of boxes": histograms.draw_heat_map(
            figures.box_map, "width, share of the image", "height, share of the image"
        ),
        "Centres of boxes": histograms.draw_heat_map(
            figures.centre_map, "from the image's left", "from its top", from_top=True
        ),
        "Image sizes": histograms.draw_bubbles(figures.image_sizes, "width, pixels", "height, pixels"),
    }
    plots = "".join(f'<section class="card"><h3>{name}</h3>{plot}</section>\n' for name, plot in cards.items())
    return f'<h2>Boxes and images</h2>\n<div class="plots">{plots}</div>\n'


def _render_classes(figures: Figures, numbers: Mapping[str, int], factors: Mapping[str, float] | None) -> str:
    classes, splits = figures.classes, list(figures.splits)
    maximum = classes[0].objects if classes else 1
    columns = {"class": False, "objects": True, "share": True, "images": True}
    columns |= {f"in {split}": True for split in splits}
    if factors is not None:
        columns["repeat factor"] = True
    rows = (
        f'<tr><td><button type="button" class="link" data-choose="classes" value="{numbers[item.name]}" disabled>'
        f"{escape_text(item.name)}</button></td>{_render_number(item.objects)}"
        f'<td class="right" data-value="{item.share:.6f}">{item.share:.1%}</td>{_render_number(item.images)}'
        + "".join(_render_number(item.splits.get(split, 0)) for split in splits)
        + ("" if factors is None else f'<td class="right">{factors.get(item.name, 1):.2f}</td>')
        + f'<td class="meter"><div style="width:{100 * item.objects / maximum:.1f}%"></div></td></tr>'
        for item in classes[:_MOST_CLASSES]
    )
    hidden_count = len(classes) - _MOST_CLASSES
    footnote = f'<p class="soft">and {hidden_count:,} more classes</p>' if hidden_count > 0 else ""
    controls = html_page.render_controls('data-rows="classes"', [html_page.render_search("search classes")])
    table = html_page.render_table("classes", {**columns, "": False}, rows)
    return f'<h2>Classes</h2>\n{controls}<section class="card wide">{table}{footnote}</section>\n'


def _render_number(count: int) -> str:
    return f'<td class="right" data-value="{count}">{count:,}</td>'


def _render_splits(figures: Figures) -> str:
    """What is in each of the data set's own splits; nothing where there is none."""
    if not figures.split_figures:
        return ""
    names = ("split", "images", "without objects", "objects", "per image", "classes", "small", "medium", "large")
    rows = (
        f"<tr><td>{escape_text(name)}</td>{_render_number(part.images)}{_render_number(part.without_objects)}"
        f'{_render_number(part.objects)}<td class="right">{part.objects / max(part.images, 1):.2f}</td>'
        f"{_render_number(part.classes)}"
        + "".join(
            f'<td class="right" data-value="{share:.6f}">{share:.1%}</td>'
            for share in (part.small, part.medium, part.large)
        )
        + "</tr>"
        for name, part in figures.split_figures.items()
    )
    table = html_page.render_table("splits", {name: name != "split" for name in names}, rows)
    note = "Small boxes have less than 32 &times; 32 pixels, large ones 96 &times; 96 or more, as in COCO's evaluation."
    return f'<h2>Splits</h2>\n<section class="card wide">{table}<p class="soft">{note}</p></section>\n'
