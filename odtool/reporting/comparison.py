"""The report of several runs side by side as one HTML file without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from odtool.detection.metric_names import AR_100, MAP, MAP_50
from odtool.durations import format_duration
from odtool.reporting import mistakes, report_page, settings_diff
from odtool.reporting.accuracy_section import FIGURES
from odtool.reporting.course_section import present, versions
from odtool.reporting.figures import RunReport, comparable
from odtool.reporting.history import TOTAL, History
from odtool.reporting.tables import NOTHING, card, plots, score, scrolling, soft, table
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
    body = [_head(title, reports), *_notes(reports), _figures(reports), _curves(reports), _classes(reports)]
    body += [_between(reports), versions(reports[0].versions)]
    return html_page.render(title, "odtool report", body, foot=report_page.FOOT, style=report_page.style())


def _head(title: str, reports: Sequence[RunReport]) -> str:
    said = "".join(
        f'<p class="soft">{escape_text(report.run.path)}: {escape_text(_examined(report))}</p>' for report in reports
    )
    return f"<header><h1>{escape_text(title)}</h1>{said}</header>\n"


def _examined(report: RunReport) -> str:
    model = report.settings.model or report.settings.architecture
    if report.analysis is None:
        return f"{model}, not examined: {report.absence}"
    found = report.analysis.examination
    return f"{model}, {found.checkpoint} on {len(found.images):,} images"


def _notes(reports: Sequence[RunReport]) -> list[str]:
    made = []
    if not comparable(reports):
        made.append(
            report_page.note("warning", "The runs were examined on different images: their figures do not compare.")
        )
    for report in reports:
        state = report.states["train"]
        if not state.startswith(("finished", "none")):
            made.append(report_page.note("info", f"{report.run.name}: training {state}"))
    return made


def _figures(reports: Sequence[RunReport]) -> str:
    """Every figure by run; the best of a row is marked where there is one."""
    rows = []
    for name, label in FIGURES.items():
        values = [getattr(report.analysis.accuracy.figures, name) if report.analysis else None for report in reports]
        rows.append(_row(_named(label), [score(value) for value in values], values, max))
    for kind in mistakes.MISTAKES:
        counts = [report.analysis.mistakes[kind] if report.analysis else None for report in reports]
        rows.append(_row(f"mistakes: {kind}", [_count(value) for value in counts], counts, min))
    past = [report.history for report in reports]
    plain = {
        "steps": [_count(each.step) for each in past],
        "images a step": [_count(each.batch_size) for each in past],
        "steps a second": [f"{each.steps_per_second:.3g}" if each.steps_per_second else NOTHING for each in past],
        "time in training": [format_duration(each.training_seconds) for each in past],
        "restarts": [_count(each.restarts) for each in past],
    }
    rows += [_row(label, values) for label, values in plain.items()]
    return f"<h2>Figures</h2>\n{card(_table(reports, 'figure', rows))}"


def _named(label: str) -> str:
    """The mean over classes: mAP where a class's is AP."""
    return label.replace("AP", "mAP", 1) if "A" in label else f"mAP {label}"


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _row(
    label: str,
    shown: Sequence[str],
    values: Sequence[float | None] = (),
    best: Callable[[list[float]], float] | None = None,
) -> str:
    """A table's row; the best values are marked where they differ."""
    there = [value for value in values if value is not None]
    top = best(there) if best and len(set(there)) > 1 else None
    cells = "".join(
        f'<td class="best">{escape_text(cell)}</td>'
        if top is not None and values[index] == top
        else f"<td>{escape_text(cell)}</td>"
        for index, cell in enumerate(shown)
    )
    return f"<tr><td>{escape_text(label)}</td>{cells}</tr>"


def _table(reports: Sequence[RunReport], corner: str, rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape_text(report.run.name)}</th>" for report in reports)
    return scrolling(
        f'<table class="numbers"><tr><th>{corner}</th>{head}</tr>{"".join(rows)}</table>',
        len(rows),
    )


def _curves(reports: Sequence[RunReport]) -> str:
    cards = {}
    for heading, (down, choose) in _CURVES.items():
        series = present({report.run.name: choose(report.history) for report in reports})
        cards[heading] = charts.draw_curves(series, down, logarithmic=down == "loss")
    return f"<h2>Curves</h2>\n{plots(cards)}"


def _classes(reports: Sequence[RunReport]) -> str:
    by_run = [_ap_by_class(report) for report in reports]
    names = list(dict.fromkeys(name for one in by_run for name in one))
    if not names:
        return ""
    rows = []
    for name in names[:_MOST_CLASSES]:
        values = [one.get(name) for one in by_run]
        rows.append(_row(name, [score(value) for value in values], values, max))
    more = len(names) - _MOST_CLASSES
    rest = soft(f"and {more:,} classes more") if more > 0 else ""
    return f"<h2>AP by class</h2>\n{card(_table(reports, 'class', rows) + rest)}"


def _ap_by_class(report: RunReport) -> dict[str, float | None]:
    if report.analysis is None:
        return {}
    labels, by_class = report.analysis.examination.labels, report.analysis.accuracy.by_class
    return {label: by_class[number].figures.ap for number, label in labels.items()}


def _between(reports: Sequence[RunReport]) -> str:
    found = settings_diff.between([report.run for report in reports])
    if not found:
        return f"<h2>Settings</h2>\n{soft('They are the same in all runs.')}"
    rows = [(field, *(value or "not set" for value in values)) for field, values in found.items()]
    made = table(["setting", *(report.run.name for report in reports)], rows, "fields")
    return f"<h2>Settings that differ</h2>\n{card(made)}"
