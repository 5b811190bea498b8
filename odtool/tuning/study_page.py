"""study.html: a study as one page, with parallel coordinates, what each parameter matters, and all trials."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from odtool import files
from odtool.detection.metric_names import MAIN_METRICS
from odtool.reporting import report_page, tables
from odtool.tuning.parameters import Choices, Hyperparameter, Value, format_value, shorten_names
from odtool.tuning.study_files import StudySettings
from odtool.tuning.study_folder import StudyFolder
from odtool.tuning.trials import StudyView, TrialView
from odtool.units import format_duration
from odtool.visual import html_page, trial_charts
from odtool.visual.html_page import escape_text
from odtool.visual.trial_charts import CoordinateAxis, TrialLine, TrialPoint

_LEVELS = {"complete": "info", "pruned": "warning", "failed": "error", "running": "info"}
_LEGEND = {"best": "best", "complete": "complete, the stronger the better", "pruned": "pruned"}


def write(folder: StudyFolder, settings: StudySettings, view: StudyView) -> None:
    """Writes the page in one step; raises OSError where it cannot be written."""
    files.write_atomically(folder.page, render(folder, settings, view))


def render(folder: StudyFolder, settings: StudySettings, view: StudyView) -> str:
    """The whole page."""
    names = shorten_names([parameter.name for parameter in settings.parameters])
    body = [_render_head(folder, view), _render_tiles(view), *_list_notes(view)]
    if any(trial.value is not None for trial in view.trials):
        body += _render_charts(settings, view, names)
    body += [_render_table(settings, view, names), _render_space(settings), _render_next(folder, view)]
    foot = "Drawn by Optuna's TPE; importance by PED-ANOVA."
    style = report_page.read_style() + Path(__file__).with_name("study.css").read_text("utf-8")
    title = f"{folder.run.name}: study"
    return html_page.render(title, "odtool tune", body, foot=foot, style=style, interactive=True)


def name_metric(metric: str) -> str:
    """The field's name of a metric, or its own."""
    return MAIN_METRICS.get(metric, metric)


def _render_head(folder: StudyFolder, view: StudyView) -> str:
    lines = [str(folder.path), f"compared by {name_metric(view.metric)}, the best of {view.evaluations} evaluations"]
    paragraphs = "".join(f'<p class="soft">{escape_text(line)}</p>' for line in lines)
    return f"<header><h1>{escape_text(folder.run.name)}</h1>{paragraphs}</header>\n"


def _render_tiles(view: StudyView) -> str:
    metric = escape_text(name_metric(view.metric))
    best, base = view.best, view.base
    tiles = {
        f"{metric} of the best": tables.format_score(best.value if best else None),
        f"{metric} of the run's own config": tables.format_score(base.value if base else None),
        "best trial": str(best.number) if best else tables.NOTHING,
    }
    tiles |= {name: str(view.count(name)) for name in ("complete", "pruned", "failed")}
    if running := view.count("running"):
        tiles["running or to go on"] = str(running)
    return html_page.render_tiles(tiles)


def _list_notes(view: StudyView) -> Iterator[str]:
    if view.trials and view.count("failed") == len(view.trials):
        yield report_page.render_alert("error", "All trials failed: see the reasons below.")
    elif view.count("failed"):
        yield report_page.render_alert("warning", f"{view.count('failed')} of {len(view.trials)} trials failed.")


def _render_charts(settings: StudySettings, view: StudyView, names: Mapping[str, str]) -> list[str]:
    legend = "".join(f'<li><i class="{style}"></i>{words}</li>' for style, words in _LEGEND.items())
    coordinates = _draw_coordinates(settings, view, names)
    points = [
        TrialPoint(trial.number, trial.value, _describe(trial), _choose_style(trial, view))
        for trial in view.trials
        if trial.value is not None
    ]
    plots = {f"{name_metric(view.metric)} by trial": trial_charts.draw_values(points, "metric", is_loss=view.is_loss)}
    if view.importance:
        complete = view.count("complete")
        note = tables.render_note(f"From {complete} complete trials; with few of them, a rough estimate.")
        shares = {names.get(name, name): share for name, share in view.importance.items()}
        plots["Importance of the parameters"] = trial_charts.draw_shares(shares) + note
    card = tables.render_card(f'{coordinates}<ul class="legend">{legend}</ul>', "Trials by parameter and result")
    return ["<h2>What was found</h2>\n", card, tables.render_plots(plots)]


