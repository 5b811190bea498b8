from __future__ import annotations

from pathlib import Path

import pytest

from odtool.detection.predict import image_sources
from odtool.errors import DataError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/x.jpg", "a/deep/x.JPG", "a/notes.txt", "a/.hidden.jpg", "b/x.png", "b/film.MP4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(*given: str | Path) -> list[str]:
    return [medium.name.as_posix() for medium in image_sources.find(given).media()]


def test_a_folder_gives_its_images_and_videos_at_any_depth(tree: Path) -> None:
    assert names(tree) == ["a/x.jpg", "a/deep/x.JPG", "b/film.MP4", "b/x.png"]
    assert [medium.kind for medium in image_sources.find([tree / "b"]).media()] == ["video", "image"]


def test_what_odtool_predicted_before_is_not_looked_at_again(tree: Path) -> None:
    for name in ("predictions.json", "detections.jsonl", "pictures/x.jpg", "coco/images/x.jpg"):
        (tree / "predictions" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "predictions" / name).touch()
    assert names(tree) == ["a/x.jpg", "a/deep/x.JPG", "b/film.MP4", "b/x.png"]
    assert names(tree / "predictions" / "coco") == ["images/x.jpg"]


def test_equal_names_from_several_sources_stay_distinct(tree: Path) -> None:
    assert names(tree / "a" / "x.jpg", tree / "b" / "x.png", tree / "a" / "deep") == [
        "a/x.jpg",
        "b/x.png",
        "a/deep/x.JPG",
    ]


def test_a_file_in_several_sources_is_taken_once(tree: Path) -> None:
    assert names(tree / "a", tree / "a" / "x.jpg", tree / "b" / ".." / "a") == ["x.jpg", "deep/x.JPG"]
    assert names(tree / "a" / "x.jpg", tree / "a" / "x.jpg", tree / "a") == ["x.jpg", "deep/x.JPG"]


def test_a_pattern_takes_images_and_videos_alone(tree: Path) -> None:
    assert names(str(tree / "*" / "*")) == ["a/x.jpg", "b/film.MP4", "b/x.png"]
    assert names(str(tree / "**" / "*.[jJ]*")) == ["deep/x.JPG", "x.jpg"]


def test_a_name_with_brackets_is_a_file_where_there_is_one(tree: Path) -> None:
    (tree / "photo[1].jpg").touch()
    assert names(tree / "photo[1].jpg") == ["photo[1].jpg"]


def test_earlier_predictions_in_a_folder_are_no_images_of_it(tree: Path) -> None:
    (tree / "predictions" / "pictures").mkdir(parents=True)
    for name in ("predictions.json", "detections.jsonl", "pictures/x.jpg"):
        (tree / "predictions" / name).touch()
    assert names(tree) == ["a/x.jpg", "a/deep/x.JPG", "b/film.MP4", "b/x.png"]
    assert names(tree / "predictions" / "pictures") == ["x.jpg"]


def test_what_is_not_there_is_refused_by_its_name(tree: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jpg: no such file or folder"):
        image_sources.find([tree / "nowhere.jpg"])
    with pytest.raises(DataError, match="no image or video matches"):
        image_sources.find([str(tree / "a" / "*.txt")])
