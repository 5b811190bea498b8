"""Data sets that are packed as archives or tables. They are seen only to say how to unpack them."""

from __future__ import annotations

from pathlib import Path

from odtool.dataset.readers.common.source_folders import walk
from odtool.errors import DataError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".7z", ".rar")
_TABLES = (".parquet", ".arrow")


def refuse(path: Path) -> None:
    """Raises DataError where there is an archive or a table of a Hugging Face data set; for where no format is seen."""
    files = (
        [path] if path.is_file() else [file for folder in walk(path) for file in folder.ending(*_ARCHIVES, *_TABLES)]
    )
    for file in files:
        if file.name.lower().endswith(_ARCHIVES):
            raise DataError(f"{file}: an archive", "Unpack it, and name the folder with what was in it.")
        if file.suffix.lower() in _TABLES:
            raise DataError(
                f"{file}: a table with the images in it, which odtool does not read",
                "Write it out as images with a metadata.jsonl, with load_dataset of Hugging Face's datasets: "
                "a line of file_name and objects (bbox, category) for each image.",
            )
