"""Images of another size than their annotations declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.images.masks import draw
from odtool.dataset.survey.conventions.annotated_size import AnnotatedSizes, Basis, SizeVotes, reconsider
from odtool.dataset.types import AnnotatedImage, Box, Keypoint, ObjectAnnotation, Outline, Unit

Size = tuple[int, int]


def image(declared: Size | None, *boxes: Box, unit: Unit = "pixel") -> AnnotatedImage:
    objects = tuple(ObjectAnnotation("cat", box) for box in boxes)
    return AnnotatedImage(Path("a.png"), Path("a.xml"), objects, unit, declared_size=declared)


def place(declared: Size | None, size: Size, *boxes: Box, wanted: Basis | None = None) -> tuple[list[Box], str]:
    placed = AnnotatedSizes(wanted).place(image(declared, *boxes), size, "set")
    return [item.box for item in placed.image.objects], placed.problem.kind if placed.problem else ""


@pytest.mark.parametrize(
    ("declared", "size", "box", "scaled"),
    [
        ((240, 160), (120, 80), Box(20, 20, 80, 60), Box(10, 10, 40, 30)),
        ((2765, 1843), (2560, 1706), Box(0, 0, 2765, 1843), Box(0, 0, 2560, 1706)),
        ((120, 80), (240, 160), Box(10, 10, 40, 30), Box(20, 20, 80, 60)),
        ((1920, 1080), (300, 169), Box(0, 0, 1920, 1080), Box(0, 0, 300, 169)),
    ],
)
def test_an_image_of_the_same_shape_was_resized_and_its_boxes_are_scaled(
    declared: Size, size: Size, box: Box, scaled: Box
) -> None:
    (placed,), kind = place(declared, size, box)
    assert kind == "size_scaled"
    assert vars_of(placed) == pytest.approx(vars_of(scaled))


def vars_of(box: Box) -> tuple[float, ...]:
    return box.xmin, box.ymin, box.xmax, box.ymax


def test_a_box_beyond_the_declared_size_contradicts_scaling() -> None:
    boxes = [Box(130, 10, 230, 70), Box(1, 2, 3, 4)]
    assert place((120, 80), (240, 160), *boxes) == (boxes, "")


def test_another_shape_is_scaled_only_where_a_box_fits_nothing_else() -> None:
    (placed,), kind = place((400, 200), (100, 100), Box(200, 50, 400, 200))
    assert (placed, kind) == (Box(50, 25, 100, 100), "size_scaled")
    assert place((400, 200), (100, 100), Box(10, 20, 30, 40)) == ([Box(10, 20, 30, 40)], "")


@pytest.mark.parametrize("declared", [None, (120, 80), (121, 81), (119, 80)])
def test_the_same_size_and_one_that_was_rounded_change_nothing(declared: Size | None) -> None:
    assert place(declared, (120, 80), Box(1, 2, 30, 40)) == ([Box(1, 2, 30, 40)], "")


def test_the_user_decides() -> None:
    box = Box(20, 20, 80, 60)
    assert place((240, 160), (120, 80), box, wanted="file") == ([box], "")
    assert place((400, 160), (100, 80), box, wanted="annotation") == ([Box(5, 10, 20, 30)], "size_scaled")


def test_masks_keypoints_and_areas_are_scaled_with_the_boxes() -> None:
    polygon = Outline(polygons=((0, 0, 40, 0, 40, 40),))
    runs = Outline(counts=(0, 8, 8), width=4, height=4)  # the left half
    items = (
        ObjectAnnotation("a", Box(0, 0, 4, 4), area=12.0, outline=polygon, keypoints=(Keypoint(4, 2, 2),)),
        ObjectAnnotation("b", Box(0, 0, 2, 4), outline=runs),
    )
    sizes = AnnotatedSizes("annotation")
    placed = sizes.place(
        AnnotatedImage(Path("a.png"), Path("a.json"), items, declared_size=(4, 4)), (8, 8), "set"
    ).image
    first, second = placed.objects
    assert (first.area, first.keypoints) == (48.0, (Keypoint(8, 4, 2),))
    assert first.outline
    assert first.outline.polygons == ((0, 0, 80, 0, 80, 80),)
    assert second.outline
    assert (second.outline.width, second.outline.height) == (8, 8)
    mask = draw(second.outline, second.box, (8, 8), (0, 0, 8, 8))
    assert mask[:, :4].all()
    assert not mask[:, 4:].any()
    assert placed.declared_size == (8, 8)


def test_fractions_are_of_either_size() -> None:
    box = Box(0.1, 0.2, 0.5, 0.6)
    placed = AnnotatedSizes().place(image((240, 160), box, unit="fraction"), (120, 80), "set")
    assert placed.image.objects[0].box == box
    assert placed.problem
    assert placed.problem.kind == "size_scaled"


@pytest.mark.parametrize(
    ("shape", "votes", "chosen"),
    [
        ("same", SizeVotes(), None),
        ("same", SizeVotes(annotation=3, file=1), None),
        ("same", SizeVotes(annotation=1, file=3), "file"),
        ("same", SizeVotes(shrunk=19), None),
        ("same", SizeVotes(shrunk=20), "file"),
        ("same", SizeVotes(annotation=1, shrunk=200), None),
        ("other", SizeVotes(), None),
        ("other", SizeVotes(annotation=3), "annotation"),
        ("other", SizeVotes(annotation=3, file=1), None),
    ],
)
def test_images_that_leave_it_open_follow_those_that_decide(shape: str, votes: SizeVotes, chosen: str | None) -> None:
    later = reconsider(AnnotatedSizes(), {("set", shape): votes})  # type: ignore[dict-item]  # of literals
    assert (later.chosen if later else {}) == ({("set", shape): chosen} if chosen else {})
    if later:
        assert reconsider(later, {("set", shape): votes}) is None  # type: ignore[dict-item]
