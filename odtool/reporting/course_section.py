"""The parts of the report on how a run was made: curves, settings, data set, course and versions."""

from __future__ import annotations

from collections.abc import Mapping

from odtool.dataset.statistics import DatasetSummary
from odtool.detection.metric_names import MAP, RECALL
from odtool.durations import format_duration
from odtool.reporting.figures import RunReport
from odtool.reporting.history import TOTAL, History
from odtool.reporting.tables import card, plots, soft, table
from odtool.visual import charts
from odtool.visual.charts import Curve
from odtool.visual.html_page import escape_text

_MOST_SETTINGS = 200
_SIZES = {f" ({size})": size for size in ("small", "medium", "large")}


def curves(past: History) -> str:
    """Losses, learning rate and evaluations over steps."""
    total = {"training": past.losses.get(TOTAL, ()), "evaluation": past.evaluation_losses.get(TOTAL, ())}
    parts = {name: curve for name, curve in past.losses.items() if name != TOTAL}
    cards = {
        "Loss": charts.draw_curves(present(total), "loss", logarithmic=True),
        "Parts of the training loss": charts.draw_curves(parts, "loss", logarithmic=True),
        "Learning rate": charts.draw_curves(present({"learning rate": past.learning_rate}), "learning rate"),
        "mAP": charts.draw_curves(
            _named(past, MAP, {"": "mAP@[.5:.95]", "@.50IOU": "mAP@.5", "@.75IOU": "mAP@.75"}), "mAP"
        ),
        "mAP@[.5:.95] by size of objects": charts.draw_curves(_named(past, MAP, _SIZES), "mAP"),
        "Recall": charts.draw_curves(
            _named(past, f"{RECALL}/AR@", {"1": "AR@1", "10": "AR@10", "100": "AR@100"}), "average recall"
        ),
    }
    return f"<h2>Curves</h2>\n{plots(cards)}"


def _named(past: History, stem: str, names: Mapping[str, str]) -> dict[str, Curve]:
    return present({label: past.curve(stem + ending) for ending, label in names.items()})


def present(found: Mapping[str, Curve]) -> dict[str, Curve]:
    """Without curves of no points."""
    return {name: curve for name, curve in found.items() if curve}


def settings(report: RunReport) -> str:
    """What differs from the zoo's config."""
    found = report.settings
    if found.model is None:
        said = f"The model ({found.architecture}) is like none of the zoo's, so that there is nothing to compare."
        return f"<h2>Settings</h2>\n{soft(said)}"
    rows = [(change.field, change.old or "not set", change.new or "not set") for change in found.changes]
    more = len(rows) - _MOST_SETTINGS
    made = table(["setting", "the zoo's", "this run's"], rows[:_MOST_SETTINGS], "fields")
    rest = soft(f"and {more:,} more") if more > 0 else ""
    return f"<h2>Settings that differ from the zoo's {escape_text(found.model)}</h2>\n{card(made + rest)}"


def data(found: DatasetSummary | None) -> str:
    """What the records were made of."""
    if found is None:
        return f"<h2>Data set</h2>\n{soft('There is no dataset.json beside the records.')}"
    columns = ["split", "images", "objects", "an image", "at most", "without objects", "median size", "MB"]
    splits = [
        (
            name,
            f"{split.images:,}",
            f"{split.objects:,}",
            f"{split.mean_objects:.2f}",
            f"{split.max_objects:,}",
            f"{split.background_images:,}",
            f"{split.median_size[0]} x {split.median_size[1]}",
            f"{split.bytes / 1e6:,.1f}",
        )
        for name, split in found.splits.items()
    ]
    classes = [
        (label, *(f"{split.classes.get(label, 0):,}" for split in found.splits.values())) for label in found.classes
    ]
    said = f"Made {found.created} from {', '.join(found.sources)} ({found.format})."
    return (
        f"<h2>Data set</h2>\n{soft(said)}{card(table(columns, splits, 'numbers'))}"
        f"{card(table(['objects of class', *found.splits], classes, 'numbers'))}{_problems(found)}"
    )


def _problems(found: DatasetSummary) -> str:
    if not found.problems:
        return ""
    rows = [
        (kind.replace("_", " "), problem.level, f"{problem.count:,}", problem.action)
        for kind, problem in found.problems.items()
    ]
    made = table(["problem", "level", "count", "what was done"], rows, "fields")
    return card(made, "Problems met while preparing")


def course(report: RunReport) -> str:
    """States, speed, restarts and mishaps."""
    past = report.history
    speed = past.steps_per_second
    rows = [
        *((name, _state(report.states[task])) for name, task in (("training", "train"), ("evaluation", "eval"))),
        ("time in training", format_duration(past.training_seconds)),
        ("speed", f"{speed:.3g} steps a second (median)" if speed else "not known"),
        *([("images a second", f"{past.batch_size * speed:,.3g}")] if past.batch_size and speed else []),
        ("restarts", f"{past.restarts:,}"),
    ]
    if past.best:
        value = past.best.get("value")
        told = f", {past.best.get('metric')} {value:.4f}" if isinstance(value, float) else ""
        rows.append(("best checkpoint", f"{past.best.get('checkpoint')}, step {past.best['step']:,}{told}"))
    rows += [(f"at step {mishap.step:,}", mishap.what) for mishap in past.mishaps]
    return f"<h2>Course</h2>\n{card(table(['', ''], rows, 'fields'))}"


def _state(state: str) -> str:
    return "not started" if state == "none" else state


def versions(found: Mapping[str, str]) -> str:
    """Of odtool and of what it stands on."""
    return f"<h2>Versions</h2>\n{card(table(['', ''], list(found.items()), 'fields'))}"
