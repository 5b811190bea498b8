"""Similar images: found as by comparing each with each, kept together, and reported across splits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from odtool.dataset.images.perceptual_hash import SIMILAR
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.survey import similar_images
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.similar_images import find_pairs, find_straddling, group_similar
from odtool.dataset.types import Source
from odtool.errors import DataError

HASH = st.integers(1, 2**64 - 1)
FLIPS = st.lists(st.integers(0, 63), max_size=9)


@st.composite
def hashes_of_families(draw: st.DrawFn) -> list[int]:
    """Hashes, many of which differ in a few bits from others; zeros among them."""
    hashes: list[int] = []
    for base in draw(st.lists(HASH, min_size=1, max_size=8)):
        hashes.append(base)
        for flips in draw(st.lists(FLIPS, max_size=5)):
            hashes.append(base)
            for bit in flips:
                hashes[-1] ^= 1 << bit
    return draw(st.permutations(hashes + [0] * draw(st.integers(0, 2))))


def are_similar(one: int, other: int) -> bool:
    return bool(one and other) and (one ^ other).bit_count() <= SIMILAR


@given(hashes_of_families())
def test_pairs_are_those_that_comparing_each_with_each_finds(hashes: list[int]) -> None:
    unique = np.unique(np.array([value for value in hashes if value], np.uint64))
    found = {
        frozenset(pair)
        for first, second in find_pairs(unique)
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    }
    places = range(len(unique))
    assert found == {
        frozenset((one, other))
        for one in places
        for other in range(one)
        if are_similar(int(unique[one]), int(unique[other]))
    }


@given(hashes_of_families())
def test_groups_are_what_similar_images_link(hashes: list[int]) -> None:
    heads = list(range(len(hashes)))
    for one, other in combinations(range(len(hashes)), 2):
        if are_similar(hashes[one], hashes[other]):
            heads = [heads[one] if head == heads[other] else head for head in heads]
    groups = [tuple(place for place, own in enumerate(heads) if own == head) for head in set(heads)]
    expected = sorted(group for group in groups if len(group) > 1)
    assert sorted(map(tuple, group_similar(hashes))) == expected


@given(hashes_of_families(), st.data())
def test_an_image_straddles_where_an_earlier_split_has_one_like_it(hashes: list[int], data: st.DataObject) -> None:
    names = st.sampled_from(["train", "val", "test", None])
    splits = data.draw(st.lists(names, min_size=len(hashes), max_size=len(hashes)))
    rank = {"train": 0, "val": 1, "test": 2}
    found = dict(find_straddling(hashes, splits))
    expected = {
        place
        for place, split in enumerate(splits)
        if split is not None
        and any(
            other is not None and rank[other] < rank[split] and are_similar(hashes[place], hashes[partner])
            for partner, other in enumerate(splits)
        )
    }
    assert set(found) == expected
    for place, partner in found.items():
        assert are_similar(hashes[place], hashes[partner])
        assert rank[str(splits[partner])] < rank[str(splits[place])]


def test_no_images_and_featureless_ones_are_in_no_group() -> None:
    assert group_similar([]) == group_similar([0, 0, 0]) == group_similar([0, 5, 0]) == []
    assert list(find_straddling([], [])) == list(find_straddling([0, 0], ["train", "val"])) == []


def test_a_hundred_thousand_frames_of_one_scene_are_one_group_without_comparing_all() -> None:
    noise = np.random.default_rng(1).integers(0, 2**12, 100_000, dtype=np.uint64)
    hashes = np.uint64(0xDEADBEEFCAFEBABE) ^ noise
    (group,) = group_similar(hashes.tolist())
    assert len(group) == 100_000


# The whole way.


def run(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(source),), out, **options))


@pytest.fixture
def scenes(tmp_path: Path, voc_xml: Callable[..., str]) -> Path:
    """Twelve scenes of noise, of five pictures each, which differ in brightness."""
    root = tmp_path / "scenes"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for scene in range(12):
        blocks = np.random.default_rng(scene).integers(0, 200, (6, 8, 3), dtype=np.uint8)
        for shot in range(5):
            name = f"{scene:02d}_{shot}"
            Image.fromarray(blocks + np.uint8(4 * shot)).resize((64, 48), Image.Resampling.BICUBIC).save(
                root / "images" / f"{name}.png"
            )
            (root / "annotations" / f"{name}.xml").write_text(voc_xml(f"{name}.png", [("cat", 1, 2, 30, 40)]))
    return root


def find_scenes(prepared: Prepared, read_records: Callable[[Path], dict[str, Any]]) -> list[set[str]]:
    """The scenes in each split."""
    scenes: dict[str, set[str]] = {}
    for name, record in read_records(prepared.dataset.path).items():
        scenes.setdefault(record["split"][0], set()).add(name.split("/")[1][:2])
    return list(scenes.values())


def test_similar_images_are_kept_in_one_split_where_that_is_asked_for(
    scenes: Path, tmp_path: Path, read_records: Callable[[Path], dict[str, Any]]
) -> None:
    apart = run(scenes, tmp_path / "apart", val=0.2, similar=True)
    assert set.intersection(*find_scenes(apart, read_records))
    assert apart.summary.problems["similar_straddles"].count == apart.summary.splits["val"].images == 12
    assert apart.summary.problems["image_similar"].count == 48
    assert "(val) is similar to" in apart.first["similar_straddles"].detail
    together = run(scenes, tmp_path / "together", val=0.2, grouping=Grouping("similar"))
    assert not set.intersection(*find_scenes(together, read_records))
    assert together.summary.splits["val"].images == 10
    assert "similar_straddles" not in together.summary.problems
    assert "group_unmatched" not in together.summary.problems


def test_folds_keep_similar_images_together(
    scenes: Path, tmp_path: Path, read_records: Callable[[Path], dict[str, Any]]
) -> None:
    prepared = run(scenes, tmp_path / "data", folds=3, grouping=Grouping("similar"))
    for item in prepared.sets:
        names = {name: record["split"][0] for name, record in read_records(item.dataset.path).items()}
        trained, validated = (
            {name.split("/")[1][:2] for name, split in names.items() if split == wanted} for wanted in ("train", "val")
        )
        assert len(validated) == 4
        assert not trained & validated


def test_similar_images_of_the_own_splits_are_reported_and_strict_refuses(scenes: Path, tmp_path: Path) -> None:
    for split, shots in (("train", "01234"), ("val", "01234")):
        for scene in range(0 if split == "train" else 6, 6 if split == "train" else 12):
            for shot in shots:
                home = "val" if split == "train" and scene == 0 and shot == "3" else split
                for folder, ending in (("images", "png"), ("annotations", "xml")):
                    path = scenes / folder / f"{scene:02d}_{shot}.{ending}"
                    target = scenes / home / folder / path.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target)
    for folder in ("images", "annotations"):
        (scenes / folder).rmdir()
    prepared = run(scenes, tmp_path / "data", similar=True)
    assert prepared.summary.problems["similar_straddles"].count == 1
    detail = prepared.first["similar_straddles"].detail
    assert detail.startswith("00_3.png (val) is similar to ")
    assert detail.endswith("(train)")
    with pytest.raises(DataError, match="similar_straddles"):
        run(scenes, tmp_path / "strict", similar=True, strict=True)
    with pytest.raises(DataError, match="--group-by 'similar'"):
        run(scenes, tmp_path / "grouped", grouping=Grouping("similar"))


def test_nothing_is_decoded_unless_it_is_asked_for(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_images, "hash_images", None)
    run(scenes, tmp_path / "data")


def test_an_image_that_cannot_be_decoded_is_kept_and_named(scenes: Path, tmp_path: Path) -> None:
    path = scenes / "images" / "03_1.png"
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    prepared = run(scenes, tmp_path / "data", similar=True, workers=1)
    assert prepared.summary.problems["image_uncompared"].count == 1
    assert prepared.first["image_uncompared"].file == path
    assert sum(split.images for split in prepared.summary.splits.values()) == 60


def test_the_number_of_workers_changes_nothing(scenes: Path, tmp_path: Path) -> None:
    written = []
    for workers in (1, 3):
        run(scenes, tmp_path / str(workers), grouping=Grouping("similar"), workers=workers)
        written.append({path.name: path.read_bytes() for path in (tmp_path / str(workers)).glob("*.tfrecord")})
    assert written[0] == written[1]
