"""The data folder: which one `odtool prepare` may replace, and its replacing."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from odtool import output_folder
from odtool.workspace import Dataset

_OURS = re.compile(r"dataset\.json|label_map\.pbtxt|problems\.csv|[a-z]+-\d{5,}-of-\d{5,}\.tfrecord")


def replacing(out: Path) -> AbstractContextManager[Path]:
    """An empty folder that takes the place of `out` when the block ends well; see `output_folder.replacing`.

    Raises:
        DataError: another process is writing there, `out` holds files that odtool did not write, or the disk refuses.
    """
    return output_folder.replacing(out, command="odtool prepare", refuse=refuse_foreign)


def refuse_foreign(out: Path) -> None:
    """Raises DataError where `out` is not a folder that odtool may replace."""
    output_folder.refuse_foreign(out, Dataset(out).summary.name, owned=_OURS)
