"""Hugging Face image folders."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.records.hf_imagefolder import hf_card, hf_imagefolder
from odtool.dataset.types import AnnotatedImage, Box, Problem, Source
from odtool.errors import DataError

PATH = Path("metadata.jsonl")
CARD = """---
license: mit
dataset_info:
- config_name: default
  features:
  - name: image
    dtype: image
  - name: objects
    sequence:
    - name: colour
      dtype:
        class_label:
          names: [red, green]
    - name: category
      dtype:
        class_label:
          names:
            '0': cat
            '1': no
---
# A set
"""


def parse(row: Any, names: dict[int, str] | None = None) -> Any:
    problems: list[tuple[str, str]] = []
    content = json_lines.parse_row(json.dumps(row).encode(), PATH, 3)
    return *hf_imagefolder.parse(content, PATH, 3, names or {}, problems), problems


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]], "categories": [0, 1]},
        {"bboxes": [[1, 2, 3, 4], [5, 6, 7, 8.0]], "category": ["cat", "dog"], "area": [12, 56], "id": [1, 2]},
        [{"bbox": [1, 2, 3, 4], "category": "cat"}, {"bbox": [5, 6, 7, 8], "category_id": 1}],
    ],
)
def test_boxes_are_corner_and_size(objects: Any) -> None:
    name, found, problems = parse({"file_name": "a.jpg", "objects": objects}, {0: "cat", 1: "dog"})
    assert [(item.label, item.box) for item in found] == [("cat", Box(1, 2, 4, 6)), ("dog", Box(5, 6, 12, 14))]
    assert (name, problems) == ("a.jpg", [])


@pytest.mark.parametrize("objects", [None, {"bbox": [], "categories": []}, []])
def test_a_row_without_objects_is_background(objects: Any) -> None:
    assert parse({"file_name": "a.jpg", "objects": objects})[1:] == ((), [])


def test_unusable_objects_are_counted() -> None:
    _, found, problems = parse(
        {"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3], [1, 2, 3, 4], None], "categories": [0, None, 1]}}
    )
    assert found == ()
    assert [kind for kind, _ in problems] == ["record_broken", "label_missing", "box_missing"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"objects": {}}, "metadata.jsonl:3: no file_name"),
        ({"file_name": "a", "objects": {"bbox": [[1, 2, 3, 4]], "categories": []}}, "3: 1 boxes, but 0 categories"),
        ({"file_name": "a", "objects": {"bbox": 3}}, "3: bbox or categories is not a list"),
        ({"file_name": "a", "objects": [3]}, "3: objects is a list, but not of objects"),
        ({"file_name": "a", "objects": 3}, "3: objects is neither"),
        ([], "3: the line is not a JSON object"),
    ],
)
def test_broken_rows_name_the_line(row: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        parse(row)


def test_the_card_names_the_classes() -> None:
    assert hf_card.parse_card(CARD.encode(), PATH, ["category"]) == {0: "cat", 1: "no"}
    assert hf_card.parse_card(b"# no head", PATH) == {}


def test_infos_name_the_classes_too() -> None:
    labels = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    colours = {"names": ["red"], "_type": "ClassLabel"}
    features = {"objects": {"feature": {"colour": colours, "category": labels}, "_type": "Sequence"}}
    text = json.dumps({"default": {"features": features}}).encode()
    assert hf_card.parse_infos(text, PATH, ["category"]) == {0: "cat", 1: "dog"}


@pytest.mark.parametrize("with_card", [True, False])
def test_split_folders_with_and_without_a_card(tmp_path: Path, write_image: Any, with_card: bool) -> None:
    row = {"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}}
    for split in ("train", "validation"):
        write_image(tmp_path / split / "a.jpg")
        (tmp_path / split / "metadata.jsonl").write_text("\ufeff" + json.dumps(row) + "\n\n")
    if with_card:
        (tmp_path / "README.md").write_text(CARD)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "hf_imagefolder"
    found = list(choice.reader.read(Source(tmp_path)))
    images = [item for item in found if isinstance(item, AnnotatedImage)]
    assert [(image.path.parent.name, image.split, image.objects[0].label) for image in images] == [
        ("train", "train", "cat" if with_card else "0"),
        ("validation", "val", "cat" if with_card else "0"),
    ]
    assert [item.kind for item in found if isinstance(item, Problem)] == ([] if with_card else ["class_unnamed"])


@pytest.mark.parametrize("card", ["README.md", "dataset_infos.json"])
def test_each_set_has_the_names_of_the_card_that_is_nearest(tmp_path: Path, card: str) -> None:
    row = {"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}}
    for folder in ("one", "two/train", "three"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metadata.jsonl").write_text(json.dumps(row))
    for folder, name in (("one", "cat"), ("two", "dog")):
        head = CARD.replace("'0': cat", f"'0': {name}")
        infos = json.dumps({"features": {"category": {"_type": "ClassLabel", "names": [name]}}})
        (tmp_path / folder / card).write_text(head if card == "README.md" else infos)
    (tmp_path / "README.md").write_text("# Three sets\n")
    found = list(hf_imagefolder.read(Source(tmp_path)))
    labels = {item.source.parent.name: item.objects[0].label for item in found if isinstance(item, AnnotatedImage)}
    assert labels == {"one": "cat", "train": "dog", "three": "0"}
    assert [item.file.parent.name for item in found if isinstance(item, Problem)] == ["three"]


def test_a_csv_with_objects_and_folders_in_its_names(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "test" / "a.jpg")
    (tmp_path / "metadata.csv").write_text(
        'file_name,objects\ntest/a.jpg,"{""bbox"": [[1,2,3,4]], ""categories"": [""3""]}"\n'
    )
    assert [choice.name for choice in choose(Source(tmp_path))] == ["hf_imagefolder"]
    (image,) = hf_imagefolder.read(Source(tmp_path))
    assert isinstance(image, AnnotatedImage)
    assert (image.path, image.split, image.objects[0].label) == (tmp_path / "test" / "a.jpg", "test", "3")


def test_broken_lines_of_a_file_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    good = '{"file_name": "a", "objects": {"bbox": [[1, 2, 3, 4]], "categories": ["cat"]}}\n'
    bad = '{"file_name": "b", "objects": {"bbox": [[1, 2, "x", 4]], "categories": ["cat"]}}\n'
    (tmp_path / "metadata.jsonl").write_text(good + '{"file_name": \n' + bad + "[]\n" + good)
    found = list(hf_imagefolder.read(Source(tmp_path)))
    assert [len(item.objects) for item in found if isinstance(item, AnnotatedImage)] == [1, 1]
    details = [item.detail for item in found if isinstance(item, Problem)]
    assert [detail[:20] for detail in details] == [
        "line 2: broken JSON:",
        "line 3: object 1: bb",
        "line 4: the line is ",
    ]


def test_captions_are_no_detection_set(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "a cat"}\n')
    assert hf_imagefolder.detect(tmp_path) is None


TEXT = json.dumps({"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}, "width": 3})


@given(
    st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ",", "NaN"])
)
def test_mutated_rows_are_objects_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        row = json_lines.parse_row((TEXT[:at] + put + TEXT[at + cut :]).encode(), PATH, 1)
        hf_imagefolder.parse(row, PATH, 1, {}, [])


@given(st.integers(0, len(CARD)), st.integers(0, 12), st.sampled_from(["", "- ", ": ", "[", "names", "&a ", "*a"]))
def test_mutated_cards_are_names_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        hf_card.parse_card((CARD[:at] + put + CARD[at + cut :]).encode(), PATH)
