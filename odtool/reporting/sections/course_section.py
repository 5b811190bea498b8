"""The parts of the report on how a run was made: curves, settings, data set, course and versions."""

from __future__ import annotations

from collections.abc import Mapping

from odtool import units
from odtool.dataset.statistics import DatasetSummary
from odtool.detection.metric_names import MAP, RECALL
from odtool.reporting.figures import RunReport
from odtool.reporting.history import TOTAL, History
from odtool.reporting.tables import render_card, render_note, render_plots, render_table
from odtool.visual import charts
from odtool.visual.charts import Curve
from odtool.visual.html_page import escape_text

_MOST_SETTINGS = 200
_SIZES = {f" ({size})": size for size in ("small", "medium", "large")}


def collect_curves(past: History) -> str:
    """Losses, learning rate and evaluations over steps."""
    total = {"training": past.losses.get(TOTAL, ()), "evaluation": past.evaluation_losses.get(TOTAL, ())}
    parts = {name: curve for name, curve in past.losses.items() if name != TOTAL}
    cards = {
        "Loss": charts.draw_curves(drop_empty(total), "loss", logarithmic=True),
        "Parts of the training loss": charts.draw_curves(parts, "loss", logarithmic=True),
        "Learning rate": charts.draw_curves(drop_empty({"learning rate": past.learning_rate}), "learning rate"),
        "mAP": charts.draw_curves(
            _select_curves(past, MAP, {"": "mAP@[.5:.95]", "@.50IOU": "mAP@.5", "@.75IOU": "mAP@.75"}), "mAP"
        ),
        "mAP@[.5:.95] by size of objects": charts.draw_curves(_select_curves(past, MAP, _SIZES), "mAP"),
        "Recall": charts.draw_curves(
            _select_curves(past, f"{RECALL}/AR@", {"1": "AR@1", "10": "AR@10", "100": "AR@100"}), "average recall"
        ),
    }
    return f"<h2>Curves</h2>\n{render_plots(cards)}"


def _select_curves(past: History, stem: str, names: Mapping[str, str]) -> dict[str, Curve]:
    return drop_empty({label: past.curve(stem + ending) for ending, label in names.items()})


def drop_empty(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Without curves of no points."""
    return {name: curve for name, curve in curves.items() if curve}


def render_settings(report: RunReport) -> str:
    """What differs from the zoo's config."""
    difference = report.settings
    if difference.model is None:
        notice = f"The model ({difference.architecture}) resembles none of the zoo's, so there is nothing to compare."
        return f"<h2>Settings</h2>\n{render_note(notice)}"
    rows = [(change.field, change.old or "not set", change.new or "not set") for change in difference.changes]
    surplus = len(rows) - _MOST_SETTINGS
    columns = ["setting", "the zoo's", "this run's"]
    html = render_table(columns, rows[:_MOST_SETTINGS], "fields", identity="settings", search="search settings")
    rest = render_note(f"and {surplus:,} more") if surplus > 0 else ""
    return f"<h2>Settings that differ from the zoo's {escape_text(difference.model)}</h2>\n{render_card(html + rest)}"


def render_data(summary: DatasetSummary | None) -> str:
    """What the records were made of."""
    if summary is None:
        return f"<h2>Data set</h2>\n{render_note('There is no dataset.json beside the records.')}"
    columns = ["split", "images", "objects", "per image", "at most", "without objects", "median size", "MB"]
    splits = [
        (
            name,
            f"{split.images:,}" + (f" + {split.repetitions:,} repetitions" if split.repetitions else ""),
            f"{split.objects:,}",
            f"{split.mean_objects:.2f}",
            f"{split.max_objects:,}",
            f"{split.background_images:,}",
            f"{split.median_size[0]} x {split.median_size[1]}",
            f"{split.bytes / 1e6:,.1f}",
        )
        for name, split in summary.splits.items()
    ]
    classes = [
        (label, *(f"{split.classes.get(label, 0):,}" for split in summary.splits.values())) for label in summary.classes
    ]
    columns_by_class = ["objects of class", *summary.splits]
    objects = render_table(columns_by_class, classes, "numbers", identity="data", search="search classes")
    caption = f"Made {summary.created} from {', '.join(summary.sources)} ({summary.format})."
    return (
        f"<h2>Data set</h2>\n{render_note(caption)}{render_card(render_table(columns, splits, 'numbers'))}"
        f"{render_card(objects)}"
        f"{_render_problems(summary)}"
    )


def _render_problems(summary: DatasetSummary) -> str:
    if not summary.problems:
        return ""
    rows = [
        (kind.replace("_", " "), problem.level, f"{problem.count:,}", problem.action)
        for kind, problem in summary.problems.items()
    ]
    html = render_table(["problem", "level", "count", "what was done"], rows, "fields")
    return render_card(html, "Problems met while preparing")


def render_course(report: RunReport) -> str:
    """States, speed, restarts and mishaps."""
    past = report.history
    speed = past.steps_per_second
    rows = [
        *(
            (name, _describe_state(report.states[task]))
            for name, task in (("training", "train"), ("evaluation", "eval"))
        ),
        ("training time", units.format_duration(past.training_seconds)),
        ("speed", f"{speed:.3g} steps per second (median)" if speed else "unknown"),
        *([("images per second", f"{past.batch_size * speed:,.3g}")] if past.batch_size and speed else []),
        ("restarts", f"{past.restarts:,}"),
    ]
    if past.best:
        value = past.best.get("value")
        figure = f", {past.best.get('metric')} {value:.4f}" if isinstance(value, float) else ""
        rows.append(("best checkpoint", f"{past.best.get('checkpoint')}, step {past.best['step']:,}{figure}"))
    rows += [(f"at step {mishap.step:,}", mishap.what) for mishap in past.mishaps]
    return f"<h2>Course</h2>\n{render_card(render_table(['', ''], rows, 'fields'))}"


def _describe_state(state: str) -> str:
    return "not started" if state == "none" else state


def render_versions(packages: Mapping[str, str]) -> str:
    """Of odtool and of what it stands on."""
    return f"<h2>Versions</h2>\n{render_card(render_table(['', ''], list(packages.items()), 'fields'))}"
