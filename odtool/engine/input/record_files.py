"""The record files and label maps that a config names, here or wherever TensorFlow reads: gs://, ram:// and so on."""

from __future__ import annotations

import functools
import hashlib
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import temporary_folders
from odtool.errors import DataError, first_line
from odtool.pipeline import addresses, record_patterns


def find_files(*readers: Any) -> list[str]:
    """What the patterns of InputReader messages match, in their order, sorted within each; see `record_patterns`.

    Raises:
        DataError: an address cannot be read.
    """
    return [file for reader in readers for pattern in record_patterns.list_patterns(reader) for file in _match(pattern)]


def require_files(reader: Any) -> list[str]:
    """The files that an InputReader message names.

    Raises:
        DataError: it names no pattern, a pattern matches no file, or an address cannot be read.
    """
    record_patterns.require_files(reader)
    for pattern in filter(addresses.is_remote, record_patterns.list_patterns(reader)):
        if not _match(pattern):
            raise DataError(
                f"tf_record_input_reader.input_path: no file matches {pattern}",
                "Copy the records there, or correct it.",
            )
    return find_files(reader)


def _match(pattern: str) -> list[str]:
    if not addresses.is_remote(pattern):
        return [str(path) for path in record_patterns.match(pattern)]
    try:
        return sorted(tf.io.gfile.glob(pattern))
    except tf.errors.NotFoundError:  # of the folder
        return []
    except tf.errors.OpError as error:
        raise explain(pattern, error) from None


def explain(address: str, error: Exception) -> DataError:
    """Why an address could not be read."""
    if isinstance(error, tf.errors.UnimplementedError):
        schemes = ", ".join(f"{name}://" for name in sorted(tf.io.gfile.get_registered_schemes()) if name)
        return DataError(
            f"{address}: this TensorFlow has no file system for it; it has {schemes}",
            "Mount the storage, or copy the files here, and name them by path.",
        )
    return DataError(f"{address}: cannot be read: {first_line(error)}", "Check the address and the access to it.")


@functools.cache
def copy_label_map(path: str) -> Path:
    """A label map as a file here: itself, or a copy that lives as long as this process.

    Raises:
        DataError: an address cannot be read.
    """
    if not addresses.is_remote(path):
        return Path(path)
    copy = temporary_folders.make_until_exit() / f"{hashlib.sha256(path.encode()).hexdigest()[:8]}.pbtxt"
    try:
        tf.io.gfile.copy(path, str(copy))
    except tf.errors.OpError as error:
        raise explain(path, error) from None
    return copy


def fetch(reader: Any, folder: Path, sample: int | None) -> dict[str, Any]:
    """Copies what an InputReader message names by addresses into a folder, for those who have no TensorFlow.

    Args:
        sample: at most so many records, as many of each file; None for all.

    Returns:
        `label_map`, the path of the copy, `files`, those of the records, and `shards`, the number of files there are;
        None and no files where they are here already.

    Raises:
        DataError: an address cannot be read.
    """
    folder.mkdir(parents=True)
    label_map = folder / "label_map.pbtxt" if addresses.is_remote(reader.label_map_path) else None
    if label_map:
        shutil.copyfile(copy_label_map(reader.label_map_path), label_map)
    files = require_files(reader) if record_patterns.is_remote(reader) else []
    share = None if sample is None else -(-sample // max(len(files), 1))
    copies = []
    for number, file in enumerate(files[:sample]):
        copies.append(folder / f"{number:05d}-{Path(file).name}")
        try:
            with tf.io.TFRecordWriter(str(copies[-1])) as writer:
                for record in tf.data.TFRecordDataset(file).take(-1 if share is None else share):
                    writer.write(record.numpy())
        except tf.errors.OpError as error:
            raise explain(file, error) from None
    return {
        "label_map": str(label_map) if label_map else None,
        "files": [str(copy) for copy in copies],
        "shards": len(files),
    }
