"""Folds, fractions and repetitions as they are written: the records themselves, and what dataset.json says of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import statistics
from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.readers.records.tfrecord import tfrecord_example
from odtool.dataset.records import record_check, record_reader
from odtool.dataset.types import Source
from odtool.errors import DataError
from odtool.workspace import Dataset

VocSet = Callable[..., Path]


def run(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(source),), out, **options))


def read_ids(dataset: Dataset, split: str) -> list[str]:
    """The source id of each record, in order; those of repetitions too."""
    return [
        tfrecord_example.parse(record.data, file, record.number, {}).source_id
        for file in dataset.shards(split)
        for record in record_reader.read_records(file)
    ]


@pytest.fixture
def rare_set(voc_set: VocSet, voc_xml: Callable[..., str]) -> Path:
    """60 images with a cat each; three of them have a lynx, too."""
    root = voc_set(60)
    for number in range(60):
        boxes = [("cat", 1, 2, 30, 40), ("lynx", 5, 6, 20, 30)][: 1 + (number < 3)]
        (root / "annotations" / f"{number:05d}.xml").write_text(voc_xml(f"{number:05d}.jpg", boxes))
    return root


def test_each_image_is_validated_on_in_one_fold_and_trained_on_in_the_others(voc_set: VocSet, tmp_path: Path) -> None:
    prepared = run(voc_set(23), tmp_path / "data", folds=4, test=0.13, seed=5)
    folds = Dataset(tmp_path / "data").list_folds()
    assert [item.dataset for item in prepared.sets] == folds
    assert [fold.path.name for fold in folds] == ["fold-1", "fold-2", "fold-3", "fold-4"]
    tested = read_ids(folds[0], "test")
    assert len(tested) == 3
    validated: list[str] = []
    for number, fold in enumerate(folds, start=1):
        train, val = read_ids(fold, "train"), read_ids(fold, "val")
        assert sorted(read_ids(fold, "test")) == sorted(tested)
        assert not set(train) & set(val)
        assert not set(tested) & {*train, *val}
        assert len(train) + len(val) == 20
        validated += val
        summary = statistics.load(fold)
        assert (summary.fold, summary.folds) == (number, 4)
        assert {name: split.images for name, split in summary.splits.items()} == {"train": 15, "val": 5, "test": 3}
        for split, figures in summary.splits.items():
            statistics.refuse_cut_short(fold, split, figures)
            assert figures.shards == len(fold.shards(split))
        assert fold.label_map.is_file()
        assert fold.problems.is_file()
    assert len(validated) == len(set(validated)) == 20


def test_records_of_folds_lie_on_the_disk_once(voc_set: VocSet, tmp_path: Path) -> None:
    run(voc_set(20), tmp_path / "data", folds=5, test=0.1)
    files = {path.stat().st_ino: path.stat() for path in (tmp_path / "data").rglob("*.tfrecord")}
    assert sorted(status.st_nlink for status in files.values()) == [5] * 6


def test_where_the_disk_has_no_links_records_are_copied(
    voc_set: VocSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    root = voc_set(9)
    run(root, tmp_path / "linked", folds=3)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run(root, tmp_path / "copied", folds=3)
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.tfrecord")}
        for name in ("linked", "copied")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 9


def test_the_same_seed_gives_the_same_folds_and_another_one_others(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(20)
    cuts = []
    for name, seed, workers in (("one", 1, 1), ("two", 1, 3), ("three", 2, 1)):
        run(root, tmp_path / name, folds=3, seed=seed, workers=workers)
        cuts.append([read_ids(fold, "val") for fold in Dataset(tmp_path / name).list_folds()])
    assert cuts[0] == cuts[1] != cuts[2]


def test_images_are_read_and_checked_once_for_all_folds(
    voc_set: VocSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.dataset.images import image_file
    from odtool.dataset.records import record_writer

    seen: Counter[str] = Counter()
    read_header, read_bytes = image_file.read_header, image_file.read_bytes
    monkeypatch.setattr(
        image_file, "read_header", lambda path, *rest: (seen.update(["header"]), read_header(path, *rest))[1]
    )
    monkeypatch.setattr(
        record_writer.image_file, "read_bytes", lambda path, *rest: (seen.update(["bytes"]), read_bytes(path, *rest))[1]
    )
    run(voc_set(12), tmp_path / "data", folds=4, workers=1)
    assert seen == {"header": 12, "bytes": 12}


def test_folds_replace_a_set_and_a_set_replaces_folds_but_nothing_that_is_not_odtools(
    voc_set: VocSet, tmp_path: Path
) -> None:
    root, out = voc_set(8), tmp_path / "data"
    run(root, out)
    run(root, out, folds=3)
    assert sorted(path.name for path in out.iterdir()) == ["fold-1", "fold-2", "fold-3"]
    run(root, out, folds=2)
    assert sorted(path.name for path in out.iterdir()) == ["fold-1", "fold-2"]
    (out / "fold-2" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"fold-2: holds files that odtool did not write, such as notes\.txt"):
        run(root, out)
    (out / "fold-2" / "notes.txt").rename(out / "notes.txt")
    with pytest.raises(DataError, match=r"data: holds files that odtool did not write, such as notes\.txt"):
        run(root, out, folds=2)
    (out / "notes.txt").unlink()
    run(root, out)
    assert "fold-1" not in {path.name for path in out.iterdir()}


def test_a_failure_leaves_the_old_folds_whole(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(8)
    run(root, tmp_path / "data", folds=2)
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="only 8 images"):
        run(root, tmp_path / "data", folds=9)
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "set"]


def test_what_holds_folds_says_so_where_a_set_is_asked_for(voc_set: VocSet, tmp_path: Path) -> None:
    run(voc_set(8), tmp_path / "data", folds=3)
    with pytest.raises(DataError, match="holds 3 folds") as error:
        statistics.load(Dataset(tmp_path / "data"))
    assert f"--data {tmp_path / 'data' / 'fold-1'}" in error.value.hint


def test_the_own_validation_images_are_dealt_to_the_folds_and_that_is_told(
    voc_set: VocSet, tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    root = tmp_path / "own"
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        voc_set(count, f"own/{split}")
        for path in (root / split / "images").iterdir():
            write_image(path, comment=f"{split} {path.name}")
    prepared = run(root, tmp_path / "data", folds=3, test=0.4)
    for item in prepared.sets:
        assert {name: split.images for name, split in item.summary.splits.items()} == {"train": 6, "val": 3, "test": 2}
        assert all(name.startswith("test/") for name in read_ids(item.dataset, "test"))
        assert item.summary.problems["split_merged"].count == 1
        assert "3 images of its own val split" in item.first["split_merged"].detail


def test_problems_of_the_set_are_told_for_each_fold(
    voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str]
) -> None:
    root = voc_set(9)
    for number in range(9):
        label = "rare" if number == 4 else "cat"
        (root / "annotations" / f"{number:05d}.xml").write_text(voc_xml(f"{number:05d}.jpg", [(label, -4, 2, 30, 40)]))
    prepared = run(root, tmp_path / "data", folds=3)
    lists = [item.dataset.problems.read_text() for item in prepared.sets]
    assert all(text.count("box_outside") == 9 for text in lists)
    assert all(text.count("kind,level,file,detail,action") == 1 for text in lists)
    assert sorted("class_untrained" in text for text in lists) == [False, False, True]
    assert sorted("class_untrained" in item.summary.problems for item in prepared.sets) == [False, False, True]
    with pytest.raises(DataError, match="class_untrained"):
        run(root, tmp_path / "strict", folds=3, strict=True)


def test_a_fraction_takes_from_training_alone_and_says_how_much(rare_set: Path, tmp_path: Path) -> None:
    whole, part = (run(rare_set, tmp_path / name, val=0.2, fraction=f) for name, f in (("whole", None), ("part", 0.25)))
    assert sorted(read_ids(whole.dataset, "val")) == sorted(read_ids(part.dataset, "val"))
    trained = read_ids(part.dataset, "train")
    assert len(trained) == 12
    assert set(trained) < set(read_ids(whole.dataset, "train"))
    assert (part.summary.fraction, part.summary.left_out) == (0.25, 36)
    assert part.summary.splits["train"].classes["lynx"] >= 1
    assert statistics.load(part.dataset) == part.summary
    assert (whole.summary.fraction, whole.summary.left_out) == (None, 0)


def test_a_fraction_of_folds_leaves_what_is_validated_on_whole(rare_set: Path, tmp_path: Path) -> None:
    prepared = run(rare_set, tmp_path / "data", folds=3, fraction=0.5)
    trained = [set(read_ids(item.dataset, "train")) for item in prepared.sets]
    assert [len(read_ids(item.dataset, "val")) for item in prepared.sets] == [20, 20, 20]
    assert len(set.union(*trained)) == 30
    assert [len(names) + item.summary.left_out for names, item in zip(trained, prepared.sets, strict=True)] == [40] * 3


def test_a_fraction_that_leaves_a_fold_nothing_to_train_on_is_refused(voc_set: VocSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--fraction 0\.01 leaves fold . no images to train on"):
        run(voc_set(12), tmp_path / "data", folds=3, fraction=0.01)


def test_identical_images_that_a_fraction_leaves_out_are_no_problem_of_the_set(
    voc_set: VocSet, tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    root = voc_set(20)
    for number in range(20):
        write_image(root / "images" / f"{number:05d}.jpg", comment=f"{number // 2}")
    prepared = run(root, tmp_path / "data", val=0.2, fraction=0.5)
    assert prepared.summary.problems["image_duplicate"].count == 6
    assert "image_straddles" not in prepared.summary.problems


def test_images_of_rare_classes_are_written_more_than_once_for_training_alone(rare_set: Path, tmp_path: Path) -> None:
    plain = run(rare_set, tmp_path / "plain", val=0.35)
    prepared = run(rare_set, tmp_path / "data", val=0.35, balance=0.5)
    times = Counter(read_ids(prepared.dataset, "train"))
    assert set(times) == set(read_ids(plain.dataset, "train"))
    assert set(Counter(read_ids(prepared.dataset, "val")).values()) == {1}
    train, balance = prepared.summary.splits["train"], prepared.summary.balance
    assert balance is not None
    lynx = balance.classes["lynx"]
    assert lynx.factor == pytest.approx((0.5 * 39 / lynx.images) ** 0.5, abs=1e-4)
    assert list(balance.classes) == ["lynx"]
    rare = {f"images/{number:05d}.jpg" for number in range(3)}
    assert {name for name, count in times.items() if count > 1} == rare & set(times)
    assert all(int(lynx.factor) <= times[name] <= int(lynx.factor) + 1 for name in rare & set(times))
    assert sum(times[name] for name in rare) == lynx.records
    assert balance.repetitions == train.repetitions == len(read_ids(prepared.dataset, "train")) - 39
    assert (train.images, train.records) == (39, 39 + train.repetitions)
    # All other figures count an image once.
    assert train.classes == plain.summary.splits["train"].classes
    assert train.objects == plain.summary.splits["train"].objects
    assert train.bytes == sum(path.stat().st_size for path in prepared.dataset.shards("train"))
    assert statistics.load(prepared.dataset) == prepared.summary


def test_repetitions_are_spread_over_the_split_and_the_seed_decides_where(rare_set: Path, tmp_path: Path) -> None:
    orders = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        orders.append(read_ids(run(rare_set, tmp_path / name, balance=1.0, seed=seed).dataset, "train"))
    assert orders[0] == orders[1] != orders[2]
    rare = [
        place for place, name in enumerate(orders[0]) if name in {f"images/{number:05d}.jpg" for number in range(3)}
    ]
    assert len(rare) > 8
    assert max(after - before for before, after in pairwise(rare)) > 1


def test_repeated_records_are_no_duplicates_to_check_and_are_read_once(rare_set: Path, tmp_path: Path) -> None:
    from odtool.dataset import label_map

    prepared = run(rare_set, tmp_path / "data", balance=0.5)
    dataset, train = prepared.dataset, prepared.summary.splits["train"]
    report = record_check.check_records(dataset.shards("train"), label_map.read(dataset.label_map), sample=None)
    assert not report.faults
    assert (report.records, report.held["repetitions"]) == (train.records, train.repetitions)
    seen = inspect(InspectSettings((Source(dataset.path),)))
    assert seen.figures.images == 60
    assert {kind.kind: kind.count for kind in seen.problems}["record_repeated"] == train.repetitions
    again = run(dataset.path, tmp_path / "again")
    assert again.summary.splits["train"].images == train.images
    assert again.summary.splits["train"].repetitions == 0


def test_folds_share_what_they_validate_on_and_repeat_for_their_own_training(rare_set: Path, tmp_path: Path) -> None:
    prepared = run(rare_set, tmp_path / "data", folds=3, balance=0.5)
    for item in prepared.sets:
        assert item.summary.balance is not None
        lynx = item.summary.balance.classes["lynx"]
        assert (lynx.images, item.summary.splits["train"].images) == (2, 40)
        assert item.summary.splits["val"].repetitions == 0
        assert set(Counter(read_ids(item.dataset, "val")).values()) == {1}
        assert len(read_ids(item.dataset, "train")) == item.summary.splits["train"].records > 40


def test_a_repeated_record_holds_what_the_first_holds(rare_set: Path, tmp_path: Path) -> None:
    prepared = run(rare_set, tmp_path / "data", balance=0.5)
    (file,) = prepared.dataset.shards("train")
    records: dict[str, list[tuple[Any, ...]]] = {}
    for record in record_reader.read_records(file):
        example = tfrecord_example.parse(record.data, file, record.number, {})
        assert not example.unknown
        start, length = example.encoded or (0, 0)
        content = (record.data[start : start + length], example.objects)
        records.setdefault(example.source_id, []).append(content)
    assert any(len(contents) > 1 for contents in records.values())
    assert all(content == contents[0] for contents in records.values() for content in contents)


def test_dataset_json_without_the_newer_fields_is_read(voc_set: VocSet, tmp_path: Path) -> None:
    prepared = run(voc_set(5), tmp_path / "data")
    payload = json.loads(prepared.dataset.summary.read_text())
    for key in ("fold", "folds", "fraction", "left_out", "balance"):
        del payload[key]
    del payload["splits"]["train"]["repetitions"]
    prepared.dataset.summary.write_text(json.dumps(payload))
    assert statistics.load(prepared.dataset) == prepared.summary
