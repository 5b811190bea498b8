"""YOLO text in its layouts."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.datasets.yolo import yolo, yolo_layout
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Problem, Source
from odtool.errors import DataError

LABEL, YAML = Path("a.txt"), Path("data.yaml")


def findings(source: Source) -> tuple[list[AnnotatedImage], list[str]]:
    images, problems = [], []
    for item in yolo.read(source):
        for found in item.parse(*item.arguments) if isinstance(item, Deferred) else [item]:
            if isinstance(found, Problem):
                problems.append(found.kind)
            else:
                assert isinstance(found, AnnotatedImage)
                images.append(found)
    return images, problems


def boxes(text: str) -> list[Box]:
    return [item.box for item in yolo.parse(text.encode(), LABEL, {0: "cat", 1: "dog"}, YAML)[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0.5 0.5 0.5 0.25", Box(0.25, 0.375, 0.75, 0.625)),
        ("0 0.5 0.5 0.5 0.25 0.9", Box(0.25, 0.375, 0.75, 0.625)),
        ("0.0\t0.5 0.5 0.5 0.25\r\n\n", Box(0.25, 0.375, 0.75, 0.625)),
        ("1 0.1 0.2 0.5 0.1 0.3 0.6", Box(0.1, 0.1, 0.5, 0.6)),
        ("1 0.1 0.2 0.5 0.1 0.3 0.6 0.2 0.4", Box(0.1, 0.1, 0.5, 0.6)),
    ],
)
def test_boxes_confidences_polygons_and_oriented_boxes_are_read(text: str, expected: Box) -> None:
    assert boxes(text) == [expected]


def test_an_empty_file_is_background() -> None:
    assert boxes("") == boxes("\n\n") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 0.5 0.5 0.5 0.5\n0 0.5 0.5", "a.txt:2: not a YOLO line: 3 numbers"),
        ("cat 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line"),
        ("1.7 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line: its class is not a whole number of 0 or more"),
        ("-1 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line: its class"),
        ("-0.5 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line: its class"),
        ("inf 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line: its class"),
        ("nan 0.5 0.5 0.5 0.5", "a.txt:1: not a YOLO line: its class"),
        ("0 0.5 x 0.5 0.5", "a.txt:1: not a YOLO line: '0 0.5 x"),
        ("2 0.5 0.5 0.5 0.5", "a.txt:1: class 2 has no name in data.yaml"),
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "a.txt:1: not a YOLO line: 8 numbers"),
    ],
)
def test_a_line_that_is_none_of_these_is_named_and_the_others_are_read(text: str, says: str) -> None:
    whole_text = f"{text}\n1 0.5 0.5 0.5 0.5\n"
    objects, problems = yolo.parse(whole_text.encode(), LABEL, {0: "cat", 1: "dog"}, YAML)
    (problem,) = (Problem(kind, LABEL, detail) for kind, detail in problems)
    assert says in problem.describe()
    assert problem.kind == ("class_undefined" if "has no name" in says else "record_broken")
    assert len(objects) == whole_text.count("\n") - 1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0 .5 .5 .2 .2\n", True),
        ("0.0 0.5 0.5 0.2 0.2", True),
        ("0.000000000000000000e+00 5e-1 5e-1 2e-1 2e-1", True),
        ("0.5 0.5 0.5 0.2 0.2", False),
        ("-1 0.5 0.5 0.2 0.2", False),
        ("inf 0.5 0.5 0.2 0.2", False),
        ("cat 0.5 0.5 0.2 0.2", False),
        ("0 10 20 30 40", True),
        ("0 10 20 30 40 50 60", False),
    ],
)
def test_labels_are_seen_by_the_class_and_numbers_of_their_first_line(tmp_path: Path, text: str, label: bool) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert yolo.is_label(tmp_path / "a.txt") == label


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("names: [cat\ntrain: x\n", "data.yaml:2: broken YAML"),
        ("- a", "not a mapping"),
        ("names: {a: cat}\ntrain: x", "names: a: cat"),
        ("names: [[cat]]\ntrain: x", "names: 0"),
        ("names: [cat]", "neither train nor val nor test"),
        ("names: [cat]\ntrain: {a: b}", "train is neither a path nor a list"),
        ("[" * 5000, "nested too deeply"),
        ("names: [cat]\ntrain: x\n\nnames: [dog]", "data.yaml:4: broken YAML: 'names' is given twice, first in line 1"),
        (
            "train: x\nnames:\n  0: cat\n  1: dog\n  0: fox",
            "data.yaml:5: broken YAML: '0' is given twice, first in line 3",
        ),
        ("train: x\nnames: {0: cat, 0: fox}", "data.yaml:2: broken YAML: '0' is given twice, first in line 2"),
    ],
)
def test_a_broken_yaml_is_named(text: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        yolo_layout.parse_yaml_layout(text.encode(), YAML)
    assert says in error.value.message


@pytest.mark.parametrize(
    "names", ["names: [no, 1e3]", "names: {0: no, 1: '1e3'}", "names:\n- no\n- 1e3", "nc: 2\nnames:\n  0: no\n  1: 1e3"]
)
def test_names_stay_the_text_they_are(names: str) -> None:
    assert yolo_layout.parse_yaml_layout(f"{names}\ntrain: x\n".encode(), YAML).names == {0: "no", 1: "1e3"}


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null"])
def test_a_null_is_nothing(nothing: str) -> None:
    text = f"path: {nothing}\ntrain: x\nval: {nothing}\ntest: {nothing}\nkpt_shape: {nothing}\nnames: [cat]\n"
    layout = yolo_layout.parse_yaml_layout(text.encode(), YAML)
    assert (layout.base, layout.entries, layout.keypoints) == ("", {"train": ("x",)}, 0)


@pytest.fixture
def ultralytics(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    for split in ("train", "val"):
        for name in "ab":
            write_image(tmp_path / "images" / split / f"{name}.jpg")
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    return tmp_path


@pytest.mark.parametrize(
    "yaml",
    [
        "names: [cat]\ntrain: images/train\nval: images/val\n",
        "path: .\nnames: {0: cat}\ntrain: [images/train]\nval: ./images/val/\ntest:\n",
        "path: ../datasets/mine\nnames: [cat]\ntrain: images/train\nval: images/val\n",
        "names: [cat]\ntrain: ../images/train\nvalid: ../images/val\n",
        "path: /somewhere/else\nnames: [cat]\ntrain: images/train\nval: images/val\n",
        "names: [cat]\ntrain: train.txt\nval: images/val\n",
    ],
)
def test_ultralytics_layouts_are_read_with_their_splits(ultralytics: Path, yaml: str) -> None:
    (ultralytics / "data.yaml").write_text(yaml)
    (ultralytics / "train.txt").write_text("./images/train/a.jpg\nimages/train/b.jpg\n")
    assert yolo.detect(ultralytics)
    assert yolo.detect(ultralytics / "data.yaml")
    for path in (ultralytics, ultralytics / "data.yaml"):
        images, problems = findings(Source(path))
        assert problems == []
        found = {(image.split, image.path.name, len(image.objects)) for image in images}
        assert found == {("train", "a.jpg", 1), ("train", "b.jpg", 0), ("val", "a.jpg", 1), ("val", "b.jpg", 0)}


def test_labels_replace_the_last_folder_named_images(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    root = tmp_path / "images" / "set"
    write_image(root / "images" / "a.jpg")
    (root / "labels").mkdir()
    (root / "labels" / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    (root / "data.yaml").write_text("names: [cat]\ntrain: images\n")
    images, _ = findings(Source(root))
    assert len(images[0].objects) == 1


def test_a_split_that_is_not_there_is_a_problem_and_none_at_all_an_error(ultralytics: Path) -> None:
    (ultralytics / "data.yaml").write_text("names: [cat]\ntrain: images/train\nval: images/val\ntest: nowhere\n")
    assert findings(Source(ultralytics))[1] == ["split_missing"]
    (ultralytics / "data.yaml").write_text("names: [cat]\ntrain: nowhere\n")
    with pytest.raises(DataError, match="none of its images is in"):
        findings(Source(ultralytics))


@pytest.mark.parametrize(
    ("layout", "count", "splits"),
    [("annotations", 1, {None}), ("labels", 2, {"train", "val"}), ("strict", 1, {"train"})],
)
def test_the_real_layouts_are_read(shared_data: Path, layout: str, count: int, splits: set[str | None]) -> None:
    root = shared_data / "formats" / "yolo_dataset" / layout
    assert yolo.detect(root)
    images, problems = findings(Source(root))
    assert (len(images), problems, {image.split for image in images}) == (count, [], splits)
    assert [item.label for item in images[0].objects] == ["label_2", "label_4"]
    assert images[0].path.is_file()


@given(st.text(alphabet="0123456789. -einfa\n") | st.text())
def test_any_text_gives_objects_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        boxes(text)


@given(st.text(alphabet="names: train\n-[]{}'\"&*!|>0a") | st.text())
def test_any_yaml_gives_a_layout_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        assert yolo_layout.parse_yaml_layout(text.encode("utf-8", "replace"), YAML).entries


@pytest.mark.parametrize("points", ["0.9 0.9 2 0.1 0.1 1", "0.9 0.9 2 0.1 0.1 1 0.87"])
def test_key_points_are_no_polygon(points: str) -> None:
    line = f"0 0.5 0.5 0.5 0.25 {points}".encode()
    ((item,), _) = yolo.parse(line, LABEL, {0: "cat"}, YAML, 6)
    assert item.box == Box(0.25, 0.375, 0.75, 0.625)


def test_key_points_other_than_said_are_refused() -> None:
    _, (problem,) = yolo.parse(b"0 0.5 0.5 0.5 0.25 0.9 0.9 0.1 0.1", LABEL, {0: "cat"}, YAML, 6)
    assert "6 keypoint numbers" in problem[1]
    assert "kpt_shape in data.yaml" in problem[1]


@pytest.mark.parametrize(("shape", "count"), [("[17, 3]", 51), ("[4, 2]", 8)])
def test_the_yaml_says_how_many_key_points_there_are(shape: str, count: int) -> None:
    text = f"train: x\nnames: [cat]\nkpt_shape: {shape}\n"
    assert yolo_layout.parse_yaml_layout(text.encode(), YAML).keypoints == count


def test_key_points_that_no_record_holds_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    (tmp_path / "images" / "a.txt").write_text("0 0.5 0.5 0.5 0.25 0.9 0.9 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat]\nkpt_shape: [2, 2]\n")
    images, problems = findings(Source(tmp_path))
    assert (len(images[0].objects), problems) == (1, ["keypoints_dropped"])


@pytest.mark.parametrize("shape", ["17", "[17]", "[a, b]", "{a: 1}"])
def test_a_shape_of_key_points_that_is_none_is_refused(shape: str) -> None:
    with pytest.raises(DataError, match="kpt_shape"):
        yolo_layout.parse_yaml_layout(f"train: x\nnames: [cat]\nkpt_shape: {shape}\n".encode(), YAML)


def test_a_yaml_beside_labels_of_dota_is_not_yolo(tmp_path: Path) -> None:
    (tmp_path / "train" / "labelTxt").mkdir(parents=True)
    (tmp_path / "train" / "labelTxt" / "a.txt").write_text("10 20 60 20 60 80 10 80 cat 0\n")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnames: [cat]\n")
    assert yolo.detect(tmp_path) is None


def test_a_label_without_image_is_told_but_not_that_of_an_image_in_no_split(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    for name in ("a", "b"):
        (tmp_path / "images" / f"{name}.jpg").touch()
    (tmp_path / "train.txt").write_text("images/a.jpg\n")
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [cat]\n")
    found = list(yolo.read(Source(tmp_path)))
    assert [(item.kind, item.file.name) for item in found if isinstance(item, Problem)] == [("image_missing", "c.txt")]


def test_names_may_be_a_list_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "coco.names").write_text("cat\ndog\n")
    layout = yolo_layout.parse_yaml_layout(b"train: x\nnames: coco.names\n", tmp_path / "data.yaml")
    assert layout.names == {0: "cat", 1: "dog"}


@pytest.mark.parametrize(
    ("image", "label"),
    [("a.jpg", "a.TXT"), (unicodedata.normalize("NFD", "é.jpg"), unicodedata.normalize("NFC", "é.txt"))],
)
def test_a_label_may_be_spelt_otherwise(tmp_path: Path, image: str, label: str) -> None:
    for folder, name, text in (("images", image, ""), ("labels", label, "0 0.5 0.5 0.5 0.5")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat]\n")
    (found,), _ = findings(Source(tmp_path))
    assert len(found.objects) == 1


def test_polygons_are_masks_where_masks_are_asked_for() -> None:
    text = b"0 0.5 0.5 0.5 0.25\n0 0.1 0.2 0.5 0.1 0.3 0.6\n"
    (box, polygon), _ = yolo.parse(text, LABEL, {0: "cat"}, YAML, with_outlines=True)
    assert box.outline is None
    assert polygon.outline is not None
    assert polygon.outline.polygons == ((0.1, 0.2, 0.5, 0.1, 0.3, 0.6),)
    assert [item.outline for item in yolo.parse(text, LABEL, {0: "cat"}, YAML)[0]] == [None, None]


@pytest.mark.parametrize(("images", "labels"), [("{}", "labels/{}"), ("{}/images", "{}/labels"), ("images/{}", "{}")])
def test_labels_are_found_for_images_that_lie_elsewhere(tmp_path: Path, images: str, labels: str) -> None:
    for number, split in enumerate(("train", "val")):
        image = tmp_path / "pictures" / images.format(split) / "1.jpg"
        label = tmp_path / "set" / labels.format(split) / "1.txt"
        for file, text in ((image, ""), (label, f"{number} 0.5 0.5 0.5 0.5")):
            file.parent.mkdir(parents=True)
            file.write_text(text)
    entries = "".join(f"{split}: {images.format(split)}\n" for split in ("train", "val"))
    (tmp_path / "set" / "data.yaml").write_text(f"{entries}names: [cat, dog]\n")
    found, _ = findings(Source(tmp_path / "set", tmp_path / "pictures"))
    assert [(image.split, [item.label for item in image.objects]) for image in found] == [
        ("train", ["cat"]),
        ("val", ["dog"]),
    ]


@pytest.mark.parametrize("other", ["images/a.png", "images/more/a.jpg"])
def test_a_text_file_of_two_images_is_told_of_but_not_an_image_listed_twice(tmp_path: Path, other: str) -> None:
    for file in ("images/a.jpg", other, "images/b.jpg"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "labels").mkdir()
    for name in "ab":
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "train.txt").write_text(f"images/a.jpg\n{other}\nimages/b.jpg\nimages/b.jpg\n")
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [cat]\n")
    images, problems = findings(Source(tmp_path))
    assert [len(image.objects) for image in images] == [1, 1, 1, 1]
    assert problems == ["label_shared"]
