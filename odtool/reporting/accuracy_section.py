"""The part of the report on accuracy: by class and size, at thresholds, mistakes, confusions and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from odtool.detection.accuracy import ClassAccuracy, CocoFigures
from odtool.reporting import mistakes
from odtool.reporting.confusion import BACKGROUND, Counting
from odtool.reporting.figures import Analysis
from odtool.reporting.score_thresholds import FALLBACK, OperatingPoint
from odtool.reporting.tables import card, difference, score, scrolling, soft, table
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
MEANINGS = {
    "missed": "an object that no detection is of",
    "wrong class": "a detection on an object (IoU .5 or more) of another class",
    "badly placed": "a detection of the right class that overlaps its object by IoU .1 to .5 only",
    "duplicate": "a second detection of an object that a surer one has found",
    "background": "a detection where nothing is",
}
_OPEN_CLASSES = 6
"""Classes whose plots are shown at once; those of the others are folded away."""
_MOST_IN_MATRIX = 24
_MOST_CONFUSIONS = 30
_RULES = (
    "AP and AR are COCO's: precision at 101 recalls, mean over IoU .5, .55 to .95; at most 100 detections of a class "
    "in an image; what lies on a crowd counts neither way. Small objects are below 32², large ones above 96² pixels.",
    "A class's threshold is the score at which F1, the harmonic mean of precision and recall, is highest at IoU .5. "
    f"For a class without a correct detection it is {FALLBACK:g}.",
    "At these thresholds, detections are matched with objects of their class, the surest first, at IoU .5. What is "
    "left of both is told apart by the overlaps named beside each kind of mistake.",
    "In the confusion matrix a matched object counts under both classes; a detection of a wrong class counts with the "
    "object it is on, where nothing better is. What is left of objects and detections counts as background.",
    "Objects are counted in each image by the detections that reach the threshold. Images with a crowd of a class are "
    "left out for that class.",
)


def render(found: Analysis) -> str:
    """All of the section."""
    rules = "".join(f"<li>{rule}</li>" for rule in _RULES)
    parts = [
        f"<h2>Accuracy by class</h2>\n{card(_by_class(found))}<h2>Thresholds</h2>\n",
        soft("What the detector does when detections are taken from each class's best score on."),
        card(_at_thresholds(found)),
        _plots(found),
        f"<h2>Mistakes</h2>\n{card(_mistakes(found))}{card(_confusion(found), 'Confusion')}",
        f'<details class="more"><summary><span class="kind">How this is counted</span></summary><ol>{rules}</ol>'
        "</details>\n",
    ]
    return "".join(parts)


def _by_class(found: Analysis) -> str:
    columns = ["class", "objects", "images", *FIGURES.values()]
    rows = [[label, f"{item.objects:,}", f"{item.images:,}", *_row(item.figures)] for label, item in _labelled(found)]
    count = sum(item.objects for item in found.accuracy.by_class.values())
    total = ["all classes", f"{count:,}", f"{len(found.verdicts):,}", *_row(found.accuracy.figures)]
    return table(columns, [total, *rows], "numbers", strong=1)


def _labelled(found: Analysis) -> Iterable[tuple[str, ClassAccuracy]]:
    return ((label, found.accuracy.by_class[number]) for number, label in found.examination.labels.items())


def _row(figures: CocoFigures) -> list[str]:
    return [score(getattr(figures, name)) for name in FIGURES]


def _at_thresholds(found: Analysis) -> str:
    columns = [
        "class", "threshold", "precision", "recall", "F1", "correct", "wrong", "missed", "count error", "too many",
    ]  # fmt: skip
    rows = []
    for number, label in found.examination.labels.items():
        point, counted = found.points[number], found.counting[number]
        rows.append([
            label, point.shown_threshold, score(point.precision), score(point.recall), score(point.f1),
            f"{point.correct:,}", f"{point.wrong:,}", f"{point.missed:,}",
            difference(counted.mean_absolute_error), difference(counted.bias, signed=True),
        ])  # fmt: skip
    said = (
        '<p class="soft">Count error is the mean absolute difference between the detected and the true number of '
        "objects in an image; too many is the mean of detected less true.</p>"
    )
    return table(columns, rows, "numbers") + said


def _plots(found: Analysis) -> str:
    """Precision over recall, and the counts, of each class; those with most objects are in sight."""
    order = sorted(found.examination.labels, key=lambda number: -found.accuracy.by_class[number].objects)
    cards = [
        _card(
            found.examination.labels[number],
            found.accuracy.by_class[number],
            found.points[number],
            found.counting[number],
        )
        for number in order
        if found.accuracy.by_class[number].objects
    ]
    shown = f'<div class="plots">{"".join(cards[:_OPEN_CLASSES])}</div>\n'
    empty = [label for label, item in _labelled(found) if not item.objects]
    if empty:
        shown += f'<p class="soft">Not in the evaluation records: {escape_text(", ".join(empty))}.</p>\n'
    folded = cards[_OPEN_CLASSES:]
    if folded:
        shown += (
            f'<details class="more"><summary><span class="kind">{len(folded)} classes more</span>'
            f'<span class="soft">those with fewer objects</span></summary><div><div class="plots">{"".join(folded)}'
            "</div></div></details>\n"
        )
    return f"<h2>Precision, recall and counts by class</h2>\n{shown}"


def _card(label: str, item: ClassAccuracy, point: OperatingPoint, counted: Counting) -> str:
    told = f"threshold {point.shown_threshold}: precision {score(point.precision)}, recall {score(point.recall)}"
    chosen = (point.recall, point.precision) if point.recall is not None and point.precision is not None else None
    curves = {"IoU .5": item.precision[0].tolist(), "mean of IoU .5 to .95": np.mean(item.precision, axis=0).tolist()}
    facts = {
        "AP": score(item.figures.ap),
        "threshold": point.shown_threshold,
        "F1": score(point.f1),
        "count error": difference(counted.mean_absolute_error),
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return (
        f'<section class="card class"><h3>{escape_text(label)}</h3><dl>{listed}</dl>'
        f"{charts.draw_precision_recall(curves, chosen, told)}{charts.draw_counts(counted.pairs)}</section>\n"
    )


def _mistakes(found: Analysis) -> str:
    counts = found.mistakes
    most = max(counts.values(), default=0) or 1
    rows = "".join(
        f'<tr><td><b>{kind}</b> <span class="soft">{MEANINGS[kind]}</span></td><td class="right">{counts[kind]:,}</td>'
        f'<td class="meter"><div style="width:{100 * counts[kind] / most:.1f}%"></div></td></tr>'
        for kind in mistakes.MISTAKES
    )
    clean = sum(not verdict.mistakes for verdict in found.verdicts)
    said = f'<p class="soft">{clean:,} of {len(found.verdicts):,} images are without a mistake.</p>'
    return f"{said}<table>{rows}</table>"


def _confusion(found: Analysis) -> str:
    labels = {**found.examination.labels, BACKGROUND: "background"}
    used = {number for pair in found.confusion for number in pair}
    numbers = [number for number in labels if number in used or len(labels) <= _MOST_IN_MATRIX]
    wrong = [(pair, count) for pair, count in found.confusion.most_common() if pair[0] != pair[1]]
    if len(numbers) <= _MOST_IN_MATRIX:
        return _matrix(found, [*(number for number in numbers if number), BACKGROUND], labels)
    rows = [
        [labels.get(true, str(true)), labels.get(seen, str(seen)), f"{count:,}"]
        for (true, seen), count in wrong[:_MOST_CONFUSIONS]
    ]
    said = f"{len(numbers) - 1} classes; the {len(rows)} most frequent of {len(wrong):,} confusions:"
    return f'<p class="soft">{said}</p>{table(["there", "detected", "times"], rows, "fields")}'


def _matrix(found: Analysis, numbers: Sequence[int], labels: dict[int, str]) -> str:
    head = "".join(f'<th class="column"><span>{escape_text(labels[number])}</span></th>' for number in numbers)
    body = ""
    for true in numbers:
        total = sum(found.confusion[true, seen] for seen in numbers)
        cells = "".join(_cell(found.confusion[true, seen], total, true == seen) for seen in numbers)
        body += f'<tr><th class="row" title="{escape_text(labels[true])}">{escape_text(labels[true])}</th>{cells}</tr>'
    said = "Rows are what is there, columns what is detected; cells are coloured by their share of the row."
    made = f'<table class="confusion"><tr><th></th>{head}</tr>{body}</table>'
    return soft(said) + scrolling(made, len(numbers))


def _cell(count: int, total: int, same: bool) -> str:
    if not count:
        return "<td></td>"
    kind = "right-one" if same else "wrong-one"
    share = 12 + 68 * count / total
    return f'<td class="cell {kind}" style="--share:{share:.0f}%">{count:,}</td>'
