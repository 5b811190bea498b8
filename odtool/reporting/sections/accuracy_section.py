"""The part of the report on accuracy: by class and size, at thresholds, mistakes, confusions and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from odtool.detection.accuracy import ClassAccuracy, CocoFigures
from odtool.reporting import mistakes
from odtool.reporting.confusion import BACKGROUND, Counting
from odtool.reporting.figures import MASK_FIGURES, Analysis
from odtool.reporting.score_thresholds import FALLBACK, OperatingPoint
from odtool.reporting.tables import (
    format_difference,
    format_score,
    render_card,
    render_note,
    render_table,
    wrap_scrolling,
)
from odtool.visual import charts
from odtool.visual.html_page import escape_text

FIGURES = {
    "ap": "AP",
    "ap_50": "AP@.5",
    "ap_75": "AP@.75",
    "ap_small": "small",
    "ap_medium": "medium",
    "ap_large": "large",
    "ar_1": "AR@1",
    "ar_10": "AR@10",
    "ar_100": "AR@100",
    "ar_small": "AR small",
    "ar_medium": "AR medium",
    "ar_large": "AR large",
}
"""Headings of COCO's figures."""
MASK_HEADINGS = tuple(f"mask {FIGURES[name]}" for name in MASK_FIGURES)
"""Of the same figures by the overlap of masks."""
MEANINGS = {
    "missed": "an object without a detection",
    "wrong class": "a detection on an object (IoU .5 or more) of another class",
    "badly placed": "a detection of the right class whose IoU with the object is only .1 to .5",
    "duplicate": "a second detection of an object; another one has a higher score",
    "background": "a detection where there is no object",
}
_OPEN_CLASSES = 6
"""Classes whose plots are shown at once; those of the others are folded away."""
_MOST_IN_MATRIX = 24
_MOST_CONFUSIONS = 30
_RULES = (
    "AP and AR are COCO's: precision at 101 recalls, mean over IoU .5, .55 to .95; at most 100 detections of a class "
    "in an image; what lies on a crowd is ignored. Small objects are below 32², large ones above 96² pixels.",
    "A class's threshold is the score at which F1, the harmonic mean of precision and recall, is highest at IoU .5. "
    f"For a class without a correct detection it is {FALLBACK:g}.",
    "At these thresholds, detections are matched with objects of their class, highest score first, at IoU .5. The "
    "unmatched of both are classified by the overlaps given for each kind of mistake.",
    "In the confusion matrix a matched object counts under both classes; a detection of a wrong class counts with the "
    "object it is on, unless that has a correct one. Remaining objects and detections count as background.",
    "Objects are counted in each image by the detections that reach the threshold. Images with a crowd of a class are "
    "left out for that class.",
)


def render(analysis: Analysis) -> str:
    """All of the section."""
    rules = "".join(f"<li>{rule}</li>" for rule in _RULES)
    parts = [
        f"<h2>Accuracy by class</h2>\n{render_card(_render_classes(analysis))}<h2>Thresholds</h2>\n",
        render_note("What the detector does when detections are taken from each class's threshold on."),
        render_card(_render_thresholds(analysis)),
        _render_plots(analysis),
        f"<h2>Mistakes</h2>\n{render_card(_render_mistakes(analysis))}",
        f"{render_card(_render_confusion(analysis), 'Confusion')}",
        f'<details class="more"><summary><span class="kind">How this is counted</span></summary><ol>{rules}</ol>'
        "</details>\n",
    ]
    return "".join(parts)


def _render_classes(analysis: Analysis) -> str:
    masks = analysis.mask_accuracy
    columns = ["class", "objects", "images", *FIGURES.values(), *(MASK_HEADINGS if masks else ())]
    rows = [
        [label, f"{item.objects:,}", f"{item.images:,}", *_render_row(item.figures), *_render_masks(figures)]
        for (label, item), figures in zip(_label_classes(analysis), _list_mask_figures(analysis), strict=True)
    ]
    count = sum(item.objects for item in analysis.accuracy.by_class.values())
    total = ["all classes", f"{count:,}", f"{len(analysis.verdicts):,}", *_render_row(analysis.accuracy.figures)]
    total += _render_masks(masks.figures if masks else None)
    return render_table(columns, [total, *rows], "numbers", strong=1)


def _label_classes(analysis: Analysis) -> Iterable[tuple[str, ClassAccuracy]]:
    return ((label, analysis.accuracy.by_class[number]) for number, label in analysis.examination.labels.items())


def _render_row(figures: CocoFigures) -> list[str]:
    return [format_score(getattr(figures, name)) for name in FIGURES]


def _list_mask_figures(analysis: Analysis) -> Iterable[CocoFigures | None]:
    """Of each class, in order; None where evaluation does not score masks."""
    masks = analysis.mask_accuracy
    return (masks.by_class[number].figures if masks else None for number in analysis.examination.labels)


def _render_masks(figures: CocoFigures | None) -> list[str]:
    return [format_score(getattr(figures, name)) for name in MASK_FIGURES] if figures else []


