"""thresholds.json beside a checkpoint: for each class the score from which its detections are best taken.

odtool report finds them, exports carry them, and `odtool predict --min-score best` uses them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from odtool import __version__, checkpoint_choice, files, state_files
from odtool.detection import thresholds
from odtool.errors import DataError
from odtool.state_files import Count, Range, StateError
from odtool.workspace import ExportedModel, Run

NAME = "thresholds.json"
Score = Annotated[float, Range(0, 1)]
_LARGEST = 1 << 26
"""Bytes: of a hundred thousand classes."""


@dataclass(frozen=True)
class ClassThreshold:
    """The best threshold of one class, and what it gives at IoU .5 on the evaluation images."""

    threshold: Score
    precision: Score | None
    recall: Score | None
    f1: Score | None


@dataclass(frozen=True)
class BestThresholds:
    """Those of a checkpoint."""

    checkpoint: str
    """Its name, as ckpt-300."""
    index: str
    """SHA-256 of its .index file, which holds checksums of all weights: a checkpoint of the same name may follow."""
    images: Count
    """On which they were found."""
    classes: Mapping[str, ClassThreshold]
    """By the classes' names."""
    odtool: str = __version__

    @property
    def by_label(self) -> dict[str, float]:
        return {label: item.threshold for label, item in self.classes.items()}


def write(prefix: Path, images: int, classes: Mapping[str, ClassThreshold]) -> Path:
    """Writes those of a checkpoint beside it, in one step; gives the file.

    Raises:
        OSError: the folder cannot be written.
    """
    path = prefix.with_name(NAME)
    found = BestThresholds(prefix.name, compute_index_hash(prefix), images, classes)
    files.write_atomically(path, json.dumps(asdict(found), indent=1) + "\n")
    return path


def read(prefix: Path) -> BestThresholds | None:
    """Those of a checkpoint; None where there are none, or only those of another checkpoint.

    Raises:
        DataError: the file is damaged.
    """
    path = prefix.with_name(NAME)
    try:
        found = state_files.read(path, BestThresholds, largest=_LARGEST)
    except FileNotFoundError:
        return None
    except StateError as error:
        raise DataError(
            f"{path}: its thresholds are damaged: {error}", "Delete it and run odtool report again."
        ) from None
    own = found.checkpoint == prefix.name and found.index == compute_index_hash(prefix)
    return found if own else None


def compute_index_hash(prefix: Path) -> str:
    """SHA-256 of a checkpoint's .index file."""
    return hashlib.sha256(prefix.with_name(f"{prefix.name}.index").read_bytes()).hexdigest()


def require(model: Path, scores: Sequence[str]) -> None:
    """Looks for those of a run's or a checkpoint's path, where 'best' is among the scores: before seconds of loading.

    Exported files carry their own, and say so themselves.

    Raises:
        DataError: odtool report has not found them for the checkpoint that would be taken.
        JobError: the run has no checkpoint.
    """
    run = Run(model if model.is_dir() else model.parent)
    is_prefix = model.with_name(f"{model.name}.index").is_file()
    is_run = run.pipeline_config.is_file() and not ExportedModel(model).record.is_file()
    if thresholds.BEST not in scores or not (is_prefix or (model.is_dir() and is_run)):
        return
    prefix = model if is_prefix else checkpoint_choice.find(run)
    if read(prefix) is None:
        wanted = f"RUN --checkpoint {prefix}" if is_prefix else run.argument
        raise DataError(
            f"--min-score best: odtool report has not found thresholds for {prefix}",
            f"Find them: odtool report {wanted}",
        )
