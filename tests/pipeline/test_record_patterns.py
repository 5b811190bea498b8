"""Patterns that TensorFlow's glob takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.pipeline import record_patterns


@pytest.mark.parametrize("name", ["plain", "a [b] c", "st*r?", "{x,y}", "back\\slash", "[!a]", "ümlaut"])
def test_shards_are_found_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shards = [folder / f"train-{index:05d}-of-00002.tfrecord" for index in range(2)]
    for shard in [*shards, folder / "val-00000-of-00002.tfrecord", folder / "train-00000-of-00003.tfrecord"]:
        shard.touch()
    assert record_patterns.matches([record_patterns.pattern(folder, "train", 2)]) == shards


def test_tensorflows_escapes_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a[b]").touch()
    assert record_patterns.matches([f"{tmp_path}/a\\[b\\]"]) == [tmp_path / "a[b]"]


def test_brackets_are_escaped_as_tensorflow_wants_it() -> None:
    # Measured with tf.io.gfile.glob of TensorFlow 2.20.
    assert record_patterns.escape(Path("/a [b]/c?*\\d")) == "/a [[]b]/c[?][*]\\\\d"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=10))
def test_an_escaped_path_has_no_bare_pattern_left(name: str) -> None:
    escaped = record_patterns.escape(Path("/", name))
    for escape in ("[*]", "[?]", "[[]", "\\\\"):
        escaped = escaped.replace(escape, "")
    assert not set(escaped) & set("*?[\\")
