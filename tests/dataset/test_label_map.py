"""label_map.pbtxt read, checked and written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset import label_map
from odtool.errors import DataError

PATH = Path("map.pbtxt")


def ids(text: str) -> dict[str, int]:
    return {item.name: item.id for item in label_map.parse(text, PATH)}


@pytest.mark.parametrize(
    "text",
    [
        "item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 2\n  name: 'dog'\n}\n",
        'item{id:1 name:"cat"}item{id:2 name:"dog"}',
        "item: { name: 'cat', id: 1 };\nitem: { name: 'dog'; id: 2 }",
        "# classes\nitem { # first\n id: 1 name: 'cat' } item < id: 2 name: 'do' 'g' >",
        "item { name: 'cat' id: 1 keypoints { id: 7 label: 'nose' } ancestor_ids: [3, 4] }\nitem { id: 2 name: 'dog' }",
        "item { id: 2 name: 'dog' display_name: 'Dog' }\nitem { id: 1 name: 'cat' frequency: COMMON }",
        "item { id: 1 display_name: 'cat' } item { id: 2 display_name: 'dog' }",
        "item { id: 0x1 name: '\\143at' } item { id: 2 name: 'd\\u006fg' }",
    ],
)
def test_the_forms_that_people_write_are_read(text: str) -> None:
    assert list(ids(text).items()) == [("cat", 1), ("dog", 2)]


def test_ids_may_have_gaps_as_those_of_the_api_s_own_maps() -> None:
    classes = {"person": 1, "bicycle": 2, "traffic light": 10, "stop sign": 13, "toothbrush": 90}
    assert ids(label_map.dump(classes)) == classes
    assert label_map.describe_gaps(classes.values()) == "3 to 9, 11 to 12, 14 to 89"
    assert label_map.describe_gaps([1, 2, 3]) == ""
    assert label_map.describe_gaps(range(2, 40, 2)).endswith("17, 19, …")


def test_the_background_may_have_id_0_and_is_no_class() -> None:
    assert ids("item { id: 0 name: 'background' } item { id: 1 name: 'cat' }") == {"cat": 1}
    assert ids("item { id: 0 name: '/m/0' display_name: 'background' } item { id: 1 name: 'cat' }") == {"cat": 1}


def test_people_read_display_names(tmp_path: Path) -> None:
    path = tmp_path / "map.pbtxt"
    path.write_text("item { id: 2 name: '/m/01g317' display_name: 'person' } item { id: 1 name: 'cat' }")
    assert label_map.labels(path) == {1: "cat", 2: "person"}


def test_display_names_are_written_where_they_are_given() -> None:
    text = label_map.dump({"/m/1": 1, "dog": 2}, {"/m/1": 'the "Cat"'})
    assert [(item.id, item.name, item.display_name) for item in label_map.parse(text, PATH)] == [
        (1, "/m/1", 'the "Cat"'),
        (2, "dog", "dog"),
    ]
    assert text.count("display_name") == 1


def test_display_names_that_stand_for_two_classes_tell_nothing() -> None:
    shown = {"a": "cat", "b": "c", "c": "C", "d": "bird", "e": "bird", "f": "f", "g": ""}
    text = "".join(f"item {{ id: {i} name: '{n}' display_name: '{s}' }}" for i, (n, s) in enumerate(shown.items(), 1))
    assert label_map.display_names(label_map.parse(text, PATH)) == {"a": "cat", "c": "C"}


def test_display_names_are_kept_beside_names() -> None:
    (item,) = label_map.parse("item { name: '/m/01yrx' id: 1 display_name: 'Cat' }", PATH)
    assert (item.name, item.display_name) == ("/m/01yrx", "Cat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("item { id: 0 name: 'cat' }", "map.pbtxt:1: item 'cat' has id 0"),
        ("item { id: -1 name: 'cat' }", "map.pbtxt:1: item 'cat' has id -1"),
        ("item { id: 1 name: 'a' }\nitem { id: 2147483648 name: 'b' }", "map.pbtxt:2: item 'b' has id 2147483648"),
        ("item { id: 0 name: 'background' }", "no item"),
        ("item { id: 1 name: 'a' }\n\nitem { id: 1 name: 'b' }", "map.pbtxt:3: item 'b' has id 1, like 'a' in line 1"),
        ("item { id: 1 name: 'a' }\nitem { id: 2 name: 'a' }", "map.pbtxt:2: item 'a' appears twice"),
        ("item { name: 'a' }", "map.pbtxt:1: item 'a' has no id"),
        ("item { id: 1 }", "map.pbtxt:1: this item has no name"),
        ("item { id: one name: 'a' }", "id is 'one'"),
        ("item { id: 1 name: 'a'", "never closed"),
        ("item { id: 1 name: 'a'\nitem { id: 2 name: 'b' } }\nfoo", "map.pbtxt:3"),
        ("item { id: 1 name: 'a'\n id: 2 name: 'b' }", "map.pbtxt:2: broken label map: 'id' is given twice"),
        ("item { id: 1 name: 'it's' }", "cannot read"),
        ("{ 'cat': 1 }", "expected 'item {'"),
        ("", "no item"),
        ("item " + "{ a " * 100, "too deeply"),
    ],
)
def test_a_map_that_would_train_wrongly_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        label_map.parse(text, PATH)
    assert says in error.value.message
    assert error.value.hint


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "0" * 3000, "-" + "1" * 21])
def test_an_id_without_end_is_refused(number: str) -> None:
    with pytest.raises(DataError, match=r"map:1: broken label map: id is '.{20}…', of \d+ characters") as error:
        label_map.parse(f"item {{ id: {number} name: 'a' }}", Path("map"))
    assert len(error.value.message) < 200


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such label map"):
        label_map.load(tmp_path / "absent.pbtxt")


@given(st.lists(st.text(min_size=1), unique=True, min_size=1))
def test_what_is_written_is_read_back(names: list[str]) -> None:
    expected = {name.encode("utf-8", "replace").decode(): 3 * number for number, name in enumerate(names, start=1)}
    assert ids(label_map.dump(expected)) == expected


@given(st.text(alphabet="item{}<>:'\"\\ nameid0123#\n[],x") | st.text())
def test_any_text_is_a_map_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        assert label_map.parse(text, PATH)


def test_what_is_no_file_or_has_no_end_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe.pbtxt", tmp_path / "large.pbtxt"
    os.mkfifo(pipe)
    large.touch()
    os.truncate(large, 1 << 30)
    for path, fault in (
        (pipe, "a named pipe, not a file"),
        (tmp_path, "a folder, not a file"),
        (Path("/dev/zero"), "a device, not a file"),
        (large, "1,073,741,824 bytes, where at most 67,108,864 are expected"),
    ):
        with pytest.raises(DataError, match=f"not a label map: it (is|has) {fault}"):
            label_map.load(path)


@pytest.mark.parametrize(
    "text", ["{0}", "item {{ '{0}' }}", "item {{ {0} }}", "item {{ id: '{0}' name: 'a' }}", "'{0}"]
)
def test_no_more_of_a_file_is_shown_than_its_fault_takes(text: str) -> None:
    with pytest.raises(DataError) as error:
        label_map.parse(text.format("secret" * 50), Path("map.pbtxt"))
    assert "secret" in error.value.message
    assert error.value.message.count("secret") <= 3
