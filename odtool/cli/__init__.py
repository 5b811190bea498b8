"""The odtool command: one module a command, each a thin layer over a call of the API."""

from __future__ import annotations

from typing import Annotated

import typer

from odtool import __version__
from odtool.cli import console, demo, doctor, error_boundary, settings, version
from odtool.cli.data import inspect, prepare
from odtool.cli.help_page import HelpfulCommand, HelpfulGroup, OneProcessCommand
from odtool.cli.model import check, configure, models, preview
from odtool.cli.result import benchmark, export, predict, report
from odtool.cli.run import board, evaluate, logs, status, stop, track, train, tune

app = typer.Typer(
    cls=HelpfulGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From annotations to a trained, evaluated detector with the TensorFlow Object Detection API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.stdout.print(f"odtool {__version__}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show odtool's version and exit.")
    ] = False,
) -> None:
    """Options of odtool itself; what it is for stands in the app's help."""


_START, _DATA, _MODEL, _RUN, _RESULT = "Start", "Data", "Model", "Run", "Result"

app.command("demo", cls=OneProcessCommand, rich_help_panel=_START)(demo.demo)
app.command("doctor", cls=HelpfulCommand, rich_help_panel=_START)(doctor.doctor)
app.command("settings", cls=HelpfulCommand, rich_help_panel=_START)(settings.settings)
app.command("version", cls=HelpfulCommand, rich_help_panel=_START)(version.version)
app.command("inspect", cls=HelpfulCommand, rich_help_panel=_DATA)(inspect.inspect)
app.command("prepare", cls=OneProcessCommand, rich_help_panel=_DATA)(prepare.prepare)
app.add_typer(models.app, name="models", rich_help_panel=_MODEL)
app.command("configure", cls=OneProcessCommand, rich_help_panel=_MODEL)(configure.configure)
app.command("check", cls=HelpfulCommand, rich_help_panel=_MODEL)(check.check)
app.command("preview", cls=OneProcessCommand, rich_help_panel=_MODEL)(preview.preview)
app.command("train", cls=HelpfulCommand, rich_help_panel=_RUN)(train.train)
app.command("tune", cls=HelpfulCommand, rich_help_panel=_RUN)(tune.tune)
app.command("eval", cls=HelpfulCommand, rich_help_panel=_RUN)(evaluate.evaluate)
app.command("status", cls=HelpfulCommand, rich_help_panel=_RUN)(status.status)
app.command("logs", cls=HelpfulCommand, rich_help_panel=_RUN)(logs.logs)
app.command("stop", cls=HelpfulCommand, rich_help_panel=_RUN)(stop.stop)
app.command("track", cls=HelpfulCommand, rich_help_panel=_RUN)(track.track)
app.command("board", cls=HelpfulCommand, rich_help_panel=_RUN)(board.board)
app.command("export", cls=OneProcessCommand, rich_help_panel=_RESULT)(export.export)
app.command("benchmark", cls=OneProcessCommand, rich_help_panel=_RESULT)(benchmark.benchmark)
app.command("predict", cls=HelpfulCommand, rich_help_panel=_RESULT)(predict.predict)
app.command("report", cls=OneProcessCommand, rich_help_panel=_RESULT)(report.report)


def main() -> None:
    """Entry point of the `odtool` script."""
    error_boundary.run(app)