def _draw_coordinates(settings: StudySettings, view: StudyView, names: Mapping[str, str]) -> str:
    trials = [trial for trial in view.trials if trial.value is not None]
    values = [trial.value or 0.0 for trial in trials]
    low, high = min(values), max(values)
    axes = [_make_axis(parameter, names[parameter.name]) for parameter in settings.parameters]
    axes.append(CoordinateAxis(name_metric(view.metric), low, high))
    lines = []
    for trial in trials:
        share = ((trial.value or 0) - low) / (high - low) if high > low else 1.0
        coordinates = [_to_coordinate(parameter, trial.values[parameter.name]) for parameter in settings.parameters]
        strength = 1 - share if view.is_loss else share
        style = _choose_style(trial, view)
        lines.append(TrialLine(_describe(trial), [*coordinates, trial.value or 0.0], strength, style))
    return trial_charts.draw_parallel_coordinates(axes, lines)


def _make_axis(parameter: Hyperparameter, name: str) -> CoordinateAxis:
    space = parameter.distribution
    if isinstance(space, Choices):
        return CoordinateAxis(name, words=tuple(format_value(value) for value in space.values))
    return CoordinateAxis(name, space.low, space.high, space.log)


def _to_coordinate(parameter: Hyperparameter, value: Value) -> float | str:
    return format_value(value) if isinstance(parameter.distribution, Choices) else float(value)


def _choose_style(trial: TrialView, view: StudyView) -> str:
    if view.best is not None and trial.number == view.best.number:
        return "best"
    return "pruned" if trial.state == "pruned" else ""


def _describe(trial: TrialView) -> str:
    values = ", ".join(f"{name} {format_value(value)}" for name, value in trial.values.items())
    return f"trial {trial.number}, {trial.state}, {tables.format_score(trial.value)}: {values}"


def _render_table(settings: StudySettings, view: StudyView, names: Mapping[str, str]) -> str:
    columns = {"trial": True, "state": False, name_metric(view.metric): True}
    columns |= {
        names[parameter.name]: not isinstance(parameter.distribution, Choices) for parameter in settings.parameters
    }
    columns |= {"time": True, "": False}
    rows = (_render_row(trial, settings, view) for trial in view.trials)
    return f'<h2>Trials</h2>\n<section class="card wide">{html_page.render_table("trials", columns, rows)}</section>\n'


def _render_row(trial: TrialView, settings: StudySettings, view: StudyView) -> str:
    is_best = view.best is not None and trial.number == view.best.number
    score = tables.format_score(trial.value)
    cells = [
        f'<td class="right">{trial.number}</td>',
        f"<td>{html_page.render_pill(_LEVELS[trial.state], trial.state)}</td>",
        f'<td class="right">{f"<b>{score}</b>" if is_best else score}</td>',
    ]
    for parameter in settings.parameters:
        value = trial.values.get(parameter.name)
        text = tables.NOTHING if value is None else escape_text(format_value(value))
        kind = "" if isinstance(parameter.distribution, Choices) else ' class="right"'
        cells.append(f"<td{kind}>{text}</td>")
    seconds = tables.NOTHING if trial.seconds is None else format_duration(trial.seconds)
    sort = "" if trial.seconds is None else f' data-value="{trial.seconds:.0f}"'
    reason = trial.reason or ("the run's own config" if trial.is_base else "")
    cells.append(f'<td class="right"{sort}>{seconds}</td><td class="reason">{escape_text(reason)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _render_space(settings: StudySettings) -> str:
    rows = [[parameter.name, parameter.distribution.describe()] for parameter in settings.parameters]
    steps = "as the run" if settings.steps is None else f"{settings.steps:,}"
    rows += [["steps of a trial", steps], ["seed", str(settings.seed)], ["odtool", settings.odtool]]
    return "<h2>Search space</h2>\n" + tables.render_card(tables.render_table(("parameter", "values"), rows, "fields"))


def _render_next(folder: StudyFolder, view: StudyView) -> str:
    if view.best is None:
        return ""
    command = f"odtool configure --like-trial {shlex.quote(f'{folder.run.name}/best')}"
    return f"<h2>Going on</h2>\n<p>A run with the best trial's values: <code>{escape_text(command)}</code></p>\n"
