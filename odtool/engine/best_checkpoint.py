"""The folder best/: the checkpoint with the best evaluation and what it scored, replaced whole by one rename."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from odtool import files
from odtool.engine import checkpoint_scores, checkpoints
from odtool.metrics import Metric
from odtool.workspace import Run

log = logging.getLogger("odtool.engine")

_INCOMING, _OUTGOING = ".best.incoming", ".best.outgoing"
"""Folders of the run: what is to become best/, and what was it."""
_OWN = re.compile(r"ckpt-\d+\.(index|data-\d+-of-\d+)|\.saving|checkpoint|metrics\.json|\.(checkpoint|metrics)\..*")
"""Names of what is written into best/; a file of any other name is somebody's, and stays."""


def keep(run: Run, prefix: Path, step: int, values: Mapping[str, Any]) -> Path | None:
    """Puts a checkpoint and what it scored into best/, in place of whatever is there.

    Killed at any moment, best/ is the old one whole or the new one whole, on a file system that can exchange two names;
    on another it may be missing until the next evaluation begins.

    Args:
        prefix: of a checkpoint of the run, which may be the one in best/ already.
        step: the steps it has done.
        values: what metrics.json is to say.

    Returns:
        Its prefix in best/; None where training has deleted it meanwhile, which leaves best/ as it is.

    Raises:
        OSError: it cannot be written, as on a full disk; best/ is as it was, and nothing is left beside it.
    """
    recover(run)
    incoming, outgoing = run.path / _INCOMING, run.path / _OUTGOING
    incoming.mkdir()
    try:
        if not _gather(prefix, incoming):
            shutil.rmtree(incoming)
            return None
        checkpoints.write_state(incoming, [prefix.name])
        checkpoint_scores.write_best(incoming / run.best_metrics.name, step, values)
        files.sync(incoming)
        files.replace_folder(incoming, run.best, outgoing)
    except OSError:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    files.sync(run.path)
    recover(run)
    return run.best / prefix.name


def find_standing(run: Run, entries: Sequence[Metric]) -> Metric | None:
    """What the checkpoint in best/ has scored; None where there is none, or where it was trained again since.

    A process killed after best/ was replaced has not written its line into metrics.jsonl: metrics.json says it then.
    """
    prefix = run.best_checkpoint()
    if prefix is None:
        return None
    name = f"{run.best.name}/{prefix.name}"
    line = checkpoint_scores.find_best(entries)
    if line is not None and line.values.get("checkpoint") == name:
        return line
    kept = checkpoint_scores.read_best(run.best_metrics)
    if kept is None or kept.values.get("checkpoint") != name:
        return None
    again = any(entry.kind == "start" and entry.time > kept.time and entry.step < kept.step for entry in entries)
    return None if again else kept


def recover(run: Run) -> None:
    """Clears up after a `keep` that was killed; to be called by the run's evaluation alone."""
    incoming, outgoing = run.path / _INCOMING, run.path / _OUTGOING
    if os.path.lexists(outgoing) and not os.path.lexists(run.best):
        outgoing.rename(run.best)
    for leftover in (incoming, outgoing):
        try:
            _remove(leftover, run)
        except PermissionError:  # somebody else's, as after one evaluation as root
            aside = next(name for number in count(1) if not os.path.lexists(name := run.path / f"best.old-{number}"))
            leftover.rename(aside)
            log.warning("what was best/ before cannot be removed, as it is another user's; it is %s now", aside)


def _remove(leftover: Path, run: Run) -> None:
    """Removes what was at the name best/, without what is not of odtool, which moves into the new one."""
    if leftover.is_symlink():
        leftover.unlink()
    elif leftover.is_dir():
        for path in leftover.iterdir():
            if not _OWN.fullmatch(path.name):
                path.replace(run.best / path.name)
        shutil.rmtree(leftover)
    elif leftover.exists():
        leftover.replace(run.best / run.best.name)


def _gather(prefix: Path, target: Path) -> bool:
    """Whether all files of a checkpoint are in `target` now. Deleting begins with the .index, so that comes last."""
    data = list(prefix.parent.glob(f"{prefix.name}.data-*"))
    try:
        for path in [*data, prefix.with_name(f"{prefix.name}.index")]:
            _link_or_copy(path, target / path.name)
            files.sync(target / path.name)
    except FileNotFoundError:
        return False
    return bool(data)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        # Some file systems (exFAT, some network shares) have no hard links.
        shutil.copy2(source, target)
