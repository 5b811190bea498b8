"""The framing of TFRecord files: each record's length and data, with a masked checksum of both."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def frame_pieces(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """A record as it stands in a file: length, masked CRC of it, the data's pieces, masked CRC of these."""
    length = struct.pack("<Q", sum(map(len, pieces)))
    return (length, masked_crc(length), *pieces, masked_crc(*pieces))


def frame(record: bytes) -> bytes:
    """A whole record as it stands in a file."""
    return b"".join(frame_pieces((record,)))


def masked_crc(*pieces: bytes) -> bytes:
    """CRC32C of all the pieces, rotated and shifted as tensorflow/core/lib/hash/crc32c.h masks it."""
    import google_crc32c

    crc = 0
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
