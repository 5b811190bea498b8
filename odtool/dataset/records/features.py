"""Features of a tf.train.Example as bytes, in protobuf's wire format, without TensorFlow.

Each is an entry of the map Features.feature (tensorflow/core/example/feature.proto); entries stand in any order, one
after the other. Tags are (field number << 3 | 2) for everything length-delimited, which all of an Example is but the
values of an Int64List, and those are packed varints.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache


def encode_varint(value: int) -> bytes:
    if value < 0x80:
        return _SMALL[value]
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SMALL = [bytes((value,)) for value in range(0x80)]


@cache
def _encode_key(key: bytes) -> bytes:
    """The key of a map entry: its field 1."""
    return b"\x0a" + encode_varint(len(key)) + key


def _encode_entry(key: bytes, feature: bytes) -> bytes:
    """One entry of the map Features.feature (field 1): the key, and the Feature as field 2."""
    entry = _encode_key(key) + b"\x12" + encode_varint(len(feature)) + feature
    return b"\x0a" + encode_varint(len(entry)) + entry


def encode_opening(key: bytes, length: int) -> bytes:
    """All that stands before the one value, `length` bytes long, of a BytesList in a Feature in an entry."""
    result = b""
    for tag in (b"\x0a", b"\x0a", b"\x12"):
        result = tag + encode_varint(len(result) + length) + result
    result = _encode_key(key) + result
    return b"\x0a" + encode_varint(len(result) + length) + result


_usual_opening = lru_cache(maxsize=1024)(encode_opening)


def encode_byte_string(key: bytes, value: bytes) -> bytes:
    """A BytesList of one value, short enough that others have its length, too."""
    return _usual_opening(key, len(value)) + value


def encode_byte_strings(key: bytes, values: Iterable[bytes]) -> bytes:
    """A BytesList."""
    data = b"".join([b"\x0a" + encode_varint(len(value)) + value for value in values])
    return _encode_entry(key, b"\x0a" + encode_varint(len(data)) + data)


def encode_utf8(text: str) -> bytes:
    """File names that are not UTF-8 on disk come as lone surrogates; the decoder wants valid text."""
    return text.encode("utf-8", "backslashreplace")


# Classes, flags and sizes are the same for many images, and encoding them again took a tenth of all the time.


@lru_cache(maxsize=1024)
def encode_texts(key: bytes, values: tuple[str, ...]) -> bytes:
    """A BytesList of UTF-8."""
    return encode_byte_strings(key, [encode_utf8(value) for value in values])


@lru_cache(maxsize=1024)
def encode_ints(key: bytes, values: tuple[int, ...]) -> bytes:
    """An Int64List. Values are never negative here: sizes, ids and flags."""
    return _encode_entry(key, _pack(b"\x1a", b"".join([encode_varint(value) for value in values])))


def encode_floats(keys: tuple[bytes, ...], columns: Sequence[Sequence[float]]) -> bytes:
    """FloatLists of the same length, one a key."""
    layout, before = _lay_out_floats(keys, len(columns[0]))
    values: list[bytes | float] = []
    for opened, column in zip(before, columns, strict=True):
        values.append(opened)
        values.extend(column)
    return layout.pack(*values)


@lru_cache(maxsize=1024)
def _lay_out_floats(keys: tuple[bytes, ...], count: int) -> tuple[struct.Struct, list[bytes]]:
    """How `count` values a key are packed together, and what stands before those of each."""
    size = 4 * count
    entries = [_encode_entry(key, _pack(b"\x12", bytes(size))) for key in keys]
    before = [entry[: len(entry) - size] for entry in entries]
    return struct.Struct("<" + "".join([f"{len(opened)}s{count}f" for opened in before])), before


def _pack(tag: bytes, data: bytes) -> bytes:
    """A FloatList or Int64List with its values packed, as the Feature's field of that tag."""
    values = b"\x0a" + encode_varint(len(data)) + data if data else b""
    return tag + encode_varint(len(values)) + values
