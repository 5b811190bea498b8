"""Folders of a source: links that are followed, what counts as a file, and which folders are nearest."""

from __future__ import annotations

import os
from pathlib import Path

from odtool.dataset.readers.common.source_folders import remember_listings, sort_nearest_first, walk
from odtool.dataset.types import Source


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_linked_into_a_source_are_walked(tmp_path: Path) -> None:
    touched(tmp_path / "store" / "a.jpg", tmp_path / "set" / "labels" / "a.txt")
    (tmp_path / "set" / "images").symlink_to(tmp_path / "store")
    assert [folder.path.name for folder in walk(tmp_path / "set")] == ["set", "images", "labels"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touched(tmp_path / "store" / "a.jpg", tmp_path / "set" / "b.jpg")
    (tmp_path / "store" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "store" / "round").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "images").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "up").symlink_to(tmp_path)
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set" / "images")
    assert [folder.path.name for folder in walk(tmp_path / "set")] == ["set", "again", "images"]


def test_a_link_to_a_folder_of_the_source_is_no_second_way_to_it(tmp_path: Path) -> None:
    touched(tmp_path / "v1" / "a.jpg")
    (tmp_path / "latest").symlink_to(tmp_path / "v1")
    assert [folder.path for folder in walk(tmp_path)] == [tmp_path, tmp_path / "v1"]


def test_pipes_are_no_files_and_links_that_lead_nowhere_are(tmp_path: Path) -> None:
    touched(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "d.jpg").symlink_to(tmp_path / "b.jpg")
    (tmp_path / "e.jpg").symlink_to(tmp_path / "gone.jpg")
    (folder,) = walk(tmp_path)
    assert folder.files == ("a.jpg", "c.jpg", "e.jpg")
    assert folder.endless == ("b.jpg", "d.jpg")


def test_folders_nearest_to_a_place_come_first(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "x", tmp_path / "b" / "y", tmp_path / "b" / "c", tmp_path]
    nearest = sort_nearest_first(folders, tmp_path / "b" / "c" / "d", Source(tmp_path))
    assert nearest == [tmp_path / "b" / "c", tmp_path / "b" / "y", tmp_path / "a" / "x", tmp_path]


def test_the_folder_of_images_stands_for_the_source(tmp_path: Path) -> None:
    images = tmp_path / "pictures"
    folders = [images, images / "a" / "train", images / "a" / "valid", images / "b" / "train"]
    source = Source(tmp_path / "labels", images)
    assert sort_nearest_first(folders, tmp_path / "labels" / "b" / "train", source)[0] == images / "b" / "train"
    assert sort_nearest_first(folders, tmp_path / "labels" / "valid", source)[0] == images / "a" / "valid"
    assert sort_nearest_first(folders, tmp_path / "labels", source, "val")[0] == images / "a" / "valid"
    assert sort_nearest_first(folders, tmp_path / "labels", source)[0] == images


def test_a_tree_is_listed_once_within_the_outermost_block(tmp_path: Path) -> None:
    def seen() -> list[str]:
        return [name for folder in walk(tmp_path) for name in folder.files]

    with remember_listings():
        with remember_listings():
            assert seen() == []
        touched(tmp_path / "new.jpg")
        assert seen() == []
    assert seen() == ["new.jpg"]
