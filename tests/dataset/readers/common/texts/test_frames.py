"""Images by the numbers of their frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.readers.common.texts.frames import number_frames


@pytest.mark.parametrize(
    ("names", "frames", "expected"),
    [
        (["000001.jpg", "000002.jpg"], [2], {1: "000001.jpg", 2: "000002.jpg"}),
        (["000005.jpg", "000010.jpg"], [5, 10], {5: "000005.jpg", 10: "000010.jpg"}),
        (["000000.jpg", "000001.jpg"], [1, 2], {1: "000000.jpg", 2: "000001.jpg"}),
        (["a.jpg", "b.jpg"], [1], {1: "a.jpg", 2: "b.jpg"}),
        (["000001.jpg", "000002.jpg"], [9], {1: "000001.jpg", 2: "000002.jpg"}),
        ([], [1], {}),
    ],
)
def test_a_frame_is_its_number_else_its_place(names: list[str], frames: list[int], expected: dict[int, str]) -> None:
    assert number_frames([Path(name) for name in names], frames) == {
        number: Path(name) for number, name in expected.items()
    }
