"""The flow of `odtool configure`: a base config, the data set, the user's wishes, and a new run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from odtool import __version__, locks
from odtool.dataset import statistics
from odtool.errors import ConfigError
from odtool.pipeline import start_checkpoints
from odtool.pipeline.checks import augmentation, before_training, doubts, input_sizes
from odtool.pipeline.configure import batch_and_steps, fine_tuning, fit_dataset
from odtool.pipeline.configure.base_config import Base, choose
from odtool.pipeline.configure.batch_size_search import Fitted
from odtool.pipeline.text import config, diff, fields
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.diff import Change, Draft
from odtool.pipeline.zoo import zoo
from odtool.workspace import TASKS, Dataset, Run, Workspace

_CHECKPOINT = "train_config.fine_tune_checkpoint"
_MANY_EPOCHS = 100
"""The zoo's own schedules show COCO 25 to 300 times."""


@dataclass(frozen=True)
class Request:
    """What the user asked for; None and empty leave the choice to odtool."""

    model: str | None = None
    pipeline: Path | None = None
    data: Path | None = None
    run: str | None = None
    batch_size: int | None = None
    batch_reason: str = "--batch-size"
    """Where the batch size comes from."""
    steps: int | None = None
    epochs: float | None = None
    checkpoint: str | None = None
    """A path, or 'none' for training from scratch."""
    assignments: tuple[str, ...] = ()
    """The --set options, in their order."""
    force: bool = False
    """Whether to replace the config of a run that has not been trained."""
    dry_run: bool = False


@dataclass(frozen=True)
class Configured:
    """What was, or with a dry run would be, written."""

    run: Run
    source: str
    """The template or file that the config came from."""
    config: PipelineConfig
    settings: before_training.Settings
    changes: list[Change]
    notes: list[str]
    images: int
    """Images to train on."""
    epochs: float
    written: bool
    measured: Fitted | None = None
    """What the batch size was chosen by, where memory was measured for it."""

    def short_changes(self) -> list[Change]:
        """The changes for people: of a part that went as a whole, one."""
        return diff.shorten(self.changes, self.config)


def configure(workspace: Workspace, request: Request) -> Configured:
    """Makes a run's pipeline.config; nothing is written when anything is wrong.

    Raises:
        ConfigError: a setting, a file or the run's name cannot be used.
        DataError: the data set is not prepared.
    """
    request = _with_checkpoint(request)
    base = choose(workspace, model=request.model, pipeline=request.pipeline)
    run = _run(workspace, request, base)
    dataset = Dataset(request.data.absolute()) if request.data else workspace.data
    summary = statistics.load(dataset)
    images = summary.splits["train"].images if "train" in summary.splits else 0
    draft = Draft(base.config.copy())
    fit_dataset.fit(draft, dataset, summary)
    _set_size(draft, request, base, images)
    _set_start(draft, request, base)
    size = input_sizes.fixed(draft.config)
    for assignment in request.assignments:
        _assign(draft, assignment)
    augmentation.follow_size(draft, size)
    if base.model is not None and not draft.message.train_config.fine_tune_checkpoint:
        fine_tuning.settle_batch_norm(draft)
    _note_length(draft, request, base, images)
    settings = before_training.check(draft.config, run.pipeline_config)
    draft.notes += [f"{doubt.message}. {doubt.hint}" for doubt in doubts.find(draft.config)]
    if not request.dry_run:
        heading = f"Written by odtool {__version__} from {base.source}."
        config.save(draft.config, run.pipeline_config, heading=heading)
    return Configured(
        run=run,
        source=base.source,
        config=draft.config,
        settings=settings,
        changes=diff.compare(base.config, draft.config, draft.reasons),
        notes=draft.notes,
        images=images,
        epochs=_epochs(draft, images),
        written=not request.dry_run,
    )


def _with_checkpoint(request: Request) -> Request:
    """Takes --set of the checkpoint for --checkpoint: its type, its version and batch norm have to follow."""
    own = [wish for wish in request.assignments if wish.partition("=")[0].strip() == _CHECKPOINT]
    if not own:
        return request
    if len(own) > 1 or request.checkpoint is not None:
        raise ConfigError(f"--set {own[-1]}: the checkpoint is given twice", "Give it once, with --checkpoint.")
    wanted = own[0].partition("=")[2].strip().strip("'\"")
    others = tuple(wish for wish in request.assignments if wish not in own)
    return replace(request, checkpoint=wanted or "none", assignments=others)