def _render_thresholds(analysis: Analysis) -> str:
    columns = [
        "class", "threshold", "precision", "recall", "F1", "correct", "wrong", "missed", "count error", "too many",
    ]  # fmt: skip
    rows = []
    for number, label in analysis.examination.labels.items():
        point, counting = analysis.points[number], analysis.counting[number]
        rows.append([
            label,
            point.shown_threshold,
            *(format_score(value) for value in (point.precision, point.recall, point.f1)),
            f"{point.correct:,}", f"{point.wrong:,}", f"{point.missed:,}",
            format_difference(counting.mean_absolute_error), format_difference(counting.bias, signed=True),
        ])  # fmt: skip
    caption = (
        '<p class="soft">Count error is the mean absolute difference between the detected and the true number of '
        "objects in an image; too many is the mean of detected minus true.</p>"
    )
    return render_table(columns, rows, "numbers") + caption


def _render_plots(analysis: Analysis) -> str:
    """Precision over recall, and the counts, of each class; those with most objects are in sight."""
    order = sorted(analysis.examination.labels, key=lambda number: -analysis.accuracy.by_class[number].objects)
    cards = [
        _render_card(
            analysis.examination.labels[number],
            analysis.accuracy.by_class[number],
            analysis.points[number],
            analysis.counting[number],
        )
        for number in order
        if analysis.accuracy.by_class[number].objects
    ]
    html = f'<div class="plots">{"".join(cards[:_OPEN_CLASSES])}</div>\n'
    empty = [label for label, item in _label_classes(analysis) if not item.objects]
    if empty:
        html += f'<p class="soft">Not in the evaluation records: {escape_text(", ".join(empty))}.</p>\n'
    folded = cards[_OPEN_CLASSES:]
    if folded:
        html += (
            f'<details class="more"><summary><span class="kind">{len(folded)} more classes</span>'
            f'<span class="soft">those with fewer objects</span></summary><div><div class="plots">{"".join(folded)}'
            "</div></div></details>\n"
        )
    return f"<h2>Precision, recall and counts by class</h2>\n{html}"


def _render_card(label: str, item: ClassAccuracy, point: OperatingPoint, counting: Counting) -> str:
    caption = (
        f"threshold {point.shown_threshold}: precision {format_score(point.precision)}, "
        f"recall {format_score(point.recall)}"
    )
    mark = (point.recall, point.precision) if point.recall is not None and point.precision is not None else None
    curves = {"IoU .5": item.precision[0].tolist(), "mean of IoU .5 to .95": np.mean(item.precision, axis=0).tolist()}
    facts = {
        "AP": format_score(item.figures.ap),
        "threshold": point.shown_threshold,
        "F1": format_score(point.f1),
        "count error": format_difference(counting.mean_absolute_error),
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return (
        f'<section class="card class"><h3>{escape_text(label)}</h3><dl>{listed}</dl>'
        f"{charts.draw_precision_recall(curves, mark, caption)}{charts.draw_counts(counting.pairs)}</section>\n"
    )


def _render_mistakes(analysis: Analysis) -> str:
    counts = analysis.mistakes
    largest = max(counts.values(), default=0) or 1
    rows = "".join(
        f'<tr><td><b>{kind}</b> <span class="soft">{MEANINGS[kind]}</span></td><td class="right">{counts[kind]:,}</td>'
        f'<td class="meter"><div style="width:{100 * counts[kind] / largest:.1f}%"></div></td></tr>'
        for kind in mistakes.MISTAKES
    )
    clean = sum(not verdict.mistakes for verdict in analysis.verdicts)
    caption = f'<p class="soft">{clean:,} of {len(analysis.verdicts):,} images have no mistake.</p>'
    return f"{caption}<table>{rows}</table>"


def _render_confusion(analysis: Analysis) -> str:
    labels = {**analysis.examination.labels, BACKGROUND: "background"}
    used = {number for pair in analysis.confusion for number in pair}
    numbers = [number for number in labels if number in used or len(labels) <= _MOST_IN_MATRIX]
    wrong = [(pair, count) for pair, count in analysis.confusion.most_common() if pair[0] != pair[1]]
    if len(numbers) <= _MOST_IN_MATRIX:
        return _render_matrix(analysis, [*(number for number in numbers if number), BACKGROUND], labels)
    rows = [
        [labels.get(true, str(true)), labels.get(detected, str(detected)), f"{count:,}"]
        for (true, detected), count in wrong[:_MOST_CONFUSIONS]
    ]
    caption = f"{len(numbers) - 1} classes; the {len(rows)} most frequent of {len(wrong):,} confusions:"
    return f'<p class="soft">{caption}</p>{render_table(["there", "detected", "times"], rows, "fields")}'


def _render_matrix(analysis: Analysis, numbers: Sequence[int], labels: dict[int, str]) -> str:
    head = "".join(f'<th class="column"><span>{escape_text(labels[number])}</span></th>' for number in numbers)
    body = ""
    for true in numbers:
        total = sum(analysis.confusion[true, detected] for detected in numbers)
        cells = "".join(
            _render_cell(analysis.confusion[true, detected], total, true == detected) for detected in numbers
        )
        body += f'<tr><th class="row" title="{escape_text(labels[true])}">{escape_text(labels[true])}</th>{cells}</tr>'
    caption = "Rows are true classes, columns detected ones; cells are coloured by their share of the row."
    html = f'<table class="confusion"><tr><th></th>{head}</tr>{body}</table>'
    return render_note(caption) + wrap_scrolling(html, len(numbers))


def _render_cell(count: int, total: int, same: bool) -> str:
    if not count:
        return "<td></td>"
    kind = "right-one" if same else "wrong-one"
    share = 12 + 68 * count / total
    return f'<td class="cell {kind}" style="--share:{share:.0f}%">{count:,}</td>'
