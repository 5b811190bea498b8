"""The part of the report on which class is taken for which: a matrix with numbered classes, and the most frequent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from odtool.reporting.confusion import BACKGROUND
from odtool.reporting.figures import Analysis
from odtool.reporting.image_links import Link, name_pair
from odtool.reporting.tables import render_card, render_note, render_table, wrap_scrolling
from odtool.visual.html_page import escape_text

_MOST_IN_MATRIX = 40
"""Classes; of more, those that are most often confused are shown."""
_MOST_CONFUSIONS = 60
_BACKGROUND = "background"


def render(analysis: Analysis) -> str:
    """The matrix, and the most frequent confusions as a list."""
    labels = {**analysis.examination.labels, BACKGROUND: _BACKGROUND}
    used = {number for pair in analysis.confusion for number in pair}
    numbers = [number for number in labels if number and (number in used or len(labels) <= _MOST_IN_MATRIX)]
    caption = (
        "Rows are true classes, columns detected ones under the numbers of the rows; cells are coloured by their share "
        "of the row."
    )
    if len(numbers) > _MOST_IN_MATRIX:
        caption += f" Of {len(numbers)} classes the {_MOST_IN_MATRIX} with most confusions are shown."
        numbers = _choose_most_confused(analysis.confusion, numbers)
    matrix = _render_matrix(analysis.confusion, [*numbers, BACKGROUND], labels)
    return render_card(render_note(caption) + matrix, "Confusion") + _render_list(analysis, labels)


def _choose_most_confused(confusion: Mapping[tuple[int, int], int], numbers: Sequence[int]) -> list[int]:
    """In the order in which they stand: those with most objects and detections of a wrong class."""
    errors: Counter[int] = Counter()
    for (true, detected), count in confusion.items():
        if true != detected and true and detected:
            errors[true] += count
            errors[detected] += count
    chosen = sorted(numbers, key=lambda number: -errors[number])[:_MOST_IN_MATRIX]
    return [number for number in numbers if number in chosen]


def list_confusions(confusion: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    """The pairs of true and detected class that the list has, and how often each came about; two classes come first.

    Missed objects and false alarms are more frequent with most detectors, and stand in the table of thresholds as well.
    """
    wrong = [(pair, count) for pair, count in confusion.most_common() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda item: BACKGROUND in item[0])[:_MOST_CONFUSIONS]


def _render_list(analysis: Analysis, labels: Mapping[int, str]) -> str:
    shown = list_confusions(analysis.confusion)
    kinds = sum(true != detected for true, detected in analysis.confusion)
    if not shown:
        return render_card(render_note("Nothing is confused."), "Most frequent confusions")
    totals: Counter[int] = Counter()
    for (true, _), count in analysis.confusion.items():
        totals[true] += count
    rows: list[list[str | Link]] = [
        [
            labels.get(pair[0], str(pair[0])),
            labels.get(pair[1], str(pair[1])),
            Link(f"{count:,}", "pairs", name_pair(pair)),
            f"{100 * count / totals[pair[0]]:.1f}" if pair[0] else "-",
        ]
        for pair, count in shown
    ]
    among = f"{len(rows)} of {kinds:,}, those of two classes first. " if kinds > len(rows) else ""
    meaning = (
        "Below them, an object detected as background was missed, and background that is detected is a false alarm."
    )
    note = render_note(f"{among}{meaning}")
    columns = ["there", "detected", "times", "% of the class"]
    table = render_table(columns, rows, "numbers", identity="confusions", search="search classes", searched=2)
    return render_card(note + table, "Most frequent confusions")


def _render_matrix(confusion: Mapping[tuple[int, int], int], numbers: Sequence[int], labels: Mapping[int, str]) -> str:
    """Columns have the rows' numbers: names set upright could not be told apart where they begin alike."""
    places = {number: str(place) for place, number in enumerate(numbers, start=1)} | {BACKGROUND: "bg"}
    head = "".join(f'<th title="{escape_text(labels[number])}">{places[number]}</th>' for number in numbers)
    body = ""
    for true in numbers:
        total = sum(confusion.get((true, detected), 0) for detected in numbers)
        cells = "".join(
            _render_cell(confusion.get((true, detected), 0), total, (true, detected), labels) for detected in numbers
        )
        name = f'<span class="place">{places[true]}</span> {escape_text(labels[true])}'
        body += f'<tr><th class="row" title="{escape_text(labels[true])}">{name}</th>{cells}</tr>'
    html = f'<table class="confusion"><tr><th class="row">true class</th>{head}</tr>{body}</table>'
    return wrap_scrolling(html, 0)


def _render_cell(count: int, total: int, pair: tuple[int, int], labels: Mapping[int, str]) -> str:
    if not count:
        return "<td></td>"
    kind = "right-one" if pair[0] == pair[1] else "wrong-one"
    share = 12 + 68 * count / total
    title = f"{labels[pair[0]]} detected as {labels[pair[1]]}: {count:,}"
    content = f"{count:,}" if pair[0] == pair[1] else Link(f"{count:,}", "pairs", name_pair(pair)).render()
    return f'<td class="cell {kind}" style="--share:{share:.0f}%" title="{escape_text(title)}">{content}</td>'
