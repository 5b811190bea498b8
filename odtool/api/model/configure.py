"""A pipeline.config for a new run, fitted to the prepared data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from odtool.api.model import trial_settings
from odtool.api.requests import Notify, RequestError, StrPath, find_workspace, ignore, refuse_below, takes
from odtool.api.tasks.engine_tasks import STEP_PRECISIONS
from odtool.api.tasks.fit_batch_size import fit_batch_size, give_reason

if TYPE_CHECKING:
    from odtool.pipeline.configure.batch_size_search import Fitted
    from odtool.pipeline.configure.configuration import Configured, ConfigureSettings
    from odtool.pipeline.text.diff import Change

__all__ = ["Assignments", "Change", "ConfigureRequest", "Configured", "Fitted", "configure"]

Assignments: TypeAlias = Mapping[str, object] | Sequence[str]
"""Values by their fields' paths, or texts such as "train_config.max_number_of_boxes=50"."""

_LARGEST_BATCH = 65536
_EXCLUSIVE = (("model", "pipeline"), ("steps", "epochs"), ("like_trial", "model"), ("like_trial", "pipeline"))
_FIELDS = {
    "batch_size": ("train_config.batch_size",),
    "steps": ("train_config.num_steps",),
    "epochs": ("train_config.num_steps", "train_config.batch_size"),
}
"""What each decides of the config, or what its figure follows from."""


@dataclass(frozen=True)
class ConfigureRequest:
    """What `odtool configure` is asked for; None and empty leave the choice to odtool."""

    model: str | None = None
    """A model of the zoo or of model_zoo/."""
    _: KW_ONLY
    like_trial: str | None = None
    """Start from the config of a tuned run, with the values of one of its trials: "best" of the newest study,
    "my_run/best", or the name of a trial's run, as "my_run-trial-003"."""
    pipeline: StrPath | None = None
    """A pipeline.config of your own, or its folder, to start from."""
    data: StrPath | None = None
    """Prepared data; data/ in the workspace by default."""
    run: str | None = None
    """Name of the new run; the model's by default."""
    batch_size: int | Literal["auto"] | None = None
    """Images a step; the learning rate is scaled with it. "auto" measures what the device's memory takes."""
    memory: str | None = None
    """With "auto": memory to use, as "6GB" or "80%"; 85% by default."""
    gpu: str | int | None = None
    """With "auto": GPU numbers as in "0" or "0,1", or "cpu"."""
    precision: str | None = None
    """With "auto": what training is to compute in, "float32" or "bfloat16"; float32 by default."""
    steps: int | None = None
    """Steps of training; the learning rate's schedule follows."""
    epochs: float | None = None
    """Passes over the training images, instead of `steps`."""
    checkpoint: StrPath | None = None
    """Checkpoint to fine-tune: a prefix or its folder; "none" starts from scratch."""
    assignments: Assignments = ()
    """Any fields of the config."""
    force: bool = False
    """Replace the config of a run that has not been trained yet."""
    dry_run: bool = False
    """Say what would change and write nothing."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        for one, other in _EXCLUSIVE:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise RequestError(one, f"cannot be given together with --{other}")
        if self.epochs is not None and not 0 < self.epochs < 1e6:
            raise RequestError("epochs", "must be more than 0")
        refuse_below("steps", self.steps, 1)
        self._check_batch_size()
        paths = [text.partition("=")[0].strip() for text in self.assignment_texts()]
        for name, decided in _FIELDS.items():
            for path in decided:
                if getattr(self, name) is not None and path in paths:
                    raise RequestError(name, f"cannot be given together with --set {path}")

    def _check_batch_size(self) -> None:
        size = self.batch_size
        if size != "auto":
            for name in ("memory", "gpu", "precision"):
                if getattr(self, name) is not None:
                    raise RequestError(name, "goes with --batch-size auto only")
        if self.precision not in (None, *STEP_PRECISIONS):
            raise RequestError("precision", f"'{self.precision}' is not {' or '.join(STEP_PRECISIONS)}")
        if size not in (None, "auto") and not (isinstance(size, int) and 1 <= size <= _LARGEST_BATCH):
            raise RequestError("batch_size", f"'{size}' is neither auto nor a number from 1 to {_LARGEST_BATCH}")

    def assignment_texts(self) -> tuple[str, ...]:
        """Each as the command line has it."""
        if isinstance(self.assignments, Mapping):
            return tuple(f"{path}={_text(value)}" for path, value in self.assignments.items())
        return tuple(self.assignments)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@takes(ConfigureRequest)
def configure(request: ConfigureRequest) -> Configured:
    """Writes a run's pipeline.config from a zoo model or a file; nothing is written when anything is wrong.

    Raises:
        ConfigError: a setting, a file or the run's name cannot be used.
        DataError: the data set is not prepared.
    """
    from odtool.pipeline.configure import configuration

    space, wishes = find_workspace(request.workspace), _wishes(request)
    if request.like_trial is not None:
        wishes = trial_settings.start_like_trial(space, wishes, request.like_trial)
    if request.batch_size != "auto":
        return configuration.configure(space, wishes)
    # What is measured is the very config that the other wishes make.
    tried = configuration.configure(space, replace(wishes, dry_run=True))
    precision = request.precision or STEP_PRECISIONS[0]
    fitted = fit_batch_size(
        tried.config,
        tried.images,
        memory=request.memory,
        gpu=request.gpu,
        precision=precision,
        notify=request.notify,
    )
    reason = give_reason(fitted, tried.images)
    configured = configuration.configure(space, replace(wishes, batch_size=fitted.batch_size, batch_reason=reason))
    if precision != STEP_PRECISIONS[0]:
        note = f"the batch size was measured in {precision}, so train in it: odtool train --precision {precision}"
        configured.notes.append(note)
    return replace(configured, measured=fitted)


def _wishes(request: ConfigureRequest) -> ConfigureSettings:
    from odtool.pipeline.configure import configuration

    return configuration.ConfigureSettings(
        model=request.model,
        pipeline=Path(request.pipeline) if request.pipeline else None,
        data=Path(request.data) if request.data else None,
        run=request.run,
        batch_size=request.batch_size if isinstance(request.batch_size, int) else None,
        steps=request.steps,
        epochs=request.epochs,
        checkpoint=None if request.checkpoint is None else str(request.checkpoint),
        assignments=request.assignment_texts(),
        force=request.force,
        dry_run=request.dry_run,
    )
