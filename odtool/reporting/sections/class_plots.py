"""The part of the report with curves: of all classes together, and a card for each class."""

from __future__ import annotations

import numpy as np

from odtool.detection.accuracy import ClassAccuracy
from odtool.reporting import score_curves
from odtool.reporting.confusion import Counting
from odtool.reporting.figures import Analysis
from odtool.reporting.score_thresholds import OperatingPoint
from odtool.reporting.tables import format_difference, format_score, render_plots
from odtool.visual import charts, html_page
from odtool.visual.charts import Point
from odtool.visual.html_page import escape_text

_OPEN_CLASSES = 6
"""Classes whose plots are shown at once; those of the others are folded away."""
_MEAN = "mean over classes"


def render_all_classes(analysis: Analysis) -> str:
    """Curves of every class in one plot, and of their mean."""
    labels = analysis.examination.labels
    there = {labels[number]: item for number, item in analysis.accuracy.by_class.items() if item.objects}
    if not there:
        return ""
    mean = score_curves.average(analysis.accuracy)
    best = mean.find_best()
    point = Point(*best, f"F1 {best[1]:.3f} at score {best[0]:.2f}") if best else None
    by_recall = {label: item.precision[0].tolist() for label, item in there.items()}
    by_score = {label: score_curves.compute(item).f1 for label, item in there.items()}
    several = len(there) > 1
    if several:
        by_recall[_MEAN] = score_curves.average_precision_by_recall(analysis.accuracy)
        by_score[_MEAN] = mean.f1
    bold = (_MEAN,) if several else ()
    hint = f"Best F1 {best[1]:.3f}, at score {best[0]:.2f}." if best else ""
    plots = {
        "Precision by recall, every class": charts.draw_shares(by_recall, "recall", "precision", bold=bold),
        "F1 by score, every class": charts.draw_shares(by_score, "score", "F1", bold=bold),
        f"Precision, recall and F1 by score{', mean over classes' if several else ''}": charts.draw_shares(
            score_curves.name_curves(mean), "score", "share", point=point
        )
        + f'<p class="soft">{hint}</p>',
    }
    note = '<p class="soft">At IoU .5. A thin line is a class, whose name shows under the pointer.</p>\n'
    return f"<h2>Precision, recall and F1 of all classes</h2>\n{note}{render_plots(plots)}"


def render_by_class(analysis: Analysis) -> str:
    """A card for each class; those with most objects are in sight."""
    labels, by_class = analysis.examination.labels, analysis.accuracy.by_class
    order = sorted(labels, key=lambda number: -by_class[number].objects)
    cards = [
        _render_card(labels[number], by_class[number], analysis.points[number], analysis.counting[number])
        for number in order
        if by_class[number].objects
    ]
    html = f'<div class="plots">{"".join(cards[:_OPEN_CLASSES])}</div>\n'
    folded = cards[_OPEN_CLASSES:]
    if folded:
        html += (
            f'<details class="more"><summary><span class="kind">{len(folded)} more classes</span>'
            f'<span class="soft">those with fewer objects</span></summary><div><div class="plots">{"".join(folded)}'
            "</div></div></details>\n"
        )
        search = html_page.render_search("search classes")
        html = html_page.render_controls('data-items="class-cards"', [search]) + html
    if empty := [label for number, label in labels.items() if not by_class[number].objects]:
        html += f'<p class="soft">Not in the evaluation records: {escape_text(", ".join(empty))}.</p>\n'
    return f'<h2>Precision, recall and counts by class</h2>\n<div id="class-cards">{html}</div>\n'


def _render_card(label: str, item: ClassAccuracy, point: OperatingPoint, counting: Counting) -> str:
    caption = (
        f"threshold {point.shown_threshold}: precision {format_score(point.precision)}, "
        f"recall {format_score(point.recall)}"
    )
    has_place = point.recall is not None and point.precision is not None
    mark = Point(point.recall or 0, point.precision or 0, caption) if has_place else None
    curves = {"IoU .5": item.precision[0].tolist(), "mean of IoU .5 to .95": np.mean(item.precision, axis=0).tolist()}
    best = (
        Point(point.threshold, point.f1, f"threshold {point.shown_threshold}: F1 {point.f1:.3f}") if point.f1 else None
    )
    by_score = score_curves.name_curves(score_curves.compute(item))
    facts = {
        "AP": format_score(item.figures.ap),
        "threshold": point.shown_threshold,
        "F1": format_score(point.f1),
        "count error": format_difference(counting.mean_absolute_error),
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return (
        f'<section class="card class" data-item data-search="{escape_text(label)}"><h3>{escape_text(label)}</h3>'
        f"<dl>{listed}</dl>"
        f"{charts.draw_shares(curves, 'recall', 'precision', point=mark)}"
        f"{charts.draw_shares(by_score, 'score', 'share', point=best)}"
        f"{charts.draw_counts(counting.pairs)}</section>\n"
    )
