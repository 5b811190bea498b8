"""Files that the patterns of a reader name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.errors import DataError


def reader(*patterns: str) -> Any:
    from object_detection.protos import input_reader_pb2

    message = input_reader_pb2.InputReader()
    message.tf_record_input_reader.input_path.extend(patterns)
    return message


@pytest.mark.usefixtures("api")
def test_a_file_that_two_patterns_name_counts_once(tmp_path: Path) -> None:
    from odtool.engine.input import record_files

    paths = [str(tmp_path / f"{split}-{number}") for split in ("train", "val") for number in range(2)]
    for path in paths:
        Path(path).touch()
    message = reader(f"{tmp_path}/val-*", f"{tmp_path}/train-*", f"{tmp_path}/train-1")
    assert record_files.find(message) == record_files.require(message) == paths


@pytest.mark.usefixtures("api")
def test_a_pattern_without_files_is_named_and_so_is_a_reader_without_patterns(tmp_path: Path) -> None:
    from odtool.engine.input import record_files

    (tmp_path / "train-0").touch()
    message = reader(f"{tmp_path}/train-*", f"{tmp_path}/gone-*")
    assert record_files.find(message) == [str(tmp_path / "train-0")]
    with pytest.raises(DataError, match=r"gone-\*: no such records"):
        record_files.require(message)
    with pytest.raises(DataError, match="names no records"):
        record_files.require(reader())
