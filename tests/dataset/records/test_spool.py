"""Images laid into the spool piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.records import spool
from odtool.dataset.records.spool import Piece

Image = tuple[str, int, str | None, int | None, list[str]]
"""What is kept, key, split, group and classes."""
IMAGES = st.tuples(
    st.text(max_size=9),
    st.integers(0, 2**64 - 1),
    st.sampled_from([None, "train", "val", "test"]),
    st.none() | st.integers(0, 9),
    st.lists(st.sampled_from("abcdef"), unique=True, max_size=4),
)


@given(chunks=st.lists(st.lists(st.tuples(IMAGES, st.booleans()), max_size=5), max_size=5))
def test_what_is_taken_of_each_piece_is_found_again(
    tmp_path_factory: pytest.TempPathFactory,
    chunks: list[list[tuple[Image, bool]]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "spool"
    with spool.create_spool(path) as writer:
        for chunk in chunks:
            piece = Piece()
            for (kept, key, split, group, labels), _ in chunk:
                piece.add(kept, key=key, split=split, size=len(kept), group=group, fingerprint=key // 2, labels=labels)
            writer.add(piece, [position for position, (_, taken) in enumerate(chunk) if taken])
    expected = [image for chunk in chunks for image, taken in chunk if taken]
    index, names = writer.index, sorted(writer.index.names)
    numbers_of = index.make_class_lookup()
    with spool.open_spool(path) as reader:
        found = [
            (
                reader.at(index.extent(position)),
                index.keys[position],
                index.list_declared_splits()[position],
                index.groups[position],
                [names[number] for number in numbers_of(position)],
            )
            for position in range(len(index))
        ]
    assert found == [
        (kept, key, split, key if group is None else group, labels) for kept, key, split, group, labels in expected
    ]
    assert list(index.bytes) == [len(kept) for kept, *_ in expected]
    assert list(index.fingerprints) == [key // 2 for _, key, *_ in expected]
