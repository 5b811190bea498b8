"""Udacity's CSVs, laid out as CrowdAI's and Autti's are."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tables import udacity
from odtool.dataset.types import Box, ObjectAnnotation, Source

CROWDAI = """xmin,xmax,ymin,ymax,Frame,Label,Preview URL
785,533,905,644,1479498371963069978.jpg,Car,http://crowdai.com/images/Wwj-gorOCisE7uxA/visualize
89,551,291,680,1479498371963069978.jpg,Truck,http://crowdai.com/images/Wwj-gorOCisE7uxA/visualize
"""
AUTTI = """1478019952686311006.jpg 950 574 1004 620 0 "car"
1478019952686311006.jpg 1748 482 1818 744 1 "pedestrian"
1478019953180167674.jpg 872 586 926 632 0 "trafficLight" "Red"
"""
PATH = Path("labels.csv")


class Table(NamedTuple):
    """What a file says, in memory."""

    images: dict[str, tuple[ObjectAnnotation, ...]]
    unit: str
    splits: dict[str, str]
    problems: tuple[tuple[str, str], ...]


def read_table(text: str | bytes) -> Table:
    data = text if isinstance(text, bytes) else text.encode()
    table = udacity.parse(io.BytesIO(data), PATH, Overflow())
    return Table(dict(table), table.unit, table.splits, tuple(table.problems))


def parse(text: str) -> tuple[dict[str, list[tuple[str, Box]]], list[str]]:
    table = read_table(text)
    images = {name: [(item.label, item.box) for item in objects] for name, objects in table.images.items()}
    return images, [kind for kind, _ in table.problems]


def test_both_are_read(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for folder, text, names in (
        ("object-detection-crowdai", CROWDAI, ["1479498371963069978"]),
        ("object-dataset", AUTTI, ["1478019952686311006", "1478019953180167674"]),
    ):
        for name in names:
            write_image(tmp_path / folder / f"{name}.jpg", 1920, 1200)
        (tmp_path / folder / "labels.csv").write_text(text)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "udacity"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert all(image.path.exists() for image in images)
    boxes = {(item.label, item.box, item.occluded) for image in images for item in image.objects}
    assert boxes == {
        ("Car", Box(785, 533, 905, 644), False),
        ("Truck", Box(89, 551, 291, 680), False),
        ("car", Box(950, 574, 1004, 620), False),
        ("pedestrian", Box(1748, 482, 1818, 744), True),
        ("trafficLight", Box(872, 586, 926, 632), False),
    }
    assert [problem.kind for problem in problems] == ["header_wrong"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (CROWDAI, ["header_wrong"]),
        (CROWDAI.replace("xmin,xmax,ymin,ymax", "xmin,ymin,xmax,ymax"), []),
        (CROWDAI.replace("785,533,905,644", "785,905,533,644").replace("89,551,291,680", "89,291,551,680"), []),
    ],
)
def test_the_order_is_the_one_in_which_boxes_are_upright(text: str, problems: list[str]) -> None:
    expected = [("Car", Box(785, 533, 905, 644)), ("Truck", Box(89, 551, 291, 680))]
    assert parse(text) == ({"1479498371963069978.jpg": expected}, problems)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (CROWDAI, "1,2,x,4,a.jpg,Car,u\n"),
        (CROWDAI, "1,2,3,4,,Car,u\n"),
        (AUTTI, "a.jpg 1 2 3 4 0\n"),
        (AUTTI, 'a.jpg 1 "\n'),
    ],
)
def test_a_broken_row_is_told_and_the_others_are_read(text: str, row: str) -> None:
    whole, _ = parse(text)
    images, problems = parse(text + row)
    assert images == whole
    assert "record_broken" in problems


@pytest.mark.parametrize(
    "text", ["a.jpg 1,2,30,40,0\n", "a.jpg 1 2 3 4 5\n", "Frame,Label\na,b\n", "", "a.jpg 1 2 3 4 0 5\n"]
)
def test_other_tables_are_not_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert udacity.detect(tmp_path) is None
