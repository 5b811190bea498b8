"""Which model predicts: a run's, a checkpoint or an exported file; where its run was, and what else it finds."""

from __future__ import annotations

from pathlib import Path

from odtool.api.requests import StrPath, describe_move
from odtool.errors import JobError, OdtoolError
from odtool.workspace import Run, Workspace


def find(space: Workspace, wanted: StrPath | Run | None) -> Path:
    """The path of what is named: a run first, else what lies there.

    Raises:
        JobError: there is neither.
    """
    if wanted is None:
        return space.find_run(None).path
    if isinstance(wanted, Run):
        return wanted.path
    runs = {run.name: run.path for run in space.runs()}
    if str(wanted) in runs:
        return runs[str(wanted)]
    path = Path(wanted)
    if path.exists() or path.with_name(f"{path.name}.index").is_file():
        return path.absolute()
    known = ", ".join(list(runs)[-5:]) or "none yet"
    raise JobError(
        f"--model {wanted}: no run in {space.train} and no file or folder has this name",
        f"Runs there: {known}. Or give the path of an exported model.",
    )


def name_other_outputs(model: Path) -> str:
    """What a model finds beside what is written, by the pipeline.config of its folder; empty where there is none."""
    from odtool.pipeline.text import heads
    from odtool.pipeline.text.facts import read_facts

    place = Run(model if model.is_dir() else model.parent).pipeline_config
    try:
        learned = heads.find_learned(read_facts(place)) if place.is_file() else ()
        # The API's TFLite graph has boxes only, whatever the model finds.
        return " and ".join(name for name in learned if name != heads.MASKS or model.suffix == ".tflite")
    except OdtoolError:  # the engine says so, where it matters
        return ""


def describe_move_of_run(model: Path) -> str:
    """Where the run of a model was when it was configured, if that was elsewhere; else empty."""
    # A run, or a checkpoint in it or in its best/; an exported file is no folder that could have a config.
    folders = filter(Path.is_dir, (model, *model.parents[:2]))
    return next(filter(None, map(describe_move, map(Run, folders))), "")
