"""Keypoints that no kpt_shape announces."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.readers.datasets.yolo import yolo, yolo_points
from odtool.dataset.types import Problem, Source

POSE = "0 .5 .5 .8 .6 .45 .45 .55 .45 .55 .55 .45 .55\n"
SEEN = "0 .5 .5 .8 .6 .2 .45 2 .55 .3 1 0 0 0 .45 .75 2\n"
ABSENT = "0 .5 .5 .8 .6 .45 .45 .55 .55 0 0 0 0\n"
POLYGON = "0 .5 .4 .6 .5 .55 .6 .45 .6 .4 .5 .5 .4\n"
"""Small and in the middle, so that all of it lies in the box that its first numbers would be."""


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ([POSE * 3], 8),
        ([POSE, "", POSE, POSE + "\n"], 8),
        ([SEEN * 3], 12),
        ([POSE, ABSENT, POSE], 8),
        ([POSE * 2], 0),
        ([POSE * 3 + "0 .5 .5 .8 .6\n"], 0),
        ([POSE * 3 + POLYGON], 0),
        ([POLYGON * 3], 0),
        (["0 .1 .1 .9 .1 .9 .9 .1 .9\n" * 3], 0),
        (["0 .5 .5 .8 .6\n" * 3], 0),
        (["0 .5 .5 .1 .1 .45 .45 .55 .45 .65 .55 .45 .55\n" * 3], 0),
        (["x y\n" * 3], 0),
        ([], 0),
    ],
)
def test_lines_are_points_where_all_have_as_many_in_their_boxes(tmp_path: Path, texts: list[str], count: int) -> None:
    files = [tmp_path / f"{number}.txt" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    assert yolo_points.count_undeclared_numbers(files) == count


@pytest.mark.parametrize(("shape", "kind"), [("", "keypoints_unsaid"), ("kpt_shape: [4, 2]\n", "keypoints_dropped")])
def test_points_without_a_shape_are_told_of(tmp_path: Path, shape: str, kind: str) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.txt").write_text(POSE * 3)
    (tmp_path / "data.yaml").write_text(f"train: .\nnames: [cat]\n{shape}")
    assert [item.kind for item in yolo.read(Source(tmp_path)) if isinstance(item, Problem)] == [kind]
