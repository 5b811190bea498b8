"""Lines and what crosses them, and objects through frames."""

from __future__ import annotations

from pathlib import Path, PurePath

import numpy as np
import pytest

from odtool.dataset.types import Box
from odtool.dataset.writers.annotation_writer import LabelledBox
from odtool.detection.predict.image_sources import Medium
from odtool.detection.predict.image_stream import Picture, PictureDetections
from odtool.detection.streams import object_counts, tracking
from odtool.detection.streams.object_counts import ObjectCounts
from odtool.errors import DataError

LINE = (0.0, 50.0, 100.0, 50.0)
"""From left to right: above it is its left."""


@pytest.mark.parametrize(
    ("before", "after", "side"),
    [
        ((50, 60), (50, 40), "left"),
        ((50, 40), (50, 60), "right"),
        ((50, 60), (50, 70), None),
        ((150, 60), (150, 40), None),  # past its end
        ((50, 50), (50, 40), "left"),
        ((50, 40), (50, 50), "right"),
        ((50, 50), (50, 60), None),
        ((90, 60), (120, 40), None),
        ((50, 50), (50, 50), None),
    ],
)
def test_a_line_is_crossed_to_one_of_its_sides(
    before: tuple[float, float], after: tuple[float, float], side: str | None
) -> None:
    assert object_counts.find_crossing(LINE, before, after) == side


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,1,1,1", "nan,0,1,1", "inf,0,1,1"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a line"):
        object_counts.parse_line(text)


def frame(number: int, *boxes: tuple[float, float, str, int | None], medium: int = 0) -> PictureDetections:
    """Boxes of 20 pixels around points, with class and number."""
    place = Medium(Path(f"{medium}.mp4"), PurePath(f"{medium}.mp4"), "video", medium)
    picture = Picture(place, np.zeros((100, 100, 3), np.uint8), b"", number, number / 10, 10.0)
    labelled = [
        LabelledBox(Box(x - 10, y - 10, x + 10, y + 10), 1 if label == "car" else 2, label, 0.9, track=track)
        for x, y, label, track in boxes
    ]
    return PictureDetections(picture, tuple(labelled))


def test_each_object_counts_once_for_a_side_and_anew_in_another_video() -> None:
    counts = ObjectCounts(LINE)
    for number, height in enumerate((40, 60, 40, 60)):
        counts.add(frame(number, (50, height, "car", 1), (20, 10, "dog", 2), (5, 5, "dog", None)))
    counts.add(frame(0, (50, 60, "car", 1), medium=1))
    assert counts.as_json() == {
        "distinct_objects": {"car": 2, "dog": 1},
        "crossed_line": {"car": {"left": 1, "right": 1}},
    }


def test_objects_keep_their_numbers_through_frames_and_gaps() -> None:
    pytest.importorskip("norfair")
    frames = []
    for number in range(12):
        boxes = [(10.0 + 4 * number, 30.0, "car", None)] if number not in (6, 7) else []  # not found in two frames
        frames.append(frame(number, *boxes, (90.0 - 4 * number, 80.0, "dog", None)))
    flash = frame(12, (50.0, 50.0, "car", None))  # in one frame only
    numbered = list(tracking.track([*frames, flash, frame(0, (30.0, 30.0, "car", None), medium=1)]))
    tracks = [{box.label: box.track for box in result.boxes} for result in numbered]
    assert tracks[0] == {"car": None, "dog": None}
    assert {track["car"] for track in tracks[3:12] if "car" in track} == {tracks[4]["car"]}
    assert {track["dog"] for track in tracks[3:12]} == {tracks[4]["dog"]}
    assert {tracks[4]["car"], tracks[4]["dog"]} == {1, 2}
    assert tracks[13] == {"car": None}
