"""Patterns that TensorFlow's glob takes; tests/engine/input/test_record_files.py holds them against the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.errors import DataError
from odtool.pipeline import record_patterns
from odtool.pipeline.text import messages


@pytest.mark.parametrize("name", ["plain", "a [b] c", "st*r?", "{x,y}", "back\\slash", "[!a]", "ümlaut"])
def test_shards_are_found_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shards = [folder / f"train-{index:05d}-of-00002.tfrecord" for index in range(2)]
    for shard in [*shards, folder / "val-00000-of-00002.tfrecord", folder / "train-00000-of-00003.tfrecord"]:
        shard.touch()
    assert record_patterns.match(record_patterns.build_pattern(folder, "train", 2)) == shards


def test_tensorflows_escapes_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a[b]").touch()
    assert record_patterns.match(f"{tmp_path}/a\\[b\\]") == [tmp_path / "a[b]"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.record", [".hidden.record", "a.record", "b.record"]),
        ("[^a].record", ["b.record"]),
        ("[!a].record", ["b.record"]),
        ("*/c.record", ["below/c.record"]),
        ("a.record/*", []),
        ("none/*", []),
        ("", []),
    ],
)
def test_files_are_found_as_tensorflow_finds_them(tmp_path: Path, pattern: str, names: list[str]) -> None:
    (tmp_path / "below").mkdir()
    for name in (".hidden.record", "a.record", "b.record", "below/c.record"):
        (tmp_path / name).touch()
    assert record_patterns.match(f"{tmp_path}/{pattern}" if pattern else "") == [tmp_path / name for name in names]


def test_a_reader_names_its_files_in_the_order_of_its_patterns(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    reader = messages.messages("input_reader").InputReader()
    reader.tf_record_input_reader.input_path.extend([f"{tmp_path}/c", f"{tmp_path}/[ab]"])
    assert [file.name for file in record_patterns.find_files(reader)] == ["c", "a", "b"]
    assert record_patterns.require_files(reader) == record_patterns.find_files(reader)
    assert record_patterns.find_files() == []


def test_a_pattern_without_a_file_is_named(tmp_path: Path) -> None:
    reader = messages.messages("input_reader").InputReader()
    with pytest.raises(DataError, match="names no records"):
        record_patterns.require_files(reader)
    (tmp_path / "a").touch()
    reader.tf_record_input_reader.input_path.extend([f"{tmp_path}/a", f"{tmp_path}/b*"])
    with pytest.raises(DataError, match=r"no file matches .*/b\*"):
        record_patterns.require_files(reader)


def test_brackets_are_escaped_as_tensorflow_wants_it() -> None:
    # Measured with tf.io.gfile.glob of TensorFlow 2.20.
    assert record_patterns.escape(Path("/a [b]/c?*\\d")) == "/a [[]b]/c[?][*]\\\\d"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=10))
def test_an_escaped_path_has_no_bare_pattern_left(name: str) -> None:
    escaped = record_patterns.escape(Path("/", name))
    for escape in ("[*]", "[?]", "[[]", "\\\\"):
        escaped = escaped.replace(escape, "")
    assert not set(escaped) & set("*?[\\")
