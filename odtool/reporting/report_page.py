"""The report of one run as one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from odtool.detection.metric_names import MAP, MAP_50
from odtool.reporting.figures import RunReport
from odtool.reporting.record_images import PagePicture
from odtool.reporting.sections import accuracy_section, course_section, drift_section, image_section
from odtool.reporting.tables import format_score
from odtool.visual import html_page
from odtool.visual.html_page import escape_text

FOOT = "Figures follow COCO's rules, by pycocotools."


def read_style() -> str:
    """CSS of the report's own parts."""
    return Path(__file__).with_name("report.css").read_text("utf-8")


def render(report: RunReport, pictures: Mapping[str, PagePicture], count: int) -> str:
    """The whole page.

    Args:
        pictures: images by source id, those of `image_section.choose_images` among them.
        count: how many of the worst images to show; half as many of the best.
    """
    body = [
        _render_head(report),
        _render_tiles(report),
        *list_notes(report),
        course_section.collect_curves(report.history),
    ]
    if report.analysis is not None:
        body += [accuracy_section.render(report.analysis), image_section.render(report.analysis, pictures, count)]
    body += [
        course_section.render_settings(report),
        course_section.render_data(report.dataset),
        drift_section.render(report.drift, report.drift_absence),
        course_section.render_course(report),
        course_section.render_versions(report.versions),
    ]
    return html_page.render(report.run.name, "odtool report", body, foot=FOOT, style=read_style(), interactive=True)


def _render_head(report: RunReport) -> str:
    lines = [str(report.run.path), f"model: {report.settings.model or report.settings.architecture}"]
    if report.analysis is not None:
        examination = report.analysis.examination
        sets = f", the first of {examination.sets} evaluation sets" if examination.sets > 1 else ""
        lines.append(
            f"examined: {examination.checkpoint} on {len(examination.images):,} images of the evaluation records{sets}"
        )
    paragraphs = "".join(f'<p class="soft">{escape_text(line)}</p>' for line in lines)
    return f"<header><h1>{escape_text(report.run.name)}</h1>{paragraphs}</header>\n"


def _render_tiles(report: RunReport) -> str:
    past = report.history
    tiles: dict[str, str] = {}
    if report.analysis is not None:
        figures = report.analysis.accuracy.figures
        values = {"mAP@[.5:.95]": figures.ap, "mAP@.5": figures.ap_50, "AR@100": figures.ar_100}
        if report.analysis.mask_accuracy is not None:
            values["mask mAP@[.5:.95]"] = report.analysis.mask_accuracy.figures.ap
        tiles |= {label: format_score(value) for label, value in values.items()}
    elif past.evaluations:
        newest = past.evaluations[-1].values
        names = {"mAP@[.5:.95]": MAP, "mAP@.5": MAP_50}
        tiles |= {label: format_score(newest.get(name)) for label, name in names.items()}
    steps = "0" if past.step is None else f"{past.step:,}"
    tiles["steps" + (f" of {past.num_steps:,}" if past.num_steps else "")] = steps
    if past.steps_per_second:
        tiles["steps per second"] = f"{past.steps_per_second:.3g}"
    if past.batch_size:
        tiles["images per step"] = f"{past.batch_size:,}"
    return html_page.render_tiles(tiles)


def list_notes(report: RunReport) -> Iterable[str]:
    """What a reader has to know before the figures."""
    train = report.states["train"]
    if train.startswith("running"):
        yield render_alert("info", "Training is still running: these are the figures so far.")
    elif train.startswith(("failed", "lost", "stopped")):
        yield render_alert("error" if train.startswith("failed") else "warning", f"Training {train}")
    if report.analysis is None:
        yield render_alert("warning", f"No accuracy by class, mistakes or images: {report.absence}")
    elif count := report.analysis.examination.repeated:
        why = "left out, as in evaluation: an earlier image has the same source id"
        yield render_alert("warning", f"{count:,} image{'s are' if count > 1 else ' is'} {why}.")
    if broken := sum("not finite" in mishap.what for mishap in report.history.mishaps):
        times = f"{broken} times" if broken > 1 else "once"
        yield render_alert("error", f"The loss was not finite {times}: see Course below.")


def render_alert(level: str, words: str) -> str:
    """A line of plain text on a coloured ground."""
    return f'<p class="note {level}">{escape_text(words)}</p>\n'
