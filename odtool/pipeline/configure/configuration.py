"""The flow of `odtool configure`: a base config, the data set, the user's settings, and a new run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from odtool import __version__, locks
from odtool.dataset import statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import ConfigError
from odtool.pipeline import addresses, start_checkpoints
from odtool.pipeline.checks.check_list import refuse_errors
from odtool.pipeline.configure import batch_and_steps, fine_tuning
from odtool.pipeline.configure.base_config import BaseConfig, choose_base
from odtool.pipeline.configure.batch_size_search import Fitted
from odtool.pipeline.configure.fit_augmentation import follow_input_size
from odtool.pipeline.configure.fit_dataset import fit_dataset
from odtool.pipeline.text import config, diff, fields, workspace_identity
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.diff import Change
from odtool.pipeline.text.draft import SET, ConfigDraft
from odtool.pipeline.text.facts import ConfigFacts, derive_facts
from odtool.pipeline.zoo import zoo
from odtool.workspace import TASKS, Dataset, Run, Workspace

_CHECKPOINT = "train_config.fine_tune_checkpoint"
_MANY_EPOCHS = 100
"""The zoo's own schedules show COCO 25 to 300 times."""


@dataclass(frozen=True)
class Adjustment:
    """Settings of another origin, made before the user's own."""

    name: str
    """Of a run that is not named."""
    source: str
    """Where the config comes from, for people."""
    apply: Callable[[ConfigDraft], None]


@dataclass(frozen=True)
class ConfigureSettings:
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
    adjustment: Adjustment | None = None
    """What else the config starts with."""
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
    facts: ConfigFacts
    changes: list[Change]
    notes: list[str]
    images: int
    """Images to train on; the repetitions that `odtool prepare --balance` wrote count as well."""
    epochs: float
    written: bool
    measured: Fitted | None = None
    """What the batch size was chosen by, where memory was measured for it."""

    def short_changes(self) -> list[Change]:
        """The changes for people: of a part that went as a whole, one."""
        return diff.shorten(self.changes, self.config)


def configure(workspace: Workspace, settings: ConfigureSettings) -> Configured:
    """Writes a run's pipeline.config; nothing is written if anything is wrong.

    Raises:
        ConfigError: a setting, a file or the run's name cannot be used.
        DataError: the data set is not prepared.
    """
    try:
        return _configure(workspace, settings)
    except UnicodeEncodeError as error:  # of a path that was to stand in it
        raise ConfigError(
            f"{error.object}: not a name in UTF-8, which is all that a pipeline.config can hold",
            "Give the folder or file another name.",
        ) from None


def _configure(workspace: Workspace, settings: ConfigureSettings) -> Configured:
    settings = _take_checkpoint(settings)
    base = choose_base(workspace, model=settings.model, pipeline=settings.pipeline)
    if settings.adjustment is not None:
        base = replace(base, run_name=settings.adjustment.name, source=settings.adjustment.source)
    run = _choose_run(workspace, settings, base)
    dataset = Dataset(settings.data.absolute()) if settings.data else workspace.data
    summary = statistics.load(dataset)
    images = summary.splits["train"].records if "train" in summary.splits else 0
    draft = _make_draft(settings, base, dataset, summary, images)
    # Errors name the file that somebody has to change: the run's own is not written yet.
    facts = derive_facts(draft.config, settings.pipeline or run.pipeline_config)
    draft.notes += [f"{warning.message}. {warning.hint}" for warning in refuse_errors(facts)]
    if not settings.dry_run:
        heading = f"Written by odtool {__version__} from {base.source}."
        workspace_identity.identify(workspace)
        config.save(draft.config, run.pipeline_config, heading=heading)
    return Configured(
        run=run,
        source=base.source,
        config=draft.config,
        facts=facts,
        changes=diff.compare(base.config, draft.config, draft.reasons),
        notes=draft.notes,
        images=images,
        epochs=facts.num_steps * facts.batch_size / images,
        written=not settings.dry_run,
    )


def _make_draft(
    settings: ConfigureSettings, base: BaseConfig, dataset: Dataset, summary: DatasetSummary, images: int
) -> ConfigDraft:
    """The config with all that is set, and the reason of each field."""
    draft = ConfigDraft(base.config.copy())
    if base.config.move:
        draft.notes.append(base.config.move.describe())
    fit_dataset(draft, dataset, summary)
    if settings.adjustment is not None:
        settings.adjustment.apply(draft)
    _set_size(draft, settings, base, images)
    _set_start(draft, settings, base)
    size = draft.facts.input_size
    for assignment in settings.assignments:
        _assign(draft, assignment)
    follow_input_size(draft, size)
    if base.model is not None and not draft.message.train_config.fine_tune_checkpoint:
        fine_tuning.settle_batch_norm(draft)
    _note_length(draft, settings, base, images)
    if repetitions := summary.splits["train"].repetitions:
        draft.notes.append(f"an epoch has {images:,} records, {repetitions:,} of which repeat images of rare classes")
    return draft


