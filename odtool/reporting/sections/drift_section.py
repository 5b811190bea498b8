"""The part of the report that puts the evaluation set beside the training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odtool.reporting.drift import COUNT_BINS, RATIO_BINS, SIDE_BINS, SIZE_BINS, Drift, SetFigures
from odtool.reporting.tables import render_card, render_note, render_plots, render_table
from odtool.visual import charts, histograms
from odtool.visual.html_page import escape_text

_NAMES = ("training", "evaluation")


def render(drift: Drift | None, absence: str) -> str:
    """All of the section.

    Args:
        absence: why there is nothing to compare.
    """
    heading = "<h2>Training and evaluation set side by side</h2>\n"
    if drift is None:
        return f"{heading}{render_note(f'They cannot be compared: {absence}')}"
    sets = zip(_NAMES, (drift.training, drift.evaluation), strict=True)
    caption = "; ".join(f"{name}: {_describe(figures)}" for name, figures in sets)
    differences = drift.find_differences()
    words = "".join(f"<li>{escape_text(line[0].upper() + line[1:])}.</li>" for line in differences)
    verdict = f'<ul class="findings">{words}</ul>\n' if words else render_note("They are alike in what is compared.")
    return f"{heading}{render_note(caption)}{verdict}{_render_plots(drift)}{render_card(_render_classes(drift))}"


def _describe(figures: SetFigures) -> str:
    sample = "" if figures.is_complete else ", of the first records of each file"
    return f"{figures.images:,} images with {figures.objects:,} objects{sample}"


def _render_plots(drift: Drift) -> str:
    one, other = drift.training, drift.evaluation
    plots = {
        "Size of objects": _draw(one.sizes, other.sizes, SIZE_BINS, "root of the box's share of the image, up to"),
        "Objects in an image": _draw(one.counts, other.counts, COUNT_BINS, "objects"),
        "Size of images": _draw(one.sides, other.sides, SIDE_BINS, "longer side in pixels, up to"),
        "Shape of images": _draw(one.ratios, other.ratios, RATIO_BINS, "width divided by height"),
    }
    return render_plots(plots)


def _draw(one: Mapping[str, int], other: Mapping[str, int], bins: Sequence[str], axis: str) -> str:
    totals = sum(one.values()), sum(other.values())
    pairs = {name: (one.get(name, 0) / max(totals[0], 1), other.get(name, 0) / max(totals[1], 1)) for name in bins}
    return histograms.draw_pairs(pairs, axis, _NAMES) + charts.draw_legend(_NAMES)


def _render_classes(drift: Drift) -> str:
    one, other = drift.training, drift.evaluation
    rows = []
    for label in dict.fromkeys([*one.classes, *other.classes]):
        shares = one.classes[label] / max(one.objects, 1), other.classes[label] / max(other.objects, 1)
        counts = f"{one.classes[label]:,}", f"{other.classes[label]:,}"
        rows.append(
            [label, *counts, *(f"{100 * share:.1f}" for share in shares), f"{100 * (shares[1] - shares[0]):+.1f}"]
        )
    columns = ["class", "in training", "in evaluation", "% of training", "% of evaluation", "difference"]
    return render_table(columns, rows, "numbers", identity="drift", search="search classes")
