"""Boxes against their image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from odtool.dataset import checks
from odtool.dataset.image_file import ImageHeader
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Unit

HEADER = ImageHeader("jpeg", 100, 50, 3, 8, 1000)


def checked(box: Box, unit: Unit = "pixel") -> tuple[list[Box], list[str]]:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), (ObjectAnnotation("cat", box),), unit)
    made, problems = checks.check_image(image, HEADER)
    assert made.unit == "pixel"
    return [item.box for item in made.objects], [problem.kind for problem in problems]


@pytest.mark.parametrize(
    ("box", "kept", "kinds"),
    [
        (Box(0, 0, 100, 50), Box(0, 0, 100, 50), []),
        (Box(1.5, 2, 3, 4), Box(1.5, 2, 3, 4), []),
        (Box(-5, 2, 30, 60), Box(0, 2, 30, 50), ["box_outside"]),
        (Box(30, 2, 10, 4), Box(10, 2, 30, 4), ["box_inverted"]),
        (Box(10, 5, 10, 9), None, ["box_zero"]),
        (Box(200, 10, 220, 20), None, ["box_outside_entirely"]),
        (Box(100, 10, 120, 20), None, ["box_outside_entirely"]),
        (Box(float("nan"), 1, 2, 3), None, ["box_invalid"]),
        (Box(1, 1, float("inf"), 3), None, ["box_invalid"]),
    ],
)
def test_a_box_is_kept_mended_or_left_out_and_named(box: Box, kept: Box | None, kinds: list[str]) -> None:
    assert checked(box) == ([kept] if kept else [], kinds)


def test_fractions_become_pixels_of_the_true_size() -> None:
    assert checked(Box(0.1, 0.2, 0.5, 1.0), "fraction") == ([Box(10, 10, 50, 50)], [])


def test_the_rounding_of_six_decimals_is_no_problem() -> None:
    assert checked(Box(0.5, 0.5, 1.000001, 1), "fraction") == ([Box(50, 25, 100, 50)], [])


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (replace(HEADER, orientation=6), "exif_rotation"),
        (replace(HEADER, format="png"), "extension_lies"),
        (replace(HEADER, channels=4), "image_cmyk"),
        (replace(HEADER, format="png", channels=4), "image_alpha"),
        (replace(HEADER, format="png", bits=16), "image_16bit"),
        (replace(HEADER, format="bmp"), "reencoded"),
        (replace(HEADER, width=99), "size_disagrees"),
    ],
)
def test_what_the_header_tells_is_reported(header: ImageHeader, kind: str) -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), declared_size=(100, 50))
    _, problems = checks.check_image(image, header)
    assert kind in [problem.kind for problem in problems]


def test_every_problem_named_in_the_code_is_in_the_catalogue() -> None:
    import re

    room = Path(checks.__file__).parent
    named = set()
    for module in room.rglob("*.py"):
        named |= set(re.findall(r"(?:Problem|ImageError|append)\(\(?\"([a-z_0-9]+)\"", module.read_text()))
    assert len(named) > 10
    assert named <= set(checks.CATALOGUE)
