"""The part of the report on accuracy: by class and size, at thresholds, mistakes, confusions and counts."""

from __future__ import annotations

from collections.abc import Iterable

from odtool.detection.accuracy import CocoFigures
from odtool.reporting import mistakes
from odtool.reporting.figures import MASK_FIGURES, Analysis
from odtool.reporting.image_links import Link, name_kind
from odtool.reporting.score_thresholds import FALLBACK
from odtool.reporting.sections import class_plots, confusion_section
from odtool.reporting.tables import (
    format_difference,
    format_score,
    render_card,
    render_note,
    render_table,
)

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
        class_plots.render_all_classes(analysis),
        class_plots.render_by_class(analysis),
        f"<h2>Mistakes</h2>\n{render_card(_render_mistakes(analysis))}",
        confusion_section.render(analysis),
        f'<details class="more"><summary><span class="kind">How this is counted</span></summary><ol>{rules}</ol>'
        "</details>\n",
    ]
    return "".join(parts)


def _render_classes(analysis: Analysis) -> str:
    masks = analysis.mask_accuracy
    columns = ["class", "objects", "images", *FIGURES.values(), *(MASK_HEADINGS if masks else ())]
    rows: list[list[str | Link]] = [
        [
            Link(label, "classes", str(number)),
            f"{analysis.accuracy.by_class[number].objects:,}",
            f"{analysis.accuracy.by_class[number].images:,}",
            *_render_row(analysis.accuracy.by_class[number].figures),
            *_render_masks(figures),
        ]
        for (number, label), figures in zip(
            analysis.examination.labels.items(), _list_mask_figures(analysis), strict=True
        )
    ]
    count = sum(item.objects for item in analysis.accuracy.by_class.values())
    total = ["all classes", f"{count:,}", f"{len(analysis.verdicts):,}", *_render_row(analysis.accuracy.figures)]
    total += _render_masks(masks.figures if masks else None)
    return render_table(columns, rows, "numbers", total=total, identity="accuracy", search="search classes")


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
    rows: list[list[str | Link]] = []
    for number, label in analysis.examination.labels.items():
        point, counting = analysis.points[number], analysis.counting[number]
        rows.append([
            Link(label, "classes", str(number)),
            point.shown_threshold,
            *(format_score(value) for value in (point.precision, point.recall, point.f1)),
            f"{point.correct:,}", f"{point.wrong:,}", f"{point.missed:,}",
            format_difference(counting.mean_absolute_error), format_difference(counting.bias, signed=True),
        ])  # fmt: skip
    caption = (
        '<p class="soft">Count error is the mean absolute difference between the detected and the true number of '
        "objects in an image; too many is the mean of detected minus true.</p>"
    )
    return render_table(columns, rows, "numbers", identity="thresholds", search="search classes") + caption


def _render_mistakes(analysis: Analysis) -> str:
    counts = analysis.mistakes
    largest = max(counts.values(), default=0) or 1
    rows = "".join(
        f'<tr><td><b>{kind}</b> <span class="soft">{MEANINGS[kind]}</span></td>'
        f'<td class="right">{Link(f"{counts[kind]:,}", "problems", name_kind(kind)).render()}</td>'
        f'<td class="meter"><div style="width:{100 * counts[kind] / largest:.1f}%"></div></td></tr>'
        for kind in mistakes.MISTAKES
    )
    clean = sum(not verdict.mistakes for verdict in analysis.verdicts)
    caption = f'<p class="soft">{clean:,} of {len(analysis.verdicts):,} images have no mistake.</p>'
    return f"{caption}<table>{rows}</table>"
