"""Which files a reader's patterns name, by TensorFlow's own glob: as the API finds them, on any file system."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from odtool.errors import DataError


def find(reader: Any) -> list[str]:
    """Names of the files, each once, sorted; an empty list where there are none.

    Args:
        reader: an InputReader message.
    """
    patterns = reader.tf_record_input_reader.input_path
    return sorted({name for pattern in patterns for name in tf.io.gfile.glob(pattern)})


def require(reader: Any) -> list[str]:
    """As `find`; each pattern must name a file.

    Raises:
        DataError: a pattern names none, or there is no pattern.
    """
    patterns = reader.tf_record_input_reader.input_path
    if not patterns:
        raise DataError(
            "the pipeline.config names no records (tf_record_input_reader.input_path)",
            "Name them, or write the config again: odtool configure",
        )
    for pattern in patterns:
        if not tf.io.gfile.glob(pattern):
            raise DataError(f"{pattern}: no such records", "Make them with: odtool prepare SOURCE")
    return find(reader)
