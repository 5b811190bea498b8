"""Records read back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.records import record_reader
from odtool.dataset.records.framing import frame
from odtool.errors import DataError


@pytest.fixture(scope="module")
def example_bytes(example_message: Any) -> bytes:
    """An Example with all three kinds of lists, as protobuf's own library writes it."""
    message = example_message()
    features = message.features.feature
    features["t"].byteslist.value.extend([b"one", b"", "zwölf".encode()])
    features["f"].floatlist.value.extend([0.5, -2.0, 3.0])
    features["i"].int64list.value.extend([0, 300, -1, 2**62])
    features["none"].byteslist.SetInParent()
    return bytes(message.SerializeToString())


def test_all_kinds_of_features_are_decoded(example_bytes: bytes) -> None:
    found = record_reader.parse_features(example_bytes)
    texts = [example_bytes[at : at + length] for at, length in found.texts["t"]]
    assert texts == [b"one", b"", "zwölf".encode()]
    assert found.floats == {"f": [0.5, -2.0, 3.0]}
    assert found.ints == {"i": [0, 300, -1, 2**62]}
    assert found.texts["none"] == []


def test_numbers_that_are_not_packed_are_decoded_too() -> None:
    floats = b"\x0d\x00\x00\x00\x3f\x0d\x00\x00\x80\x3f"  # two fixed32 fields
    ints = b"\x08\x07\x08\xac\x02"  # two varint fields
    entries = b"".join(
        b"\x0a" + bytes([len(entry)]) + entry
        for entry in (
            b"\x0a\x01f\x12" + bytes([len(floats) + 2]) + b"\x12" + bytes([len(floats)]) + floats,
            b"\x0a\x01i\x12" + bytes([len(ints) + 2]) + b"\x1a" + bytes([len(ints)]) + ints,
        )
    )
    found = record_reader.parse_features(b"\x0a" + bytes([len(entries)]) + entries)
    assert found.floats == {"f": [0.5, 1.0]}
    assert found.ints == {"i": [7, 300]}


def test_records_come_with_their_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.record"
    path.write_bytes(frame(b"one") + frame(b"") + frame(b"three"))
    assert record_reader.is_tfrecord(path)
    found = list(record_reader.read_records(path))
    assert [(record.number, record.data) for record in found] == [(1, b"one"), (2, b""), (3, b"three")]
    assert path.read_bytes()[found[2].offset :].startswith(b"three")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (frame(b"one") + frame(b"two")[:-1], r"a.record: record 2 \(at byte 31\) is damaged: cut short"),
        (frame(b"one") + frame(b"two")[:5], r"record 2 \(at byte 19\) is damaged: cut short: 5 bytes"),
        (frame(b"one") + frame(b"two").replace(b"two", b"tow"), "record 2 .* its checksum is wrong"),
        (b"x" + frame(b"one"), "record 1 .* the checksum of its length is wrong"),
        (b"\x1f\x8b\x08" + b"0" * 20, "a.record: compressed with gzip"),
    ],
)
def test_a_damaged_file_is_refused_with_the_record(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.record"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says):
        list(record_reader.read_records(path))


@given(st.data())
def test_mutated_bytes_are_features_or_a_value_error(example_bytes: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(example_bytes)))
    cut = data.draw(st.integers(0, 4))
    with suppress(ValueError):
        record_reader.parse_features(example_bytes[:at] + data.draw(st.binary(max_size=4)) + example_bytes[at + cut :])
