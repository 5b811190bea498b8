"""The odtool command: one module a command, each a thin layer over a library call."""

from __future__ import annotations

from typing import Annotated

import typer

from odtool import __version__
from odtool.cli import (
    board,
    check,
    configure,
    console,
    demo,
    doctor,
    evaluate,
    export,
    inspect,
    logs,
    models,
    predict,
    prepare,
    report,
    status,
    stop,
    train,
)

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


app.command("prepare")(prepare.prepare)
app.command("inspect")(inspect.inspect)
app.add_typer(models.app, name="models")
app.command("configure")(configure.configure)
app.command("check")(check.check)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.command("report")(report.report)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("board")(board.board)
app.command("stop")(stop.stop)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Entry point of the `odtool` script."""
    console.run(app)
