"""odtool configure: a pipeline.config for a new run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from odtool.api.model import configure as api
from odtool.cli import completion, console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.units import format_count

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.model.configure import Change, Configured, Fitted

_ROUTINE = (
    "train_input_reader.",
    "eval_input_reader[",
    "eval_config.",
    "train_config.fine_tune_checkpoint_",
    "train_config.use_bfloat16",
)
"""Beginnings of fields that follow from the data and the checkpoint alone."""


def configure(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    model: Annotated[
        str | None,
        typer.Option(
            help="A model of the zoo or of model_zoo/; see odtool models.",
            metavar="NAME",
            autocompletion=completion.complete_models,
        ),
    ] = None,
    pipeline: Annotated[
        Path | None, typer.Option(help="A pipeline.config of your own, or its folder, to start from.", metavar="FILE")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Prepared data; data/ in the workspace by default.", metavar="DIR")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="Name of the new run; the model's by default.", metavar="NAME")
    ] = None,
    like_trial: Annotated[
        str | None,
        typer.Option(
            metavar="TRIAL",
            help="Start from a tuned run, with the values of one of its trials: best (of the newest study), RUN/best, "
            "or a trial's run; see odtool tune.",
        ),
    ] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Images a step; the learning rate is scaled with it. auto measures what the device's memory takes.",
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With auto: memory to use, as 6GB or 80%; 85% by default.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(help="With auto: GPU numbers as in 0 or 0,1, or cpu, as for odtool train.", metavar="N,...|cpu"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With auto: compute in float32 or bfloat16, as odtool train; float32 by default."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of training; the learning rate's schedule follows.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training images, instead of --steps.", metavar="N")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint to fine-tune: a prefix or its folder; none starts from scratch.", metavar="PATH|none"
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Any field, as train_config.max_number_of_boxes=50."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the config of a run that has not been trained yet.")
    ] = False,
    every_field: Annotated[
        bool, typer.Option("--all", help="Show every field that changed; by default those that shape the training.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change and write nothing.")] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run's pipeline.config from a zoo model or a file, fitted to the prepared data.

    What shapes the training is shown, old → new, with the reason, and with --all every field that differs from where
    it started. Of a part that went as a whole only the number of fields is; --json lists them.

    Example: `odtool configure --model ssd_mobilenet_v2_fpnlite_320x320 --steps 2000`
    """
    configured = api.configure(
        model,
        pipeline=pipeline,
        like_trial=like_trial,
        data=data,
        run=run,
        batch_size=_read_batch_size(batch_size),
        memory=memory,
        gpu=gpu,
        precision=precision,
        steps=steps,
        epochs=epochs,
        checkpoint=checkpoint,
        assignments=assignments or (),
        force=force,
        dry_run=dry_run,
        workspace=workspace,
        notify=console.say,
    )
    console.show(_payload(configured), as_json=as_json, render=lambda screen: _render(configured, screen, every_field))


def _read_batch_size(text: str | None) -> int | Literal["auto"] | None:
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isdecimal():
        raise typer.BadParameter(f"'{text}' is neither auto nor a number.", param_hint="--batch-size")
    return int(text)


def _payload(configured: Configured) -> dict[str, Any]:
    facts = configured.facts
    return {
        "run": configured.run.name,
        "path": str(configured.run.pipeline_config),
        "written": configured.written,
        "source": configured.source,
        "architecture": facts.architecture,
        "num_classes": facts.num_classes,
        "batch_size": facts.batch_size,
        "num_steps": facts.num_steps,
        "epochs": round(configured.epochs, 2),
        "fine_tune_checkpoint": facts.message.train_config.fine_tune_checkpoint or None,
        "changes": [change.as_json() for change in configured.changes],
        "notes": configured.notes,
        "measured": None if configured.measured is None else _measured_payload(configured.measured),
    }


def _measured_payload(fitted: Fitted) -> dict[str, Any]:
    """Sizes in bytes, null where memory ran out."""
    return {
        "limit": fitted.limit,
        "peak_by_batch": {str(size): used for size, used in fitted.measured.items()},
        "base": fitted.base,
        "per_image": fitted.per_image,
    }


def _render(configured: Configured, screen: Console, every_field: bool) -> None:
    facts = configured.facts
    changes = configured.short_changes()
    shown = [change for change in changes if every_field or not _is_routine(change)]
    for change in shown:
        reason = f"  ({change.reason})" if change.reason else ""
        field = change.field if every_field else _shorten(change)
        screen.print(f"{field}: {_value(change.old)} → {_value(change.new)}{reason}", markup=False)
    if hidden := len(changes) - len(shown):
        screen.print(f"{format_count(hidden, 'further field')} set for the data and its evaluation; --all shows them")
    for note in configured.notes:
        screen.print(f"note: {note}", markup=False)
    verb = "wrote" if configured.written else "would write"
    screen.print(f"{verb} {configured.run.pipeline_config} from {configured.source}", markup=False)
    epochs = f"{configured.epochs:.3g}" if configured.epochs < 1000 else f"{configured.epochs:,.0f}"
    screen.print(
        f"run {configured.run.name}: {facts.architecture}, classes: {facts.num_classes}, "
        f"{format_count(facts.num_steps, 'step')} of {format_count(facts.batch_size, 'image')} ({epochs} epochs)",
        markup=False,
    )
    if configured.written:
        screen.print(f"next: odtool check {configured.run.argument}", markup=False)


def _is_routine(change: Change) -> bool:
    """Whether a change only says where the data is and how it is evaluated, which nobody would want otherwise."""
    if change.reason == "--set":
        return False
    return change.field.startswith(_ROUTINE) or (
        change.new is None and change.field == "train_config.fine_tune_checkpoint"
    )


def _shorten(change: Change) -> str:
    """A field by its own name where nothing but a long path stands before it; whole where it was set by its path."""
    return change.field if change.reason == "--set" else change.field.rpartition(".")[2]


def _value(text: str | None) -> str:
    return "unset" if text is None else text