def _set_size(draft: Draft, request: Request, base: Base, images: int) -> None:
    if request.batch_size is not None:
        batch_and_steps.set_batch_size(draft, request.batch_size, request.batch_reason)
    elif base.model is not None and not base.model.one_device:
        reason = f"for one device; the zoo trained with {draft.message.train_config.batch_size} on several"
        batch_and_steps.set_batch_size(draft, batch_and_steps.DEFAULT_BATCH_SIZE, reason)
    if request.steps is not None:
        batch_and_steps.set_steps(draft, request.steps, "--steps")
    elif request.epochs is not None:
        size = draft.message.train_config.batch_size
        reason = f"--epochs: {request.epochs:g} times {images} images in batches of {size}"
        batch_and_steps.set_steps(draft, batch_and_steps.steps_for(request.epochs, images, size), reason)


def _note_length(draft: Draft, request: Request, base: Base, images: int) -> None:
    """Says where the zoo's own number of steps, which nobody has changed, is much for so few images."""
    steps, epochs = draft.message.train_config.num_steps, _epochs(draft, images)
    own = request.steps is None and request.epochs is None and steps == base.config.message.train_config.num_steps
    if own and base.model is not None and epochs > _MANY_EPOCHS:
        draft.notes.append(f"the zoo's {steps:,} steps show each of {images} images {epochs:,.0f} times; see --steps")


def _epochs(draft: Draft, images: int) -> float:
    train_config = draft.message.train_config
    return float(train_config.num_steps * train_config.batch_size / images)


def _set_start(draft: Draft, request: Request, base: Base) -> None:
    if request.checkpoint == "none":
        fine_tuning.start_from_scratch(draft, "training starts from scratch, as asked for with --checkpoint none")
    elif request.checkpoint is not None:
        fine_tuning.start_from(draft, start_checkpoints.find(Path(request.checkpoint).expanduser().absolute()))
    elif base.folder is not None:
        fine_tuning.start_from(draft, start_checkpoints.find(base.folder.absolute()))
    elif base.keeps_checkpoint:
        fine_tuning.keep(draft)
    else:
        fine_tuning.start_from_scratch(draft, _scratch_note(base))


def _assign(draft: Draft, assignment: str) -> None:
    assigned = fields.assign(draft.config, assignment)
    for switch in assigned.switches:
        why = f"{switch.new} takes its place by --set: a config has only one {switch.oneof}"
        draft.because(why, switch.old)
        draft.notes.append(f"{switch.old}: {why}")
    draft.because(diff.SET, assigned.path)


def _scratch_note(base: Base) -> str:
    if base.model is None or not base.model.tarball:
        return "training starts from scratch: no checkpoint is named; --checkpoint PATH gives one"
    return (
        f"training starts from scratch: no checkpoint of {base.model.name} in model_zoo/. To fine-tune: "
        f"odtool models pull {zoo.short_name(base.model.name)}, and configure again"
    )


def _run(workspace: Workspace, request: Request, base: Base) -> Run:
    if request.run is None:
        return _free_run(workspace, base.run_name)
    run = workspace.run(request.run)
    if steps := run.checkpoints():
        raise ConfigError(
            f"{run.path}: has checkpoints up to step {max(steps)}, made with its own pipeline.config",
            f"Configure under another name: --run {_free_run(workspace, run.name).name}",
        )
    if any(locks.is_held(run.job_lock(task)) for task in TASKS):
        raise ConfigError(f"{run.path}: is running", f"Stop it first: odtool stop {run.argument}")
    if run.pipeline_config.exists() and not request.force:
        raise ConfigError(
            f"{run.pipeline_config}: exists already", "Give --force to replace it, or another name with --run."
        )
    return run


def _free_run(workspace: Workspace, name: str) -> Run:
    """The first of name, name_2, name_3 … that is not taken."""
    name = re.sub(r"[^\w.-]+", "_", name).strip("._") or "run"
    run, number = workspace.run(name), 1
    while run.path.exists():
        number += 1
        run = workspace.run(f"{name}_{number}")
    return run
