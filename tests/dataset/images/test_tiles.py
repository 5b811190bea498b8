"""Large images cut into tiles."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.images import tiles
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Source
from odtool.errors import DataError

ReadRecords = Callable[[Path], dict[str, dict[str, list[Any]]]]


def header(width: int, height: int) -> ImageHeader:
    return ImageHeader("png", width, height, 3, 8, 1000)


def image(*boxes: tuple[float, float, float, float]) -> AnnotatedImage:
    return AnnotatedImage(
        Path("a.png"), Path("a.xml"), tuple(ObjectAnnotation("cat", Box(*box)) for box in boxes), source_id="a"
    )


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    size=st.integers(50, 2000),
    data=st.data(),
)
def test_tiles_cover_the_image_lie_within_it_and_overlap_enough(width: int, height: int, size: int, data: Any) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    made, _ = tiles.cut_tiles(image(), header(width, height), Tiling(size, overlap, 0.3, 1.0, 0))
    assert len({(tile.x, tile.y) for tile in made}) == len(made)
    columns = sorted({(tile.x, tile.x + tile.width) for tile in made})
    rows = sorted({(tile.y, tile.y + tile.height) for tile in made})
    assert len(made) == len(columns) * len(rows)
    for spans, length in ((columns, width), (rows, height)):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(end - start == min(size, length) for start, end in spans)
        assert all(earlier[1] - later[0] >= overlap for earlier, later in pairwise(spans))


SIDES = st.tuples(st.floats(0, 900), st.floats(1, 100))


@given(st.lists(st.tuples(SIDES, SIDES), max_size=6), st.floats(0.05, 1.0))
def test_boxes_follow_and_what_is_lost_is_said(boxes: Any, min_visible: float) -> None:
    given_boxes = [Box(x, y, x + width, y + height) for (x, width), (y, height) in boxes]
    annotated = image(*((box.xmin, box.ymin, box.xmax, box.ymax) for box in given_boxes))
    made, problems = tiles.cut_tiles(annotated, header(1000, 1000), Tiling(256, 100, min_visible, 1.0, 0))
    for tile in made:
        for item in tile.objects:
            assert 0 <= item.box.xmin < item.box.xmax <= tile.width
            assert 0 <= item.box.ymin < item.box.ymax <= tile.height
    lost = sum(problem.kind == "tile_object_lost" for problem in problems)
    # Boxes no larger than the overlap are whole in some tile.
    assert lost == 0
    whole = [item for tile in made for item in tile.objects if not item.truncated]
    assert len(whole) >= len(given_boxes)


def test_a_cut_box_keeps_its_share_and_is_marked() -> None:
    tiling = Tiling(100, 0, 0.3, 0.0, 0)
    made, problems = tiles.cut_tiles(image((60, 10, 160, 20), (10, 95, 20, 145)), header(200, 200), tiling)
    boxes = {(tile.x, tile.y): [(item.box, item.truncated) for item in tile.objects] for tile in made}
    assert boxes == {
        (0, 0): [(Box(60, 10, 100, 20), True)],
        (100, 0): [(Box(0, 10, 60, 20), True)],
        (0, 100): [(Box(10, 0, 20, 45), True)],
    }
    assert sorted(problem.kind for problem in problems) == ["tile_box_cut", "tile_empty"]


def test_an_object_that_no_tile_shows_enough_of_is_lost_and_named() -> None:
    made, problems = tiles.cut_tiles(image((50, 50, 150, 150)), header(200, 200), Tiling(100, 0, 0.3, 1.0, 0))
    assert "tile_object_lost" in {problem.kind for problem in problems}
    # Tiles that show a quarter of it are no background.
    assert made == ()


def test_empty_tiles_are_kept_at_the_rate_by_the_seed() -> None:
    counts = []
    chosen = set()
    for seed in range(20):
        made, problems = tiles.cut_tiles(image(), header(2000, 2000), Tiling(100, 0, 0.3, 0.25, seed))
        counts.append(len(made))
        chosen.add(tuple((tile.x, tile.y) for tile in made))
        assert f"{400 - len(made)} of 400 without objects" in problems[0].detail
    assert len(chosen) == 20
    assert sum(counts) / len(counts) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((100, 100, 0.3, 0.1, 0), "does not fit --tile"),
        ((100, 10, 0.0, 0.1, 0), "not a share of a box"),
        ((100, 10, 0.3, 1.5, 0), "not a share of the tiles"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Tiling(*arguments)


def test_the_pixels_of_a_tile_are_those_of_its_place_and_small_images_stay(
    tmp_path: Path, voc_xml: Callable[..., str], read_records: ReadRecords
) -> None:
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (150, 400, 3), np.uint8)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(noise).resize((400, 150)).save(tmp_path / name, quality=90)
        (tmp_path / f"{name[0]}.xml").write_text(voc_xml(name, [("cat", 10, 10, 60, 60), ("dog", 330, 80, 390, 140)]))
    Image.new("RGB", (90, 90)).save(tmp_path / "c.jpg")
    (tmp_path / "c.xml").write_text(voc_xml("c.jpg", [("cat", 1, 1, 50, 50)]))
    prepared = prepare(
        PrepareSettings((Source(tmp_path),), tmp_path / "data", val=0, tiling=Tiling(100, 50, 0.5, 0.0, 0))
    )
    records = read_records(tmp_path / "data")
    assert prepared.summary.splits["train"].images == len(records)
    assert prepared.summary.splits["train"].max_size == (100, 100)
    assert records["c.jpg"]["image/encoded"] == [(tmp_path / "c.jpg").read_bytes()]
    cut = records["a.png@300,50"]
    assert cut["image/format"] == [b"png"]
    assert (cut["image/height"], cut["image/width"]) == ([100], [100])
    pixels = np.asarray(Image.open(io.BytesIO(cut["image/encoded"][0])))
    assert np.array_equal(pixels, noise[50:150, 300:400])
    assert cut["image/object/bbox/xmin"] == pytest.approx([0.3])
    assert cut["image/object/bbox/ymax"] == pytest.approx([0.9])
    assert records["b.jpg@300,50"]["image/format"] == [b"jpeg"]
    assert records["b.jpg@300,50"]["image/encoded"][0].startswith(b"\xff\xd8\xff")


def test_all_tiles_of_an_image_are_in_one_split(
    voc_set: Callable[..., Path], tmp_path: Path, read_records: ReadRecords
) -> None:
    prepare(PrepareSettings((Source(voc_set(20)),), tmp_path / "data", val=0.3, tiling=Tiling(32, 8, 0.05, 1.0, 0)))
    splits: dict[str, set[str]] = {}
    for identity, record in read_records(tmp_path / "data").items():
        splits.setdefault(identity.split("@")[0], set()).update(record["split"])
    assert len(splits) == 20
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "val"}


def test_an_image_beyond_pillows_own_limit_is_cut(
    tmp_path: Path, voc_xml: Callable[..., str], read_records: ReadRecords
) -> None:
    from PIL import Image

    # 185 million pixels: twice what Pillow takes for a decompression bomb.
    Image.new("1", (18_500, 10_000)).save(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(voc_xml("a.png", [("cat", 10, 10, 60, 60)]))
    prepare(PrepareSettings((Source(tmp_path),), tmp_path / "data", tiling=Tiling(1000, 200, 0.3, 0.0, 0)))
    assert list(read_records(tmp_path / "data")) == ["a.png@0,0"]


def test_too_many_pixels_leave_an_image_out(
    tmp_path: Path, voc_set: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.dataset.images import pillow

    monkeypatch.setattr(pillow, "MOST_PIXELS", 100)
    with pytest.raises(DataError, match="none of the images can be used"):
        prepare(PrepareSettings((Source(voc_set(2)),), tmp_path / "data", tiling=Tiling(32, 0, 0.3, 0.0, 0)))
