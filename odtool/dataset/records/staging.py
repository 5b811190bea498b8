"""The data folder: which one `odtool prepare` may replace, and its replacing."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from odtool import output_folder
from odtool.workspace import Dataset

_OURS = re.compile(r"dataset\.json|label_map\.pbtxt|problems\.csv|[a-z]+-\d{5,}-of-\d{5,}\.tfrecord")
_FOLD = re.compile(r"fold-[1-9]\d*")


def replacing(out: Path) -> AbstractContextManager[Path]:
    """An empty folder that takes the place of `out` when the block ends well; see `output_folder.replacing`.

    Raises:
        DataError: another process is writing there, `out` holds files that odtool did not write, or the disk refuses.
    """
    return output_folder.replacing(out, command="odtool prepare", refuse=refuse_foreign)


def refuse_foreign(out: Path) -> None:
    """Raises DataError where `out` is not a folder that odtool may replace: a data set, or folds that are data sets."""
    folds = sorted(out.glob("fold-*")) if out.is_dir() else []
    if not folds:
        output_folder.refuse_foreign(out, Dataset(out).summary.name, owned=_OURS)
        return
    output_folder.refuse_foreign(out, str(Dataset(folds[0]).summary.relative_to(out)), owned=_FOLD)
    for fold in folds:
        output_folder.refuse_foreign(fold, Dataset(fold).summary.name, owned=_OURS)
