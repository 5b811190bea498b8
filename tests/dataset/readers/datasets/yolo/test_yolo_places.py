"""Which images of a YOLO data set are read, in which split, and with whose names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from odtool.dataset.readers.datasets.yolo import yolo, yolo_layout
from odtool.dataset.types import AnnotatedImage, Deferred, Problem, Source
from odtool.errors import DataError

BOX = "0 0.5 0.5 0.5 0.5\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def read(source: Source) -> tuple[dict[str, tuple[str | None, list[str]]], list[tuple[str, str]]]:
    """Split and labels of each image, and kind and file of each problem; all files by name."""
    images: dict[str, tuple[str | None, list[str]]] = {}
    problems = []
    for item in yolo.read(source):
        for found in item.parse(*item.arguments) if isinstance(item, Deferred) else [item]:
            if isinstance(found, Problem):
                problems.append((found.kind, found.file.name))
            else:
                assert isinstance(found, AnnotatedImage)
                assert found.path.name not in images
                images[found.path.name] = (found.split, [item.label for item in found.objects])
    return images, problems


def test_each_folder_of_labels_has_the_nearest_list_of_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "one/a.jpg": "",
            "one/a.txt": BOX,
            "one/classes.txt": "cat\ndog\n",
            "two/images/b.jpg": "",
            "two/labels/b.txt": BOX,
            "two/classes.txt": "dog\ncat\n",
        },
    )
    assert read(Source(tmp_path)) == ({"a.jpg": (None, ["cat"]), "b.jpg": (None, ["dog"])}, [])


def test_a_list_in_a_folder_beside_is_used_where_none_lies_above(tmp_path: Path) -> None:
    write(tmp_path, {"images/a.jpg": "", "labels/a.txt": BOX, "names/obj.names": "cat\n"})
    assert read(Source(tmp_path)) == ({"a.jpg": (None, ["cat"])}, [])


def test_an_empty_list_is_refused_where_labels_need_it_and_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path, {"one/a.jpg": "", "one/a.txt": BOX, "one/classes.txt": "cat\n", "notes/names.txt": ""})
    assert read(Source(tmp_path)) == ({"a.jpg": (None, ["cat"])}, [])
    write(tmp_path, {"two/b.jpg": "", "two/b.txt": BOX, "two/classes.txt": "\n"})
    with pytest.raises(DataError, match=r"two/classes\.txt: names no class"):
        read(Source(tmp_path))


def test_a_second_list_in_a_folder_is_told_of_where_it_says_otherwise(tmp_path: Path) -> None:
    names = {"classes.txt": "cat\n", "obj.names": "cat\n", "predefined_classes.txt": "dog\n"}
    write(tmp_path, {"a.jpg": "", "a.txt": BOX, **names})
    found = ({"a.jpg": (None, ["cat"])}, [("layout_unused", "predefined_classes.txt")])
    assert read(Source(tmp_path)) == found


def test_data_yaml_is_read_before_other_files_beside_it_which_are_told_of(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "images/a.jpg": "",
            "labels/a.txt": BOX,
            "a_old.yaml": "train: images\nnames: [old]\n",
            "data.yaml": "train: images\nnames: [cat]\n",
            "obj.data": "train = images\nnames = obj.names\n",
        },
    )
    images, problems = read(Source(tmp_path))
    assert images == {"a.jpg": ("train", ["cat"])}
    assert problems == [("layout_unused", "a_old.yaml"), ("layout_unused", "obj.data")]
    assert read(Source(tmp_path / "a_old.yaml")) == ({"a.jpg": ("train", ["old"])}, [])


ROBOFLOW = "train: ../train/images\nval: ../valid/images\nnames: [{}]\n"


def test_sets_beside_each_other_are_read_each_with_its_own_names_and_splits(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "cars/data.yaml": ROBOFLOW.format("car"),
            "cars/train/images/a.jpg": "",
            "cars/train/labels/a.txt": BOX,
            "fruits/data.yaml": ROBOFLOW.format("apple"),
            "fruits/train/images/b.jpg": "",
            "fruits/train/labels/b.txt": BOX,
            "fruits/valid/images/c.jpg": "",
            "fruits/valid/labels/c.txt": BOX,
        },
    )
    images, problems = read(Source(tmp_path))
    assert images == {"a.jpg": ("train", ["car"]), "b.jpg": ("train", ["apple"]), "c.jpg": ("val", ["apple"])}
    assert problems == [("split_missing", "data.yaml")]
    assert read(Source(tmp_path / "cars" / "data.yaml"))[0] == {"a.jpg": ("train", ["car"])}


def test_sets_beside_each_other_have_their_images_apart(tmp_path: Path) -> None:
    for name in ("car", "apple"):
        write(
            tmp_path,
            {
                f"sets/{name}/data.yaml": f"train: train/images\nnames: [{name}]\n",
                f"sets/{name}/train/labels/{name}.txt": BOX,
                f"pictures/{name}/train/images/{name}.jpg": "",
            },
        )
    images, problems = read(Source(tmp_path / "sets", tmp_path / "pictures"))
    assert (images, problems) == ({"car.jpg": ("train", ["car"]), "apple.jpg": ("train", ["apple"])}, [])


def test_lists_of_sets_beside_each_other_name_their_own_images(tmp_path: Path) -> None:
    for name in ("car", "apple"):
        write(
            tmp_path,
            {
                f"{name}/obj.data": "train = data/train.txt\nnames = data/obj.names\n",
                f"{name}/obj.names": name,
                f"{name}/train.txt": "data/obj_train_data/1.jpg\n",
                f"{name}/obj_train_data/1.jpg": "",
                f"{name}/obj_train_data/1.txt": BOX,
            },
        )
    found = [item for item in yolo.read(Source(tmp_path)) if isinstance(item, Deferred)]
    assert [item.arguments[0].parent.parent.name for item in found] == ["apple", "car"]


def test_a_layout_below_another_is_not_read_but_told_of(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "data.yaml": "train: part/images\nnames: [cat]\n",
            "part/data.yaml": "train: images\nnames: [part]\n",
            "part/images/a.jpg": "",
            "part/labels/a.txt": BOX,
        },
    )
    assert read(Source(tmp_path)) == ({"a.jpg": ("train", ["cat"])}, [("layout_unused", "data.yaml")])


def test_a_layout_that_leads_nowhere_does_not_hide_another(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "coco.yaml": "train: train2017\nnames: [person]\n",
            "my.yaml": "train: images\nnames: [cat]\n",
            "images/a.jpg": "",
            "labels/a.txt": BOX,
        },
    )
    assert read(Source(tmp_path)) == ({"a.jpg": ("train", ["cat"])}, [("layout_unused", "coco.yaml")])


def test_images_that_no_entry_names_are_told_of_and_louder_where_they_have_labels(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "data.yaml": "train: images/train\nnames: [cat]\n",
            "images/train/a.jpg": "",
            "labels/train/a.txt": BOX,
            "images/test/b.jpg": "",
            "labels/test/b.txt": BOX,
            "charts/results.png": "",
        },
    )
    images, problems = read(Source(tmp_path))
    assert images == {"a.jpg": ("train", ["cat"])}
    assert problems == [("not_in_split", "charts"), ("images_unlisted", "test")]


def test_a_folder_that_is_reached_through_a_link_is_covered(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": "train: images\nnames: [cat]\n", "store/a.jpg": "", "labels/a.txt": BOX})
    (tmp_path / "images").symlink_to(tmp_path / "store")
    assert read(Source(tmp_path)) == ({"a.jpg": ("train", ["cat"])}, [])


def test_an_images_folder_laid_out_otherwise_is_read_whole_and_its_splits_are_told_of(tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/val\nnames: [cat]\n"
    write(tmp_path / "set", {"data.yaml": yaml, "labels/train/a.txt": BOX, "labels/val/b.txt": BOX})
    write(tmp_path / "pictures", {"a.jpg": "", "b.jpg": ""})
    images, problems = read(Source(tmp_path / "set", tmp_path / "pictures"))
    assert images == {"a.jpg": (None, ["cat"]), "b.jpg": (None, ["cat"])}
    assert problems == [("split_missing", "data.yaml")] * 2


@pytest.mark.parametrize(
    "val", ["images/train", "./images/train/", "[images/train]", "all.txt", "images/train/a.jpg", "images"]
)
def test_images_that_two_splits_name_are_left_to_the_first_and_told_of_once(tmp_path: Path, val: str) -> None:
    yaml = f"train: images/train\nval: {val}\nnames: [cat]\n"
    write(tmp_path, {"data.yaml": yaml, "images/train/a.jpg": "", "labels/train/a.txt": BOX})
    write(tmp_path, {"all.txt": "images/train/a.jpg\n"})
    assert read(Source(tmp_path)) == ({"a.jpg": ("train", ["cat"])}, [("split_repeated", "data.yaml")])


def test_of_two_lists_the_second_gives_what_the_first_does_not(tmp_path: Path) -> None:
    yaml = "train: train.txt\nval: val.txt\nnames: [cat]\n"
    write(tmp_path, {"data.yaml": yaml, "images/a.jpg": "", "images/b.jpg": "", "labels/a.txt": BOX})
    write(tmp_path, {"train.txt": "images/a.jpg\n", "val.txt": "images/a.jpg\nimages/b.jpg\n"})
    expected = {"a.jpg": ("train", ["cat"]), "b.jpg": ("val", [])}
    assert read(Source(tmp_path)) == (expected, [("split_repeated", "data.yaml")])


def test_splits_whose_folders_are_not_there_do_not_fall_together(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": "train: train/images\nval: valid/images\nnames: [cat]\n"})
    write(tmp_path, {"images/a.jpg": "", "labels/a.txt": BOX})
    with pytest.raises(DataError, match="none of its images is in"):
        read(Source(tmp_path))


def test_the_only_entry_may_lose_the_folder_that_names_its_split(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": "train: ../train/images\nnames: [cat]\n", "images/a.jpg": "", "labels/a.txt": BOX})
    assert read(Source(tmp_path)) == ({"a.jpg": ("train", ["cat"])}, [])


@pytest.mark.parametrize(
    ("entry", "split", "leads_to"),
    [
        ("../train/images", "train", None),
        ("images", "train", "images"),
        ("../images/val", "val", "images/val"),
        ("/home/test/project/images/val", "val", "images/val"),
        ("/home/val/project/images/val", "val", "images/val"),
        ("C:\\data\\images\\val", "val", "images/val"),
        ("data/val.txt", "val", "val.txt"),
        ("/content/train_data/images", "train", "images"),
        ("/content/other_train/images", "train", None),
        ("/content/test/images", "train", "images"),
    ],
)
def test_leading_folders_are_dropped_but_none_that_names_the_split(
    tmp_path: Path, entry: str, split: str, leads_to: str | None
) -> None:
    root = write(tmp_path / "train_data", {"images/val/a.jpg": "", "val.txt": ""})
    found = yolo_layout.resolve_entry(entry, root, root, split)
    assert found == (leads_to and root / leads_to)


YAML = "train: train/images\nval: val/images\nnames: [cat, dog]\n"
SET = {"train/images/a.jpg": "", "train/labels/a.txt": BOX, "val/images/b.jpg": "", "val/labels/b.txt": BOX}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("cat\ndog\n\n", []),
        ("dog\ncat\n", ["layout_unused"]),
        ("cat\n", ["layout_unused"]),
        ("\xff", ["layout_unused"]),
    ],
)
def test_a_list_of_classes_that_contradicts_data_yaml_is_told(tmp_path: Path, names: str, told: list[str]) -> None:
    write(tmp_path, {**SET, "data.yaml": YAML, "train/classes.txt": names})
    images, problems = read(Source(tmp_path))
    assert images == {"a.jpg": ("train", ["cat"]), "b.jpg": ("val", ["cat"])}
    assert problems == [(kind, "classes.txt") for kind in told]


def test_labels_whose_images_are_not_there_are_told_of_by_their_folder(tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/val\ntest: images/test\nnames: [cat]\n"
    write(tmp_path, {"data.yaml": yaml, "labels/test/c.txt": BOX, "labels/test/d.txt": BOX})
    write(tmp_path, {f"{kind}/train/a.{ending}": BOX for kind, ending in (("images", "jpg"), ("labels", "txt"))})
    write(tmp_path, {"images/val/b.jpg": "", "images/apart/e.jpg": "", "labels/apart/e.txt": BOX})
    images, problems = read(Source(tmp_path))
    assert sorted(images) == ["a.jpg", "b.jpg"]
    assert problems == [("split_missing", "data.yaml"), ("images_unlisted", "apart"), ("labels_unused", "test")]


def test_other_labels_of_images_that_are_read_with_labels_are_told_of(tmp_path: Path) -> None:
    write(tmp_path, {**SET, "data.yaml": YAML, "train/labels_old/a.txt": BOX, "train/labels_old/notes.txt": "x"})
    images, problems = read(Source(tmp_path))
    assert len(images) == 2
    assert problems == [("labels_unused", "labels_old")]


def test_a_list_of_images_with_boxes_is_named_as_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"obj.data": "train = train/all.txt\nnames = obj.names\n", "obj.names": "x\n"})
    write(tmp_path, {"train/all.txt": "a.jpg 10,10,40,30,0\n", "train/a.jpg": "", "train/classes.txt": "x\n"})
    assert yolo.detect(tmp_path) is None
    with pytest.raises(DataError, match=r"all\.txt:1: an image and boxes as x1,y1,x2,y2,class") as error:
        read(Source(tmp_path))
    assert error.value.hint == "Read the set with --format yolo_keras."


def test_a_text_with_an_escaped_name_is_not_without_its_image(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": "train: list.txt\nnames: [cat]\n", "list.txt": "images/a.jpg\n"})
    write(tmp_path, {"images/a.jpg": "", "images/b c.jpg": "", "labels/a.txt": BOX, "labels/b%20c.txt": BOX})
    images, problems = read(Source(tmp_path))
    assert (list(images), problems) == (["a.jpg"], [])


@pytest.mark.parametrize("names", ["classes.txt", "data.yaml"])
def test_classes_of_one_name_are_told_of(tmp_path: Path, names: str) -> None:
    text = "cat\ndog\ncat\n" if names == "classes.txt" else "train: images\nnames: [cat, dog, cat]\n"
    write(tmp_path, {names: text, "images/a.jpg": "", "labels/a.txt": BOX})
    assert read(Source(tmp_path)) == ({"a.jpg": (read_split(names), ["cat"])}, [("class_repeated", names)])


def read_split(names: str) -> str | None:
    return "train" if names == "data.yaml" else None
