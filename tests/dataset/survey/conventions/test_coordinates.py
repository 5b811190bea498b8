"""Which reading the boxes of a whole source bear out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from odtool.dataset.dialects import DIALECTS, Layout, Reading, make_box
from odtool.dataset.survey.conventions.box_fit import Fit
from odtool.dataset.survey.conventions.coordinates import Coordinates, Evidence, reconsider
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Problem
from odtool.errors import DataError

SIZE = (120, 80)
SOURCE = Path("set")
Numbers = tuple[float, float, float, float]


def decide(
    dialect: str, numbers: Sequence[Numbers], wanted: Reading | None = None, size: tuple[int, int] = SIZE
) -> tuple[Reading, Coordinates]:
    """The reading in which passes over images of one box each end, and how the last one read."""
    documented = DIALECTS[dialect].readings[0]
    images = [
        AnnotatedImage(
            Path("a.png"),
            Path("a.json"),
            (ObjectAnnotation("cat", make_box(four, documented.layout)),),
            "fraction" if documented.scale == "fractions" else "pixel",
            dialect=dialect,
        )
        for four in numbers
    ]
    used: Coordinates | None = Coordinates(wanted)
    while used is not None:
        last, heard = used, dict[tuple[str, str], Evidence]()
        for image in images:
            read = used.read(image, SOURCE)
            kinds = (
                []
                if fits(read.objects[0].box, (1, 1) if read.unit == "fraction" else size)
                else [Problem("box_outside", Path("a.json"), "")]
            )
            used.weigh(image, [size], kinds, SOURCE, heard)
        used = reconsider(used, heard)
    return last.chosen.get((str(SOURCE), dialect), documented), last


def fits(box: Box, size: tuple[int, int]) -> bool:
    return 0 <= box.xmin < box.xmax <= size[0] and 0 <= box.ymin < box.ymax <= size[1]


def draw(count: int, layout: Layout, *, sides: tuple[int, int] = (10, 60)) -> list[Numbers]:
    """Boxes within the image, as a layout writes them."""
    chance = random.Random(3)
    boxes = list[Numbers]()
    for _ in range(count):
        width, height = chance.randint(*sides), chance.randint(*sides)
        left, top = chance.randint(0, SIZE[0] - width), chance.randint(0, SIZE[1] - height)
        written: dict[Layout, Numbers] = {
            "xyxy": (left, top, left + width, top + height),
            "xywh": (left, top, width, height),
            "cxcywh": (left + width / 2, top + height / 2, width, height),
        }
        boxes.append(written[layout])
    return boxes


@pytest.mark.parametrize(
    ("dialect", "written"),
    [
        (dialect, layout)
        for dialect, layouts in {
            "coco": ("xywh", "xyxy"),
            "createml": ("cxcywh", "xywh"),
            "hf_imagefolder": ("xywh", "xyxy", "cxcywh"),
            "retinanet_csv": ("xyxy", "xywh"),
            "tfod_csv": ("xyxy", "xywh"),
            "voc": ("xyxy", "xywh"),
            "wider_face": ("xywh", "xyxy"),
            "yolo_keras": ("xyxy", "xywh"),
        }.items()
        for layout in layouts
    ],
)
@pytest.mark.parametrize("count", [20, 400])
def test_a_set_is_read_as_it_was_written(dialect: str, written: Layout, count: int) -> None:
    reading, used = decide(dialect, draw(count, written))
    assert reading.layout == written
    assert len(used.notices) == (written != DIALECTS[dialect].readings[0].layout)


@pytest.mark.parametrize("written", ["cxcywh", "xywh"])
def test_small_objects_tell_centres_from_corners_by_those_at_the_edge(written: Layout) -> None:
    assert decide("createml", draw(2000, written, sides=(6, 9)))[0].layout == written


def test_what_was_chosen_against_the_documents_is_told_with_the_shares() -> None:
    _, used = decide("hf_imagefolder", [(10, 20, 60, 70), (70, 5, 118, 55), (50, 30, 115, 75)])
    (notice,) = used.notices
    assert notice.kind == "coordinates_chosen"
    assert "100% of 3 boxes" in notice.detail
    assert "0% as left, top, width, height in pixels" in notice.detail


def test_a_usual_set_is_read_once_and_nothing_else_is_counted() -> None:
    _, used = decide("coco", draw(50, "xywh"))
    assert used == Coordinates()


@pytest.mark.parametrize("dialect", ["coco", "createml", "retinanet_csv"])
def test_a_slip_in_a_small_set_refuses_nothing(dialect: str) -> None:
    documented = DIALECTS[dialect].readings[0]
    slip: dict[str, Numbers] = {"xywh": (90, 50, 50, 20), "cxcywh": (100, 40, 60, 20), "xyxy": (90, 50, 140, 70)}
    boxes = [*draw(2, documented.layout), slip[documented.layout]]
    reading, used = decide(dialect, boxes)
    assert (reading, used.notices) == (documented, ())


def test_boxes_that_stick_out_by_little_refuse_nothing_however_many() -> None:
    slips = [(100.0, 60.0, 24.0, 16.0), (3.0, 60.0, 100.0, 23.0)] * 6
    assert decide("coco", [*draw(28, "xywh"), *slips])[0] == DIALECTS["coco"].readings[0]


def test_fractions_that_stick_out_by_little_are_no_percent() -> None:
    boxes = [(x / 120, y / 80, w / 120, h / 80) for x, y, w, h in [*draw(180, "cxcywh"), *[(110, 40, 24, 20)] * 20]]
    assert decide("yolo", boxes, size=(1200, 800))[0] == DIALECTS["yolo"].readings[0]


def test_a_reading_that_another_one_beats_is_not_kept_though_that_one_fails_too() -> None:
    boxes = [*draw(400, "xywh", sides=(12, 24)), *[(100.0, 60.0, 24.0, 16.0)] * 20]
    with pytest.raises(DataError, match="no reading explains 98%"):
        decide("createml", boxes)


def test_numbers_of_another_scale_that_keep_all_boxes_in_one_corner_are_not_believed() -> None:
    fractions = [(x / 120, y / 80, right / 120, bottom / 80) for x, y, right, bottom in draw(6, "xyxy")]
    assert decide("yolo", fractions, size=(640, 480))[0] == Reading("xyxy", "fractions")
    percent = [(x / 1.2, y / 0.8, w / 1.2, h / 0.8) for x, y, w, h in draw(60, "cxcywh")]
    slips = [(90.5, 50.1, 31.7, 20.0)] * 3
    with pytest.raises(DataError, match="no reading explains 98%"):
        decide("yolo", [*percent, *slips], size=(640, 480))


def test_inverted_boxes_are_evidence() -> None:
    inside = [(60.0, 40.0, 30.0, 20.0), (50.0, 30.0, 40.0, 25.0), (70.0, 50.0, 20.0, 20.0), (40.0, 30.0, 30.0, 20.0)]
    assert decide("retinanet_csv", inside)[0].layout == "xywh"


def test_two_conventions_in_one_source_are_refused_with_the_shares() -> None:
    mixed = [*draw(20, "cxcywh", sides=(30, 60)), *draw(20, "xywh", sides=(30, 60))]
    with pytest.raises(DataError, match="no reading explains 98%") as error:
        decide("createml", mixed)
    assert "% as centre, width, height (cxcywh)" in error.value.message
    assert "% as left, top, width, height (xywh)" in error.value.message
    assert "--coordinates" in (error.value.hint or "")


def test_what_the_user_says_is_not_questioned() -> None:
    mixed = [*draw(20, "cxcywh", sides=(30, 60)), *draw(20, "xywh", sides=(30, 60))]
    reading, used = decide("createml", mixed, Reading("xywh"))
    assert (used.chosen, used.notices) == ({}, ())
    assert used.list_readings(DIALECTS["createml"]) == (Reading("xywh"),)
    assert reading == DIALECTS["createml"].readings[0]  # which is only the start of a reading


def test_pixels_in_place_of_fractions_are_seen() -> None:
    assert decide("yolo", [(60, 40, 50, 30), (100, 60, 30, 30)])[0] == Reading("cxcywh", "pixels")


def test_pixels_and_percent_that_both_fit_are_told_apart_by_how_far_they_reach() -> None:
    boxes = draw(40, "cxcywh")
    percent = [(x / 1.2, y / 0.8, w / 1.2, h / 0.8) for x, y, w, h in boxes]
    assert decide("yolo", percent, size=(640, 480))[0].scale == "percent"
    assert decide("yolo", boxes)[0].scale == "pixels"


def test_few_boxes_of_half_pixels_are_no_percent() -> None:
    reading, used = decide("yolo", [(30.5, 40, 11, 10), (50, 60, 20, 20)])
    assert reading == Reading("cxcywh", "pixels")
    assert "less usual, though they would fit: centre, width, height in percent" in used.notices[0].detail


def test_few_boxes_that_two_readings_explain_are_refused() -> None:
    with pytest.raises(DataError, match="more than one reading explains them"):
        decide("yolo", [(30.27, 40, 10, 10), (50, 60.1, 20, 20)])


def test_a_seldom_reading_is_meant_only_where_no_usual_one_explains_the_boxes() -> None:
    assert decide("retinanet_csv", [(60, 40, 30, 20), (50, 30, 40, 25), (70, 50, 20, 20)])[0].layout == "xywh"
    assert decide("retinanet_csv", draw(6, "cxcywh", sides=(30, 60)))[0].layout == "cxcywh"


def test_boxes_that_fit_under_no_reading_say_nothing_while_they_are_few() -> None:
    broken = (20.0, 10.0, 30.0, 0.0)
    assert decide("createml", [*draw(5, "xywh", sides=(40, 60)), broken])[0].layout == "xywh"
    with pytest.raises(DataError, match="no reading explains 98%"):
        decide("createml", [*draw(20, "xywh", sides=(40, 60)), *[(300.0, 10.0, 30.0, 50.0)] * 5])


def test_numbers_beyond_all_images_are_far_off() -> None:
    boxes = [*draw(5, "xywh"), (1e308, 0.0, 1e308, 1.0), (float("nan"), 1.0, 2.0, 3.0)]
    assert decide("coco", boxes)[0] == DIALECTS["coco"].readings[0]


def test_a_rare_convention_is_not_believed_without_all_its_boxes() -> None:
    with_open = replace(DIALECTS["coco"], strength="open")
    evidence = Evidence(with_open, Path("a.json"), 100, fits={reading: Fit(3) for reading in with_open.all_readings})
    with pytest.raises(DataError, match="no reading explains 98%"):
        reconsider(Coordinates(counted=frozenset({("set", "coco")})), {("set", "coco"): evidence})


def test_the_scale_of_what_the_user_names_is_left_to_the_boxes() -> None:
    _, used = decide("yolo", [(10, 20, 60, 70)], Reading("xyxy"))
    assert list(used.chosen.values()) == [Reading("xyxy", "pixels")]
    _, used = decide("yolo", [(10, 20, 60, 70)], Reading("xyxy", "fractions"))
    assert used.chosen == {}


def test_shapes_say_something_of_the_scale_alone() -> None:
    item = ObjectAnnotation("cat", Box(10, 20, 60, 70.25), enclosed=True)
    image = AnnotatedImage(Path("a.png"), Path("a.txt"), (item,), "fraction", dialect="yolo")
    heard = dict[tuple[str, str], Evidence]()
    outside = [Problem("box_outside_entirely", Path("a.txt"), "")]
    Coordinates().weigh(image, [SIZE], outside, SOURCE, heard)
    (key,) = heard
    heard[key].is_whole = True
    later = reconsider(Coordinates(counted=frozenset({key})), heard)
    assert later
    assert later.chosen == {key: Reading("cxcywh", "pixels")}


@pytest.mark.parametrize("dialect", ["voc", "tfod_csv"])
def test_names_that_say_what_numbers_are_do_not_explain_those_of_other_images(dialect: str) -> None:
    numbers = draw(20, "xyxy")
    thousandths = [tuple(1000 * value / SIZE[place % 2] for place, value in enumerate(four)) for four in numbers]
    with pytest.raises(DataError, match="no reading explains 98% of them"):
        decide(dialect, thousandths)  # type: ignore[arg-type]  # four each
    assert decide(dialect, [*numbers, *thousandths[:1]])[0] == DIALECTS[dialect].readings[0]  # type: ignore[list-item]
    assert decide(dialect, thousandths[:3])[0] == DIALECTS[dialect].readings[0]  # type: ignore[arg-type]
