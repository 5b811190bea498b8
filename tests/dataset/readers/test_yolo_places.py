"""Which images of a YOLO data set are read, in which split, and with whose names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from odtool.dataset.readers import yolo
from odtool.dataset.types import AnnotatedImage, Deferred, Problem, Source

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
