"""Documents as data, and those that are refused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.datasets.yolo import yolo_layout
from odtool.dataset.readers.records.hf_imagefolder import hf_card
from odtool.errors import DataError

YAML = Path("data.yaml")
BOMB = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}' if n else 'x'] * 10)}]\n" for n in range(9))


@pytest.mark.parametrize("text", [f"{BOMB}train: x\nnames: [*a8]\n", "a: &a [*a]\n", "a: &a {b: [*a, *a]}\n"])
def test_a_yaml_whose_aliases_expand_without_end_is_refused_in_a_few_words(text: str) -> None:
    with pytest.raises(DataError) as error:
        yolo_layout.parse_yaml_layout(text.encode(), YAML)
    assert "data.yaml:1: YAML whose aliases stand for more than" in error.value.message
    with pytest.raises(DataError, match="aliases"):
        hf_card.parse_card(f"---\n{text}---\n".encode(), YAML)


def test_aliases_that_stand_for_little_are_read_and_so_is_much_without_any() -> None:
    assert parsing.parse_yaml(b"a: &a [x, y]\nb: *a\n", YAML) == {"a": ["x", "y"], "b": ["x", "y"]}
    names = [f"class{number}" for number in range(5000)]
    assert parsing.parse_yaml(f"names: [{', '.join(names)}]".encode(), YAML) == {"names": names}
    assert parsing.parse_yaml(b"", YAML) is None
    assert parsing.parse_yaml(b"- {a: x}\n- {a: y}\n", YAML) == [{"a": "x"}, {"a": "y"}]


def test_a_list_in_place_of_a_name_is_not_printed() -> None:
    with pytest.raises(DataError) as error:
        yolo_layout.parse_yaml_layout(f"train: x\nnames: [[{'x, ' * 1000}y]]".encode(), YAML)
    assert "names: 0" in error.value.message
    assert len(error.value.message) < 100


def test_json_lines_are_not_called_broken_json() -> None:
    path = Path("a.json")
    with pytest.raises(DataError, match=r"a.json:2: JSON Lines \(a document a line\)"):
        parsing.parse_json(b'{"a": 1}\n{"a": 2}\n', path)
    with pytest.raises(DataError, match=r"a.json:1: broken JSON: Extra data"):
        parsing.parse_json(b'{"a": 1} x', path)


def test_words_are_found_across_the_pieces_of_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5 + b'"images"' + b"y" * 9 + b'"annotations"' + b"z" * 9)
    for size in range(1, 40):
        monkeypatch.setattr(parsing, "_LONG_PIECE", size)
        words = (b'"images"', b'"absent"', b'"annotations"')
        assert parsing.find_words(tmp_path / "a", words) == [True, False, True]
    assert parsing.find_words(tmp_path, [b"a"]) == parsing.find_words(tmp_path / "absent", [b"a"]) == [False]


def test_what_is_kept_of_a_files_ends_is_not_taken_for_those_of_a_changed_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for age in (0, 10):
        for text in (b"first", b"other"):
            file.write_bytes(text)
            os.utime(file, ns=(time.time_ns(), time.time_ns() - age * 10**9))
            assert parsing.read_ends(file) == text
    assert parsing.read_ends(tmp_path) == b""


def test_a_files_ends_are_read_once_as_long_as_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"text")
    os.utime(file, (0, 0))
    assert parsing.read_ends(file) == b"text"
    monkeypatch.setattr(parsing, "open_regular", None)  # nothing can be opened by it
    assert parsing.read_ends(file) == b"text"


def test_pipes_and_devices_are_neither_waited_for_nor_read_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.xml")
    for path, what in ((tmp_path / "a.xml", "a named pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(DataError, match=f"it is {what}, not a file"):
            parsing.read_bytes(path)


def test_a_file_that_is_read_in_pieces_is_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_bytes(b"text")
    with parsing.open_binary(tmp_path / "a") as stream:
        assert stream.read() == b"text"
    for name, says in (("pipe", "it is a named pipe"), ("absent", "no such file"), (".", "no such file")):
        with pytest.raises(DataError, match=says), parsing.open_binary(tmp_path / name):
            pass
