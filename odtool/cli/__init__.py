"""The odtool command: one module a command, each a thin layer over a call of the API."""

from __future__ import annotations

from typing import Annotated

import typer

from odtool import __version__
from odtool.cli import console, demo, doctor
from odtool.cli.data import inspect, prepare
from odtool.cli.model import check, configure, models
from odtool.cli.result import export, predict, report
from odtool.cli.run import board, evaluate, logs, status, stop, train, tune

app = typer.Typer(
    help="From annotations to a trained, evaluated detector with the TensorFlow Object Detection API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.stdout.print(f"odtool {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show odtool's version and exit.")
    ] = False,
) -> None:
    """Options of odtool itself; what it is for stands in the app's help."""


_START, _DATA, _MODEL, _RUN, _RESULT = "Start", "Data", "Model", "Run", "Result"

app.command("demo", rich_help_panel=_START)(demo.demo)
app.command("doctor", rich_help_panel=_START)(doctor.doctor)
app.command("inspect", rich_help_panel=_DATA)(inspect.inspect)
app.command("prepare", rich_help_panel=_DATA)(prepare.prepare)
app.add_typer(models.app, name="models", rich_help_panel=_MODEL)
app.command("configure", rich_help_panel=_MODEL)(configure.configure)
app.command("check", rich_help_panel=_MODEL)(check.check)
app.command("train", rich_help_panel=_RUN)(train.train)
app.command("tune", rich_help_panel=_RUN)(tune.tune)
app.command("eval", rich_help_panel=_RUN)(evaluate.evaluate)
app.command("status", rich_help_panel=_RUN)(status.status)
app.command("logs", rich_help_panel=_RUN)(logs.logs)
app.command("stop", rich_help_panel=_RUN)(stop.stop)
app.command("board", rich_help_panel=_RUN)(board.board)
app.command("export", rich_help_panel=_RESULT)(export.export)
app.command("predict", rich_help_panel=_RESULT)(predict.predict)
app.command("report", rich_help_panel=_RESULT)(report.report)


def main() -> None:
    """Entry point of the `odtool` script."""
    console.run(app)
