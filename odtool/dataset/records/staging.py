"""The data folder: which one `odtool prepare` may replace, and its replacing."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from odtool import output_folder
from odtool.errors import DataError
from odtool.workspace import Dataset

_OURS = re.compile(r"dataset\.json|label_map\.pbtxt|problems\.csv|[a-z]+-\d{5,}-of-\d{5,}\.tfrecord")


def replacing(out: Path) -> AbstractContextManager[Path]:
    """An empty folder that takes the place of `out` when the block ends well; see `folders.replacing`.

    Raises:
        DataError: another process is writing there, `out` holds files that odtool did not write, or the disk refuses.
    """
    return output_folder.replacing(out, command="odtool prepare", refuse=refuse_foreign)


def refuse_foreign(out: Path) -> None:
    """Raises DataError where `out` is no folder that odtool may replace."""
    names = sorted(entry.name for entry in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if foreign:
        raise DataError(
            f"{out}: holds files that odtool did not write, such as {foreign[0]}",
            "It would replace the whole folder: name another one with --out, or move those files away.",
        )
    output_folder.refuse_foreign(out, Dataset(out).summary.name)
