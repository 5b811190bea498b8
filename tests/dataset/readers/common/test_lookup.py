"""Which image a name means, and that a missing one is not replaced by a namesake."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from odtool.dataset.readers.common.lookup import (
    Places,
    find_file_image,
    find_image,
    find_own_image,
    find_places,
    sample_names,
)
from odtool.dataset.readers.namesakes.image_paths import find_stem
from odtool.dataset.types import Source


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("name", ["y/1.jpg", "y\\1.jpg", "C:/shots/y/1.jpg", "../y/1.jpg", "/home/me/y/1.jpg"])
def test_of_equal_names_the_one_in_the_folder_that_the_name_says_is_meant(tmp_path: Path, name: str) -> None:
    folders = [tmp_path / "data" / each for each in "xyz"]
    touched(*(folder / "1.jpg" for folder in folders))
    assert find_image(name, folders, within=tmp_path).path == tmp_path / "data" / "y" / "1.jpg"


def test_a_name_without_folder_is_looked_for_in_the_folders_order(tmp_path: Path) -> None:
    folders = [tmp_path / each for each in "zx"]
    touched(*(folder / "1.jpg" for folder in folders))
    assert find_image("1.jpg", folders, within=tmp_path).path == tmp_path / "z" / "1.jpg"


@pytest.mark.parametrize(("here", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_apart_or_whole(tmp_path: Path, here: str, there: str) -> None:
    image = tmp_path / unicodedata.normalize(here, "größe.jpg")
    touched(image)
    name = unicodedata.normalize(there, "größe.jpg")
    assert find_image(name, [tmp_path], within=tmp_path).path == image
    assert find_stem(name[:-4], [tmp_path]) == image


def test_a_name_may_be_escaped_as_in_urls(tmp_path: Path) -> None:
    touched(tmp_path / "a b.jpg", tmp_path / "c%20d.jpg")
    assert find_image("a%20b.jpg", [tmp_path], within=tmp_path).path == tmp_path / "a b.jpg"
    assert find_image("c%20d.jpg", [tmp_path], within=tmp_path).path == tmp_path / "c%20d.jpg"


def test_a_name_may_differ_in_letter_case_where_only_one_file_can_be_meant(tmp_path: Path) -> None:
    images, other = tmp_path / "images", tmp_path / "other"
    touched(images / "IMG_1.JPG", images / "two.jpg", images / "Two.jpg", other / "img_1.jpg")
    places = beside(tmp_path, "images", names=["img_1.jpg"])
    assert find_image("img_1.jpg", places, within=tmp_path).path == images / "IMG_1.JPG"
    assert find_image("images/Img_1.png", places, within=tmp_path).path == images / "IMG_1.JPG"
    assert find_image("Two.jpg", places, within=tmp_path).path == images / "Two.jpg"
    assert not find_image("TWO.jpg", places, within=tmp_path).exists


def beside(root: Path, *near: str, place: str = "", names: list[str] | None = None) -> Places:
    """Places of annotations in the folder `place` of a set; all folders with images are known."""
    others = sorted({path.parent for path in root.rglob("*.jpg")})
    return find_places([root / each for each in near], others, root / place, Source(root), names=names)


@pytest.mark.parametrize(
    "name",
    ["b/0.jpg", "./b/0.jpg", "b\\0.jpg", "C:\\set\\b\\0.jpg", "/home/me/b/0.jpg", "../x/b/0.jpg"],
)
def test_an_image_that_is_missing_from_the_folder_that_its_name_says_is_missing(tmp_path: Path, name: str) -> None:
    touched(tmp_path / "a" / "0.jpg", tmp_path / "b" / "1.jpg")
    found = find_image(name, beside(tmp_path), within=tmp_path)
    assert not found.exists
    assert found.path == tmp_path / "b" / "0.jpg"


def test_the_folder_that_the_name_says_may_be_without_any_image(tmp_path: Path) -> None:
    touched(tmp_path / "a" / "0.jpg")
    (tmp_path / "b").mkdir()
    assert not find_image("b/0.jpg", beside(tmp_path), within=tmp_path).exists


@pytest.mark.parametrize("name", ["C:\\Users\\me\\imgs\\0.jpg", "/content/imgs/0.jpg", "imgs/0.png", "..\\0.jpg"])
@pytest.mark.parametrize(("near", "match"), [(["pictures"], "namesake"), ([], "namesake")])
def test_a_path_of_another_machine_is_found_by_its_last_part(
    tmp_path: Path, name: str, near: list[str], match: str
) -> None:
    image = tmp_path / "set" / "pictures" / "0.jpg"
    touched(image)
    found = find_image(name, beside(tmp_path / "set", *near), within=tmp_path / "set")
    assert found.path == image
    assert found.match == ("named" if near and name.startswith("..") else match)


def test_where_images_are_near_a_name_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    touched(tmp_path / "val" / "1.jpg", tmp_path / "val" / "more" / "2.jpg", tmp_path / "train" / "0.jpg")
    places = beside(tmp_path, "val", place="val")
    assert not find_image("0.jpg", places, within=tmp_path).exists
    assert not find_image("/old/0.jpg", places, within=tmp_path).exists
    assert find_image("1.jpg", places, within=tmp_path).match == "named"
    below = find_image("2.jpg", places, within=tmp_path)
    assert (below.path, below.match) == (tmp_path / "val" / "more" / "2.jpg", "elsewhere")


def test_where_few_of_the_images_are_near_the_others_are_looked_for_elsewhere(tmp_path: Path) -> None:
    touched(*(tmp_path / folder / f"{number}.jpg" for number, folder in enumerate(("images", "more", "more"))))
    places = beside(tmp_path, "images", place="labels", names=["0", "1", "2"])
    matches = [find_image(f"{number}.jpg", places, within=tmp_path).match for number in range(3)]
    assert matches == ["named", "elsewhere", "elsewhere"]


def test_a_sample_of_the_names_tells_where_all_are(tmp_path: Path) -> None:
    names = [str(number) for number in range(120)]
    touched(*(tmp_path / "train" / name / f"{name}.jpg" for name in names), tmp_path / "val" / "x.jpg")
    assert len(sample_names(names)) < 100
    places = beside(tmp_path, place="train", names=sample_names(names))
    assert all(find_image(f"{name}.jpg", places, within=tmp_path).match == "named" for name in names)
    assert not find_image("x.jpg", places, within=tmp_path).exists


def test_folders_above_the_set_are_not_what_a_name_says(tmp_path: Path) -> None:
    root = tmp_path / "images" / "set"
    touched(root / "a" / "1.jpg", root / "b" / "0.jpg")
    places = beside(root, "a", place="a")
    assert not find_image("/old/images/0.jpg", places, within=root).exists
    assert find_image("/old/images/1.jpg", places, within=root).path == root / "a" / "1.jpg"


def test_images_of_other_names_are_not_near(tmp_path: Path) -> None:
    touched(tmp_path / "labels" / "sketch.jpg", tmp_path / "photos" / "0.jpg")
    found = find_image("0.jpg", beside(tmp_path, "labels", place="labels", names=["0", "1"]), within=tmp_path)
    assert found.path == tmp_path / "photos" / "0.jpg"


@pytest.mark.parametrize("place", ["train/xml", "two/xml"])
def test_folders_of_the_same_split_or_part_of_the_set_are_near(tmp_path: Path, place: str) -> None:
    own = tmp_path / Path(place).parent / "pictures"
    touched(own / "1.jpg", tmp_path / "val" / "pictures" / "0.jpg", tmp_path / "one" / "pictures" / "0.jpg")
    places = beside(tmp_path, place=place)
    assert places.near == (own,)
    assert not find_image("0.jpg", places, within=tmp_path).exists


def test_of_folders_that_the_name_says_the_near_one_is_meant(tmp_path: Path) -> None:
    touched(tmp_path / "train" / "images" / "1.jpg", tmp_path / "val" / "images" / "0.jpg")
    places = beside(tmp_path, "train/images", place="train/labels")
    for name in ("images/0.jpg", "../images/0.jpg", "C:/set/images/0.jpg"):
        assert not find_image(name, places, within=tmp_path).exists
    assert find_image("../../val/images/0.jpg", places, within=tmp_path).match == "named"


def test_the_folder_that_images_are_in_may_have_been_parted(tmp_path: Path) -> None:
    touched(tmp_path / "images" / "part1" / "0.jpg", tmp_path / "other" / "0.jpg")
    found = find_image("set/images/0.jpg", beside(tmp_path), within=tmp_path)
    assert found.path == tmp_path / "images" / "part1" / "0.jpg"
    assert found.match == "namesake"


def test_what_is_found_outside_the_nearest_folder_is_elsewhere(tmp_path: Path) -> None:
    touched(tmp_path / "images" / "a" / "0.jpg", tmp_path / "images" / "b" / "1.jpg", tmp_path / "rest" / "2.jpg")
    places = beside(tmp_path)
    matches = [find_image(f"{number}.jpg", places, within=tmp_path).match for number in range(3)]
    assert matches == ["namesake", "namesake", "elsewhere"]


def test_an_annotation_file_finds_the_image_of_its_name_whatever_it_says(tmp_path: Path) -> None:
    touched(tmp_path / "a" / "0.jpg", tmp_path / "b" / "1.jpg", tmp_path / "b" / "old.jpg")
    places = beside(tmp_path, "b", place="b")
    file = tmp_path / "b" / "1.xml"
    assert find_own_image("a/1.jpg", file, places, within=tmp_path).path == tmp_path / "b" / "1.jpg"
    assert find_own_image("gone.jpg", file, places, within=tmp_path).by_file
    assert find_own_image("old.jpg", file, places, within=tmp_path).path == tmp_path / "b" / "old.jpg"
    assert find_own_image("old.jpg", file, places, within=tmp_path, by_file=True).path == tmp_path / "b" / "1.jpg"
    assert find_own_image("/old/1.jpg", file, places, within=tmp_path).match == "named"
    assert not find_own_image("0.jpg", tmp_path / "b" / "0.xml", places, within=tmp_path).exists


def test_an_image_beside_an_annotation_file_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    touched(tmp_path / "training" / "image_2" / "1.jpg", tmp_path / "testing" / "image_2" / "0.jpg")
    labels = tmp_path / "training" / "label_2"
    places = beside(tmp_path, "training/image_2", place="training/label_2", names=["0", "1"])
    assert find_file_image(labels / "1.txt", places).path == tmp_path / "training" / "image_2" / "1.jpg"
    missing = find_file_image(labels / "0.txt", places)
    assert (missing.exists, missing.path.parent) == (False, tmp_path / "training" / "image_2")
