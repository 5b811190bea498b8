"""CrowdHuman's .odgt files, laid out as its page describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.datasets import crowdhuman
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

PERSON = {
    "fbox": [72, 202, 163, 503],
    "tag": "person",
    "hbox": [171, 208, 62, 83],
    "extra": {"box_id": 0, "occ": 0},
    "vbox": [72, 202, 163, 398],
    "head_attr": {"ignore": 0, "occ": 0, "unsure": 0},
}
CROWD = {"fbox": [1, 2, 3, 4], "tag": "mask", "hbox": [1, 2, 3, 4], "extra": {"ignore": 1}, "vbox": [1, 2, 3, 4]}


def test_full_boxes_are_read_and_what_is_to_be_ignored_is_counted(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("273271,c9db000d5146c15", "284193,faa9000f2678b5e"):
        write_image(tmp_path / "Images" / f"{name}.jpg", 600, 800)
    ignored = PERSON | {"extra": {"box_id": 1, "ignore": 1}}
    rows = [
        {"ID": "273271,c9db000d5146c15", "gtboxes": [PERSON, CROWD, ignored]},
        {"ID": "284193,faa9000f2678b5e", "gtboxes": [PERSON | {"fbox": [-5, 0, 10, 20], "extra": {"occ": 1}}]},
    ]
    (tmp_path / "annotation_val.odgt").write_text("\n".join(map(json.dumps, rows)))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "crowdhuman"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.name, image.split) for image in images] == [
        ("273271,c9db000d5146c15.jpg", "val"),
        ("284193,faa9000f2678b5e.jpg", "val"),
    ]
    assert [(item.label, item.box, item.occluded) for image in images for item in image.objects] == [
        ("person", Box(72, 202, 235, 705), False),
        ("person", Box(-5, 0, 5, 20), True),
    ]
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("object_ignored", "line 1: box 2 (mask)"),
        ("object_ignored", "line 1: box 3 (person)"),
    ]


@pytest.mark.parametrize(("change", "kind"), [({"fbox": [1]}, "box_missing"), ({"tag": None}, "label_missing")])
def test_what_cannot_be_used_is_told(change: Any, kind: str) -> None:
    where = Line(Path("a.odgt"), 1)
    assert crowdhuman.parse({"ID": "a", "gtboxes": [PERSON | change]}, where).objects == ()
    assert [problem[0] for problem in where.problems] == [kind]


@pytest.mark.parametrize("row", [{"gtboxes": []}, {"ID": "a"}, {"ID": "a", "gtboxes": [1]}])
def test_what_is_not_crowdhumans_is_refused(row: Any) -> None:
    with pytest.raises(DataError, match=r"a\.odgt:1: "):
        crowdhuman.parse(row, Line(Path("a.odgt"), 1))
