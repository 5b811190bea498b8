"""The part of the records that one of several processes of a training reads: each record is one process's own.

The API (builders/dataset_builder.py) gives each process a share of the files after each has shuffled them for itself,
so that some are read twice and others never, and a process left without a file would wait for ever.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from odtool.engine.input.record_files import find_files
from odtool.pipeline.record_patterns import escape

FileReader = Callable[[Any], Any]
"""Makes a data set of a file's records."""


def assign_part(reader: Any, read_file: FileReader, *, count: int, index: int) -> tuple[Any, FileReader]:
    """Whole files where all processes get as many, else every record whose place in its file is the process's.

    Args:
        reader: an InputReader message; not changed.
        count: processes.
        index: which of them this is.

    Returns:
        The message and the function for this process.
    """
    files = sorted(set(find_files(reader)))
    if len(files) % count:
        return reader, lambda path: read_file(path).shard(count, index)
    reader = copy.deepcopy(reader)
    reader.tf_record_input_reader.input_path[:] = [escape(file) for file in files[index::count]]
    return reader, read_file