def _take_checkpoint(settings: ConfigureSettings) -> ConfigureSettings:
    """Takes --set of the checkpoint for --checkpoint: its type, its version and batch norm have to follow."""
    own = [text for text in settings.assignments if text.partition("=")[0].strip() == _CHECKPOINT]
    if not own:
        return settings
    if len(own) > 1 or settings.checkpoint is not None:
        raise ConfigError(f"--set {own[-1]}: the checkpoint is given twice", "Give it once, with --checkpoint.")
    wanted = own[0].partition("=")[2].strip().strip("'\"")
    rest = tuple(assignment for assignment in settings.assignments if assignment not in own)
    return replace(settings, checkpoint=wanted or "none", assignments=rest)


def _set_size(draft: ConfigDraft, settings: ConfigureSettings, base: BaseConfig, images: int) -> None:
    if settings.batch_size is not None:
        batch_and_steps.set_batch_size(draft, settings.batch_size, settings.batch_reason)
    elif base.model is not None and not base.model.one_device:
        reason = f"for one device; the zoo trained with {draft.message.train_config.batch_size} on several"
        batch_and_steps.set_batch_size(draft, batch_and_steps.DEFAULT_BATCH_SIZE, reason)
    if settings.steps is not None:
        batch_and_steps.set_steps(draft, settings.steps, "--steps")
    elif settings.epochs is not None:
        size = draft.message.train_config.batch_size
        reason = f"--epochs: {settings.epochs:g} times {images} images in batches of {size}"
        batch_and_steps.set_steps(draft, batch_and_steps.compute_steps(settings.epochs, images, size), reason)


def _note_length(draft: ConfigDraft, settings: ConfigureSettings, base: BaseConfig, images: int) -> None:
    """Notes it when the zoo's own number of steps is high for so few images."""
    steps, epochs = draft.message.train_config.num_steps, _count_epochs(draft, images)
    own = settings.steps is None and settings.epochs is None and steps == base.config.message.train_config.num_steps
    if own and base.model is not None and epochs > _MANY_EPOCHS:
        draft.notes.append(f"the zoo's {steps:,} steps go through the {images} images {epochs:,.0f} times; see --steps")


def _count_epochs(draft: ConfigDraft, images: int) -> float:
    train_config = draft.message.train_config
    return float(train_config.num_steps * train_config.batch_size / images)


def _set_start(draft: ConfigDraft, settings: ConfigureSettings, base: BaseConfig) -> None:
    if settings.checkpoint == "none":
        fine_tuning.start_from_scratch(draft, "training starts from scratch, as asked for with --checkpoint none")
    elif settings.checkpoint is not None:
        addresses.refuse("--checkpoint", settings.checkpoint)  # --set gives it here, too
        fine_tuning.start_from(draft, start_checkpoints.find(Path(settings.checkpoint).expanduser().absolute()))
    elif base.folder is not None:
        fine_tuning.start_from(draft, start_checkpoints.find(base.folder.absolute()))
    elif base.keeps_checkpoint:
        fine_tuning.keep_checkpoint(draft)
    else:
        fine_tuning.start_from_scratch(draft, _explain_scratch(base))


def _assign(draft: ConfigDraft, assignment: str) -> None:
    assigned = fields.assign(draft.config, assignment)
    for switch in assigned.switches:
        reason = f"replaced by {switch.new} through --set: a config has only one {switch.oneof}"
        draft.give_reason(reason, switch.old)
        draft.notes.append(f"{switch.old}: {reason}")
    draft.give_reason(SET, assigned.path)


def _explain_scratch(base: BaseConfig) -> str:
    if base.model is None or not base.model.tarball:
        return "training starts from scratch: no checkpoint is set; use --checkpoint PATH to fine-tune one"
    return (
        f"training starts from scratch: no checkpoint of {base.model.name} in model_zoo/. To fine-tune: "
        f"odtool models pull {zoo.shorten_name(base.model.name)}, and configure again"
    )


def _choose_run(workspace: Workspace, settings: ConfigureSettings, base: BaseConfig) -> Run:
    if settings.run is None and not settings.force:
        return _find_free_run(workspace, base.run_name)
    run = workspace.run(settings.run or _spell_name(base.run_name))
    if steps := run.checkpoints():
        raise ConfigError(
            f"{run.path}: already has checkpoints up to step {max(steps)}, trained with its own pipeline.config",
            f"Configure under another name: --run {_find_free_run(workspace, run.name).name}",
        )
    if any(locks.is_held(run.job_lock(task)) for task in TASKS):
        raise ConfigError(f"{run.path}: the run is running", f"Stop it first: odtool stop {run.argument}")
    if run.pipeline_config.exists() and not settings.force:
        raise ConfigError(
            f"{run.pipeline_config}: already exists", "Use --force to replace it, or choose another name with --run."
        )
    return run


def _find_free_run(workspace: Workspace, name: str) -> Run:
    """The first of name, name_2, name_3 … that is not taken."""
    name = _spell_name(name)
    run, number = workspace.run(name), 1
    while run.path.exists():
        number += 1
        run = workspace.run(f"{name}_{number}")
    return run


def _spell_name(name: str) -> str:
    """A model's or folder's name as a run's."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "run"
