"""Documents as data, and those that are refused."""

from __future__ import annotations

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
