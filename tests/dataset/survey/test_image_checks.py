"""Boxes against their image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.survey import image_checks
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Unit

HEADER = ImageHeader("jpeg", 100, 50, 3, 8, 1000)


def checked(box: Box, unit: Unit = "pixel") -> tuple[list[Box], list[str]]:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), (ObjectAnnotation("cat", box),), unit)
    made, problems = image_checks.check_image(image, HEADER)
    assert made.image.unit == "pixel"
    kinds = [problem.kind for problem in problems if problem.kind != "image_without_objects"]
    return [item.box for item in made.image.objects], kinds


@pytest.mark.parametrize(
    ("box", "kept", "kinds"),
    [
        (Box(0, 0, 100, 50), Box(0, 0, 100, 50), []),
        (Box(1.5, 2, 3, 4), Box(1.5, 2, 3, 4), []),
        (Box(-5, 2, 30, 60), Box(0, 2, 30, 50), ["box_outside"]),
        (Box(30, 2, 10, 4), Box(10, 2, 30, 4), ["box_inverted"]),
        (Box(30, 2, -5, 4), Box(0, 2, 30, 4), ["box_inverted"]),
        (Box(10, 5, 10, 9), None, ["box_zero"]),
        (Box(200, 10, 220, 20), None, ["box_outside_entirely"]),
        (Box(100, 10, 120, 20), None, ["box_outside_entirely"]),
        (Box(float("nan"), 1, 2, 3), None, ["box_invalid"]),
        (Box(1, 1, float("inf"), 3), None, ["box_invalid"]),
        (Box(10, 5, 10.5, 9), Box(10, 5, 10.5, 9), []),
        (Box(10, 5, 10.5, 5.9), Box(10, 5, 10.5, 5.9), ["box_tiny"]),
        (Box(99.5, 5, 120, 9), Box(99.5, 5, 100, 9), ["box_outside"]),
        (Box(10, 5, 11, 6), Box(10, 5, 11, 6), []),
    ],
)
def test_a_box_is_kept_mended_or_left_out_and_named(box: Box, kept: Box | None, kinds: list[str]) -> None:
    assert checked(box) == ([kept] if kept else [], kinds)


def test_fractions_that_were_taken_for_pixels_are_told() -> None:
    assert checked(Box(0.1, 0.2, 0.5, 1.0)) == ([Box(0.1, 0.2, 0.5, 1.0)], ["box_tiny"])


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
        (replace(HEADER, channels=1), "image_gray"),
        (replace(HEADER, format="png", palette=True), "image_palette"),
        (replace(HEADER, width=99), "size_disagrees"),
    ],
)
def test_what_the_header_tells_is_reported(header: ImageHeader, kind: str) -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), declared_size=(100, 50))
    _, problems = image_checks.check_image(image, header)
    assert kind in [problem.kind for problem in problems]


def objects(*boxes: Box, label: str = "cat") -> tuple[ObjectAnnotation, ...]:
    return tuple(ObjectAnnotation(label, box) for box in boxes)


def kinds_of(image: AnnotatedImage, header: ImageHeader, **rules: bool) -> list[str]:
    return [problem.kind for problem in image_checks.check_image(image, header, image_checks.Rules(**rules))[1]]


def test_a_box_that_is_there_twice_is_kept_once() -> None:
    twice = (*objects(Box(1, 2, 30, 40), Box(1, 2, 30, 40)), *objects(Box(1, 2, 30, 40), label="dog"))
    made, problems = image_checks.check_image(AnnotatedImage(Path("a.jpg"), Path("a.xml"), twice), HEADER)
    assert [item.label for item in made.image.objects] == ["cat", "dog"]
    assert [(problem.kind, problem.detail[:14]) for problem in problems] == [("box_duplicate", "object 2 (cat)")]


def test_images_without_and_with_too_many_objects_are_named() -> None:
    empty = AnnotatedImage(Path("a.jpg"), Path("a.xml"))
    assert kinds_of(empty, HEADER) == ["image_without_objects"]
    full = replace(empty, objects=objects(*(Box(0, 0, 2 + number / 4, 9) for number in range(100))))
    assert kinds_of(full, HEADER) == []
    over = replace(full, objects=full.objects + objects(Box(1, 1, 9, 9)))
    assert kinds_of(over, HEADER) == ["objects_crowded"]


def test_the_smallest_box_can_be_chosen() -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), objects(Box(1, 1, 5, 30), Box(1, 1, 1.1, 1.2)))
    for least, count in ((0, 2), (1, 1), (4, 1), (4.1, 0)):
        made, _ = image_checks.check_image(image, HEADER, image_checks.Rules(min_box=least))
        assert len(made.image.objects) == count
    _, problems = image_checks.check_image(image, HEADER, image_checks.Rules(min_box=1))
    assert [problem.kind for problem in problems] == ["box_small"]


SIDEWAYS = replace(HEADER, orientation=6)
"""Stored 100x50; viewers show it 50x100."""


@pytest.mark.parametrize(
    ("declared", "box", "stored", "upright", "kinds"),
    [
        ((100, 50), Box(10, 5, 90, 15), Box(10, 5, 90, 15), Box(35, 10, 45, 90), []),
        ((50, 100), Box(35, 10, 45, 90), Box(10, 5, 90, 15), Box(35, 10, 45, 90), ["exif_annotated"]),
        (None, Box(35, 10, 45, 90), Box(10, 5, 90, 15), Box(35, 10, 45, 90), ["exif_annotated"]),
        (None, Box(35, 10, 45, 40), Box(35, 10, 45, 40), Box(10, 35, 40, 45), ["exif_undecided"]),
        ((7, 7), Box(35, 10, 45, 40), Box(35, 10, 45, 40), Box(10, 35, 40, 45), ["size_disagrees", "exif_undecided"]),
    ],
)
def test_boxes_follow_the_pixels_that_are_written(
    declared: tuple[int, int] | None, box: Box, stored: Box, upright: Box, kinds: list[str]
) -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), objects(box), declared_size=declared)
    made, problems = image_checks.check_image(image, SIDEWAYS)
    assert (made.image.objects[0].box, made.fixed, made.header.width) == (stored, False, 100)
    assert sorted(problem.kind for problem in problems) == sorted([*kinds, "exif_rotation"])
    made, problems = image_checks.check_image(image, SIDEWAYS, image_checks.Rules(fix_images=True))
    assert (made.image.objects[0].box, made.fixed, made.header.width) == (upright, True, 50)
    assert "fixed_rotation" in [problem.kind for problem in problems]
    assert "exif_annotated" not in [problem.kind for problem in problems]


def test_boxes_outside_are_clipped_to_the_image_that_was_annotated() -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), objects(Box(-5, 10, 45, 200)), declared_size=(50, 100))
    made, problems = image_checks.check_image(image, SIDEWAYS)
    assert made.image.objects[0].box == Box(10, 5, 100, 50)
    assert "box_outside" in [problem.kind for problem in problems]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (replace(HEADER, channels=4), "fixed_cmyk"),
        (replace(HEADER, format="png", channels=4), "fixed_alpha"),
        (replace(HEADER, format="png", bits=16), "fixed_16bit"),
        (replace(HEADER, orientation=3), "fixed_rotation"),
    ],
)
def test_every_repair_is_counted(header: ImageHeader, kind: str) -> None:
    image = AnnotatedImage(Path("a.jpg"), Path("a.xml"), objects(Box(1, 2, 30, 40)), declared_size=(100, 50))
    assert kind in kinds_of(image, header, fix_images=True)
    assert kind not in kinds_of(image, header)


@pytest.mark.parametrize(
    ("header", "kind", "detail"),
    [
        ({"format": "tiff", "values": (0, 4095)}, "image_range", "values up to 4095: 12 of 16 bits"),
        ({"format": "tiff", "values": (0, 200)}, "image_range", "values up to 200: 8 of 16 bits"),
        ({"format": "tiff", "values": (0, 65_000)}, "image_16bit", "16 bits a channel"),
        ({"format": "png", "values": (0, 4095)}, "image_dark", "values up to 4095: 12 of 16 bits; 16 shades are left"),
        ({"format": "png", "values": (0, 16_000)}, "image_16bit", "16 bits a channel"),
        ({"format": "tiff", "values": (-1.5, 2), "is_float": True}, "image_stretched", "floats from -1.5 to 2"),
        ({"format": "tiff", "values": (-1000, 3000)}, "image_stretched", "16 bits from -1000 to 3000"),
    ],
)
def test_what_becomes_of_more_than_8_bits_is_told(header: dict[str, Any], kind: str, detail: str) -> None:
    image = AnnotatedImage(Path("a.tif"), Path("a.xml"))
    _, problems = image_checks.check_image(image, replace(HEADER, channels=1, bits=16, **header))
    assert (kind, detail) in [(problem.kind, problem.detail) for problem in problems]
    depths = {"image_16bit", "image_dark", "image_range", "image_stretched"}
    assert [problem.kind for problem in problems if problem.kind in depths] == [kind]
