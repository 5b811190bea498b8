"""The report of several runs side by side as one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from odtool import units
from odtool.detection.metric_names import AR_100, MAP, MAP_50
from odtool.reporting import mistakes, report_page, settings_diff
from odtool.reporting.figures import RunReport, are_comparable
from odtool.reporting.history import TOTAL, History
from odtool.reporting.sections.accuracy_section import FIGURES
from odtool.reporting.sections.course_section import drop_empty, render_versions
from odtool.reporting.tables import (
    NOTHING,
    describe_number,
    format_score,
    render_card,
    render_note,
    render_plots,
    render_table,
    wrap_scrolling,
)
from odtool.visual import charts, html_page
from odtool.visual.charts import Curve
from odtool.visual.html_page import escape_text

_MOST_CLASSES = 1000
_CURVES: Mapping[str, tuple[str, Callable[[History], Curve]]] = {
    "Training loss": ("loss", lambda past: past.losses.get(TOTAL, ())),
    "Evaluation loss": ("loss", lambda past: past.evaluation_losses.get(TOTAL, ())),
    "Learning rate": ("learning rate", lambda past: past.learning_rate),
    "mAP@[.5:.95]": ("mAP", lambda past: past.curve(MAP)),
    "mAP@.5": ("mAP", lambda past: past.curve(MAP_50)),
    "AR@100": ("average recall", lambda past: past.curve(AR_100)),
}


def render(reports: Sequence[RunReport]) -> str:
    """The whole page."""
    names = [report.run.name for report in reports]
    title = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} runs"
    body = [
        _render_head(title, reports),
        *_render_notes(reports),
        _render_figures(reports),
        _render_curves(reports),
        _render_classes(reports),
    ]
    body += [_render_differences(reports), render_versions(reports[0].versions)]
    return html_page.render(
        title, "odtool report", body, foot=report_page.FOOT, style=report_page.read_style(), interactive=True
    )


def _render_head(title: str, reports: Sequence[RunReport]) -> str:
    lines = "".join(
        f'<p class="soft">{escape_text(report.run.path)}: {escape_text(_describe_examined(report))}</p>'
        for report in reports
    )
    return f"<header><h1>{escape_text(title)}</h1>{lines}</header>\n"


def _describe_examined(report: RunReport) -> str:
    model = report.settings.model or report.settings.architecture
    if report.analysis is None:
        return f"{model}, not examined: {report.absence}"
    examination = report.analysis.examination
    return f"{model}, {examination.checkpoint} on {len(examination.images):,} images"


def _render_notes(reports: Sequence[RunReport]) -> list[str]:
    notes = []
    if not are_comparable(reports):
        notes.append(
            report_page.render_alert(
                "warning", "The runs were evaluated on different images, so their figures cannot be compared."
            )
        )
    for report in reports:
        state = report.states["train"]
        if not state.startswith(("finished", "none")):
            notes.append(report_page.render_alert("info", f"{report.run.name}: training {state}"))
    return notes


def _render_figures(reports: Sequence[RunReport]) -> str:
    """Every figure by run; the best of a row is marked where there is one."""
    rows = []
    for name, label in FIGURES.items():
        values = [getattr(report.analysis.accuracy.figures, name) if report.analysis else None for report in reports]
        rows.append(_render_row(_name_class(label), [format_score(value) for value in values], values, max))
    for kind in mistakes.MISTAKES:
        counts = [report.analysis.mistakes[kind] if report.analysis else None for report in reports]
        rows.append(_render_row(f"mistakes: {kind}", [_format_count(value) for value in counts], counts, min))
    past = [report.history for report in reports]
    plain = {
        "steps": [_format_count(item.step) for item in past],
        "images per step": [_format_count(item.batch_size) for item in past],
        "steps per second": [f"{item.steps_per_second:.3g}" if item.steps_per_second else NOTHING for item in past],
        "training time": [units.format_duration(item.training_seconds) for item in past],
        "restarts": [_format_count(item.restarts) for item in past],
    }
    rows += [_render_row(label, values) for label, values in plain.items()]
    return f"<h2>Figures</h2>\n{render_card(_render_table(reports, 'figure', rows))}"


def _name_class(label: str) -> str:
    """The mean over classes: mAP where a class's is AP."""
    return label.replace("AP", "mAP", 1) if "A" in label else f"mAP {label}"


def _format_count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _render_row(
    label: str,
    texts: Sequence[str],
    values: Sequence[float | None] = (),
    best: Callable[[list[float]], float] | None = None,
) -> str:
    """A table's row; the best values are marked where they differ."""
    there = [value for value in values if value is not None]
    top = best(there) if best and len(set(there)) > 1 else None
    cells = "".join(
        f'<td class="best"{describe_number(cell)}>{escape_text(cell)}</td>'
        if top is not None and values[index] == top
        else f"<td{describe_number(cell)}>{escape_text(cell)}</td>"
        for index, cell in enumerate(texts)
    )
    return f"<tr><td>{escape_text(label)}</td>{cells}</tr>"


def _render_table(reports: Sequence[RunReport], corner: str, rows: Sequence[str], *, search: str = "") -> str:
    """A table with a column a run; with words to search by, it is sorted by a click on a head and searched."""
    head = "".join(f'<th class="right">{escape_text(report.run.name)}</th>' for report in reports)
    attributes = f'class="numbers{" sortable" if search else ""}" id="{corner}-figures"'
    table = f"<table {attributes}><thead><tr><th>{corner}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    field = [html_page.render_search(search)]
    controls = html_page.render_controls(f'data-rows="{corner}-figures"', field) if search else ""
    return controls + wrap_scrolling(table, len(rows))


def _render_curves(reports: Sequence[RunReport]) -> str:
    cards = {}
    for heading, (down, choose) in _CURVES.items():
        series = drop_empty({report.run.name: choose(report.history) for report in reports})
        cards[heading] = charts.draw_curves(series, down, logarithmic=down == "loss")
    return f"<h2>Curves</h2>\n{render_plots(cards)}"


def _render_classes(reports: Sequence[RunReport]) -> str:
    by_run = [_list_ap_by_class(report) for report in reports]
    names = list(dict.fromkeys(name for accuracies in by_run for name in accuracies))
    if not names:
        return ""
    rows = []
    for name in names[:_MOST_CLASSES]:
        values = [accuracies.get(name) for accuracies in by_run]
        rows.append(_render_row(name, [format_score(value) for value in values], values, max))
    surplus = len(names) - _MOST_CLASSES
    rest = render_note(f"and {surplus:,} classes more") if surplus > 0 else ""
    return f"<h2>AP by class</h2>\n{render_card(_render_table(reports, 'class', rows, search='search classes') + rest)}"


def _list_ap_by_class(report: RunReport) -> dict[str, float | None]:
    if report.analysis is None:
        return {}
    labels, by_class = report.analysis.examination.labels, report.analysis.accuracy.by_class
    return {label: by_class[number].figures.ap for number, label in labels.items()}


def _render_differences(reports: Sequence[RunReport]) -> str:
    differences = settings_diff.compare_runs([report.run for report in reports])
    if not differences:
        return f"<h2>Settings</h2>\n{render_note('They are the same in all runs.')}"
    rows = [(field, *(value or "not set" for value in values)) for field, values in differences.items()]
    html = render_table(["setting", *(report.run.name for report in reports)], rows, "fields")
    return f"<h2>Settings that differ</h2>\n{render_card(html)}"
