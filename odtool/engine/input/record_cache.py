"""The encoded bytes of records, kept in memory once read, up to a limit; the rest is read from disk again.

Never decoded pixels, which are some 20 times larger, and nothing is ever thrown out: each record is read once an epoch,
so what has been used longest ago is what comes next. Kept are whole files, as far as they fit, and the beginning of the
first that does not. TensorFlow reads them through its own file system in memory, so order and shuffling do not change.
"""

from __future__ import annotations

import itertools
import logging
import struct
import threading
from typing import Any, Literal

import numpy as np
import psutil
import tensorflow as tf

SHARE = 1 / 2
"""Share of the available memory that a cache takes at most where no limit is given."""
_READ_BUFFER = 2**20
"""Bytes of a file that a reader holds."""
_FRAME = 16
"""Bytes around a record: its length as a little-endian uint64, and two CRCs."""
_numbers = itertools.count()

log = logging.getLogger("odtool.engine")


class RecordCache:
    """Files of records, of which up to `limit` bytes are kept; "auto" is a share of the memory available now."""

    def __init__(self, limit: int | Literal["auto"]) -> None:
        self._limit = int(psutil.virtual_memory().available * SHARE) if limit == "auto" else limit
        self._folder = f"ram://odtool-records-{next(_numbers)}"
        self._copies: dict[str, tuple[str, int, int]] = {}
        """By path: where in memory, how many bytes, and how many the file has."""
        self._lock = threading.Lock()
        self._full = False

    @property
    def size(self) -> int:
        """Bytes kept."""
        return sum(count for _, count, _ in self._copies.values())

    def records(self, path: Any) -> Any:
        """A data set of one file's records, serialized; to be given to the API in place of tf.data.TFRecordDataset."""
        names, offsets = tf.numpy_function(self._parts, [path], [tf.string, tf.int64])
        names.set_shape([None])
        offsets.set_shape([None])
        dataset = tf.raw_ops.TFRecordDatasetV2(
            filenames=names, compression_type="", buffer_size=_READ_BUFFER, byte_offsets=offsets
        )
        return tf.data.experimental.from_variant(dataset, tf.TensorSpec([], tf.string))

    def _parts(self, path: bytes) -> tuple[Any, Any]:
        """Where the file's records are to be read, one part after the other: names and first bytes."""
        name = path.decode()
        with self._lock:
            if name not in self._copies:
                self._copies[name] = self._keep(name)
            copy, end, size = self._copies[name]
        parts = ([(copy, 0)] if end else []) + ([(name, end)] if end < size or not size else [])
        return np.array([part.encode() for part, _ in parts], object), np.array([start for _, start in parts], np.int64)

    def _keep(self, name: str) -> tuple[str, int, int]:
        size = tf.io.gfile.stat(name).length
        room = self._limit - self.size
        path = f"{self._folder}/{len(self._copies)}"
        with tf.io.gfile.GFile(name, "rb") as source:
            end = size if size <= room else _measure_whole_records(source, room)
            if end:
                source.seek(0)
                # In one piece: a file in memory that grows keeps up to twice its size.
                with tf.io.gfile.GFile(path, "wb") as target:
                    target.write(source.read(end))
        if end < size and not self._full:
            self._full = True
            log.info("the record cache is full (%d MB); the other records are read from disk", self._limit // 2**20)
        return path, end, size


def _measure_whole_records(source: Any, limit: int) -> int:
    """How many of a file's first bytes, at most `limit`, end with a whole record."""
    end = 0
    while True:
        source.seek(end)
        header = source.read(8)
        if len(header) < 8:
            return end
        following = int(end + struct.unpack("<Q", header)[0] + _FRAME)
        if following > limit:
            return end
        end = following
