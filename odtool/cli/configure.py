"""odtool configure: a pipeline.config for a new run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.cli import batch, console
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.pipeline.configure.batch_size_search import Fitted
    from odtool.pipeline.configure.configuration import Configured, ConfigureSettings
    from odtool.workspace import Workspace

_LARGEST_BATCH = 65536


def configure(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    model: Annotated[str | None, typer.Option(help="A model of the zoo or of model_zoo/; see odtool models.")] = None,
    pipeline: Annotated[
        Path | None, typer.Option(help="A pipeline.config of your own, or its folder, to start from.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Prepared data; data/ in the workspace by default.")] = None,
    run: Annotated[str | None, typer.Option(help="Name of the new run; the model's by default.")] = None,
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
        str | None, typer.Option(help="With auto: GPU numbers as in 0 or 0,1, or cpu, as for odtool train.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of training; the learning rate's schedule follows.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training images, instead of --steps.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint to fine-tune: a prefix or its folder; none starts from scratch.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Any field, as train_config.max_number_of_boxes=50."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the config of a run not yet trained.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change and write nothing.")] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run's pipeline.config from a zoo model or a file, fitted to the prepared data.

    Every field that differs from where it started is shown, old → new, with the reason. Of a part that went as a
    whole only the number of fields is; --json lists them.

    Example: `odtool configure --model ssd_mobilenet_v2_fpnlite_320x320 --steps 2000`
    """
    del debug  # handled when it is parsed
    _refuse_both(model, "--model", pipeline, "--pipeline")
    _refuse_both(steps, "--steps", epochs, "--epochs")
    if epochs is not None and not 0 < epochs < 1e6:
        raise typer.BadParameter("must be more than 0.", param_hint="--epochs")
    for value, option in ((batch_size, "--batch-size"), (steps, "--steps"), (epochs, "--epochs")):
        if value is not None:
            _refuse_also_set(option, assignments or [])
    size = _batch_size(batch_size, memory, gpu)
    from odtool.pipeline.configure import configuration

    request = configuration.ConfigureSettings(
        model=model,
        pipeline=pipeline,
        data=data,
        run=run,
        batch_size=size,
        steps=steps,
        epochs=epochs,
        checkpoint=checkpoint,
        assignments=tuple(assignments or ()),
        force=force,
        dry_run=dry_run,
    )
    space, fitted = console.workspace(workspace), None
    if batch_size == "auto":
        request, fitted = _fit(space, request, memory, gpu)
    configured = configuration.configure(space, request)
    payload = {**_payload(configured), "measured": None if fitted is None else batch.payload(fitted)}
    console.show(payload, as_json=as_json, render=lambda screen: _render(configured, screen))


_ALSO = {
    "--batch-size": ("train_config.batch_size",),
    "--steps": ("train_config.num_steps",),
    "--epochs": ("train_config.num_steps", "train_config.batch_size"),
}
"""Fields that an option decides, or that its figure follows from."""


def _refuse_also_set(option: str, assignments: list[str]) -> None:
    for field in _ALSO[option]:
        if any(wish.partition("=")[0].strip() == field for wish in assignments):
            raise typer.BadParameter(f"cannot be given together with --set {field}.", param_hint=option)


def _batch_size(text: str | None, memory: str | None, gpu: str | None) -> int | None:
    """The number asked for, or None where odtool chooses or measures."""
    if text == "auto":
        return None
    for value, option in ((memory, "--memory"), (gpu, "--gpu")):
        if value is not None:
            raise typer.BadParameter("goes with --batch-size auto only.", param_hint=option)
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= _LARGEST_BATCH:
        raise typer.BadParameter(
            f"'{text}' is neither auto nor a number from 1 to {_LARGEST_BATCH}.", param_hint="--batch-size"
        )
    return int(text)


def _fit(
    space: Workspace, request: ConfigureSettings, memory: str | None, gpu: str | None
) -> tuple[ConfigureSettings, Fitted]:
    """Measures the very config that the other options ask for, and puts in the batch size that fits."""
    from odtool.pipeline.configure import configuration

    tried = configuration.configure(space, replace(request, dry_run=True))
    fitted = batch.fit(tried.config, tried.images, memory=memory, gpu=gpu)
    console.say(batch.explain(fitted))
    return replace(request, batch_size=fitted.batch_size, batch_reason=batch.reason(fitted, tried.images)), fitted


def _refuse_both(first: object, first_name: str, second: object, second_name: str) -> None:
    if first is not None and second is not None:
        raise typer.BadParameter(f"cannot be given together with {second_name}.", param_hint=first_name)


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
    }


def _render(configured: Configured, screen: Console) -> None:
    from odtool.pipeline.text import diff

    facts = configured.facts
    for change in diff.shorten(configured.changes, configured.config):
        reason = f"  ({change.reason})" if change.reason else ""
        screen.print(f"{change.field}: {_value(change.old)} → {_value(change.new)}{reason}", markup=False)
    for note in configured.notes:
        screen.print(f"note: {note}", markup=False)
    verb = "wrote" if configured.written else "would write"
    screen.print(f"{verb} {configured.run.pipeline_config} from {configured.source}", markup=False)
    epochs = f"{configured.epochs:.3g}" if configured.epochs < 1000 else f"{configured.epochs:,.0f}"
    screen.print(
        f"run {configured.run.name}: {facts.architecture}, classes: {facts.num_classes}, "
        f"{_counted(facts.num_steps, 'step')} of {_counted(facts.batch_size, 'image')} ({epochs} epochs)",
        markup=False,
    )
    if configured.written:
        screen.print(f"next: odtool train {configured.run.argument}", markup=False)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _value(text: str | None) -> str:
    return "unset" if text is None else text
