"""What is kept of many images, in memory or on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.streams import overflow
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow, open_overflow, weigh
from odtool.dataset.types import Box, Keypoint, ObjectAnnotation, Outline


def make_object(label: str, *, numbers: int = 0) -> ObjectAnnotation:
    outline = Outline((tuple(range(numbers)),)) if numbers else None
    return ObjectAnnotation(label, Box(1, 2, 3, 4), outline=outline, keypoints=(Keypoint(1, 2, 2, "nose"),))


@given(st.lists(st.integers(0, 9)), st.integers(1, 20), st.integers(1, 5))
def test_objects_come_together_by_image_in_the_order_of_adding(images: list[int], most: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch, open_overflow(None) as store:
        patch.setattr(overflow, "_MOST", most)
        patch.setattr(overflow, "_BLOCK", block)
        groups = ObjectGroups(store)
        for number, image in enumerate(images):
            groups.add(image, make_object(str(number)))
        expected = [
            (image, [make_object(str(number)) for number, of in enumerate(images) if of == image])
            for image in sorted(set(images))
        ]
        assert list(groups) == expected
        assert list(groups) == expected  # as often as it is asked for


@given(st.lists(st.text()), st.integers(1, 20), st.integers(1, 5))
def test_a_list_has_what_was_added_to_it_in_order(values: list[str], most: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch, open_overflow(None) as store:
        patch.setattr(overflow, "_MOST", most)
        patch.setattr(overflow, "_BLOCK", block)
        kept = LongList[str](store)
        for value in values:
            kept.append(value)
        assert (list(kept), len(kept)) == (values, len(values))
        assert list(kept) == values


def test_little_is_not_written_and_long_outlines_are_much(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(Overflow, "write", lambda _self, values: written.append(len(values)) or (0, 0))
    with open_overflow(None) as store:
        groups, kept = ObjectGroups(store), LongList[int](store)
        for number in range(1000):
            groups.add(number, make_object("a"))
            kept.append(number)
        assert not written
        for number in range(100):
            groups.add(number, make_object("a", numbers=10_000))
            kept.append(number, weigh(make_object("a", numbers=10_000)))
        assert len(written) > 2


def test_nothing_of_it_is_seen_in_its_folder_nor_left_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overflow, "_MOST", 1)
    with open_overflow(tmp_path / "yet to be made") as store:
        kept = LongList[str](store)
        for value in "abcdef":
            kept.append(value)
        assert list(tmp_path.iterdir()) == []
        assert list(kept) == list("abcdef")
    assert list(tmp_path.iterdir()) == []
