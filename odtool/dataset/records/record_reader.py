"""Records read back: TFRecord framing with its checksums, and tf.train.Example bytes as features."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.common.faults import AnnotationError
from odtool.dataset.records.framing import masked_crc

_FRAME = struct.Struct("<QI")
"""Length of the record and its checksum; the record and a checksum of its own follow."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a TFRecord file."""

    number: int
    """From 1."""
    offset: int
    """Where its data begin in the file."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one tf.train.Example by key; each is a list of one kind."""

    texts: dict[str, list[tuple[int, int]]]
    """Byte strings as offset and length within the example, so that an image is not copied."""
    floats: dict[str, list[float]]
    ints: dict[str, list[int]]


def is_tfrecord(path: Path) -> bool:
    """Whether a file begins with a record's length and the checksum of that."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(_FRAME.size)
    except OSError:
        return False
    return len(head) == _FRAME.size and masked_crc(head[:8]) == head[8:]


def read_records(path: Path, *, skipping: AbstractContextManager[bool | None] | None = None) -> Iterator[Record]:
    """The records of a file, one after the other, each checked against its checksums.

    Args:
        skipping: the block around each record's data, which may go on past the error of a damaged one.

    Raises:
        DataError: the file is no TFRecord, is cut short, or a record is damaged; says which one.
    """
    skipping = skipping or nullcontext()
    with open(path, "rb", buffering=1 << 20) as stream:
        size = os.fstat(stream.fileno()).st_size
        number, position = 1, 0
        while position < size:
            head = stream.read(_FRAME.size)
            if head[:2] == b"\x1f\x8b" and number == 1:
                hint = "Unpack it first: gunzip, or zcat FILE > NEW.tfrecord"
                raise AnnotationError(path, "compressed with gzip", hint)
            if len(head) < _FRAME.size:
                raise _damage_error(path, number, position, f"cut short: {len(head)} bytes are left")
            (length, _), position = _FRAME.unpack(head), position + _FRAME.size
            if masked_crc(head[:8]) != head[8:]:
                raise _damage_error(path, number, position - _FRAME.size, "the checksum of its length is wrong")
            if position + length + 4 > size:
                raise _damage_error(
                    path, number, position, f"cut short: {length + 4} bytes announced, {size - position} left"
                )
            data = stream.read(length)
            with skipping:
                if stream.read(4) != masked_crc(data):
                    raise _damage_error(path, number, position, "its checksum is wrong")
                yield Record(number, position, data)
            number, position = number + 1, position + length + 4


def find_extents(path: Path) -> Iterator[tuple[int, int]]:
    """Offset and length of each record's data; the frames are checked, the data are passed over.

    Raises:
        DataError: the file is no TFRecord, or is cut short.
    """
    with open(path, "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        number, position = 1, 0
        while position < size:
            head = os.pread(stream.fileno(), _FRAME.size, position)
            if len(head) < _FRAME.size or masked_crc(head[:8]) != head[8:]:
                raise _damage_error(path, number, position, "its length or the checksum of it is wrong")
            (length, _), position = _FRAME.unpack(head), position + _FRAME.size
            if position + length + 4 > size:
                raise _damage_error(
                    path, number, position, f"cut short: {length + 4} bytes announced, {size - position} left"
                )
            yield position, length
            number, position = number + 1, position + length + 4


def read_record(path: Path, number: int, offset: int, length: int) -> Record:
    """One record of those that `extents` names, checked against its checksum.

    Raises:
        DataError: it is damaged.
    """
    with open(path, "rb") as stream:
        stream.seek(offset)
        data, checksum = stream.read(length), stream.read(4)
    if checksum != masked_crc(data):
        raise _damage_error(path, number, offset, "its checksum is wrong")
    return Record(number, offset, data)


def _damage_error(path: Path, number: int, position: int, what: str) -> AnnotationError:
    return AnnotationError(
        path,
        f"record {number} (at byte {position}) is damaged: {what}",
        "Copy or write the file again; what was cut short while writing cannot be read.",
    )


def parse_features(data: bytes) -> Features:
    """Decodes an Example (tensorflow/core/example/example.proto and feature.proto).

    Raises:
        ValueError: the bytes are no Example.
    """
    features = Features({}, {}, {})
    try:
        for _, start, end in _find_messages(data, 0, len(data), 1):
            for _, entry, entry_end in _find_messages(data, start, end, 1):
                _parse_entry(data, entry, entry_end, features)
    except (IndexError, struct.error):
        raise ValueError("it ends within a field") from None
    return features


def _parse_entry(data: bytes, start: int, end: int, features: Features) -> None:
    """One entry of the map: key is field 1, the Feature is field 2; of several the last counts."""
    key = ""
    for field, start_at, end_at in _find_messages(data, start, end):
        if field == 1:
            key = data[start_at:end_at].decode("utf-8", "backslashreplace")
        elif field == 2:
            for kind, values, values_end in _find_messages(data, start_at, end_at):
                if kind == 1:
                    features.texts[key] = [(at, to - at) for _, at, to in _find_messages(data, values, values_end, 1)]
                elif kind == 2:
                    features.floats[key] = list(_parse_floats(data, values, values_end))
                elif kind == 3:
                    features.ints[key] = list(_parse_ints(data, values, values_end))


_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
"""Wire types."""


def _find_messages(data: bytes, start: int, end: int, field_number: int = 0) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of the length-delimited fields in a stretch of bytes."""
    for number, kind, where, until in _find_fields(data, start, end):
        if kind == _LENGTH and field_number in (0, number):
            yield number, where, until


def _find_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of each field's value."""
    position = start
    while position < end:
        tag, position = _parse_varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            until = _parse_varint(data, position)[1]
        elif kind == _LENGTH:
            length, position = _parse_varint(data, position)
            until = position + length
        elif kind in (_FIXED32, _FIXED64):
            until = position + (4 if kind == _FIXED32 else 8)
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if until > end:
            raise ValueError(f"a field at byte {position} reaches beyond its message")
        yield tag >> 3, kind, position, until
        position = until


def _parse_floats(data: bytes, start: int, end: int) -> Iterator[float]:
    """FloatList.value: packed, or one by one as old writers have it."""
    for number, kind, where, until in _find_fields(data, start, end):
        if number == 1 and kind in (_LENGTH, _FIXED32):
            if (until - where) % 4:
                raise ValueError(f"a list of floats at byte {where} is cut")
            yield from struct.unpack(f"<{(until - where) // 4}f", data[where:until])


def _parse_ints(data: bytes, start: int, end: int) -> Iterator[int]:
    """Int64List.value: packed, or one by one as old writers have it."""
    for number, kind, where, until in _find_fields(data, start, end):
        if number != 1 or kind not in (_LENGTH, _VARINT):
            continue
        position = where
        while position < until:
            value, position = _parse_varint(data, position)
            yield value - (1 << 64) if value >> 63 else value


def _parse_varint(data: bytes, position: int) -> tuple[int, int]:
    """The value at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise ValueError(f"a number at byte {position} does not end")
