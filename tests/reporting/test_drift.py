"""What differs between training and evaluation records is told, and what differs by chance is not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from odtool.dataset import prepare, synthetic
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.types import Source
from odtool.errors import OdtoolError
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.reporting import drift
from odtool.reporting.sections import drift_section
from odtool.workspace import Dataset, Run

Prepare = Callable[[str, Path], Dataset]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """prepared(name, source): the records of a source, all of them in one split."""

    def make(name: str, source: Path) -> Dataset:
        settings = prepare.PrepareSettings(sources=(Source(source),), out=tmp_path / name, val=0, workers=1)
        prepare.prepare(settings)
        return Dataset(tmp_path / name)

    return make


def make_run(tmp_path: Path, training: Dataset, evaluation: Dataset) -> Run:
    made = zoo.build(zoo.find("demo_ssd"))
    for reader, data in ((made.message.train_input_reader, training), (made.message.eval_input_reader[0], evaluation)):
        reader.tf_record_input_reader.input_path[:] = [str(path) for path in data.shards("train")]
        reader.label_map_path = str(data.label_map)
    run = Run(tmp_path / "train" / "mine")
    run.path.mkdir(parents=True)
    config.save(made, run.pipeline_config)
    return run


def write_small_dots(folder: Path) -> Path:
    """Twenty large images, each with twelve small stars as YOLO has them."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("star\nmoon\n")
    for number in range(20):
        Image.new("RGB", (1200, 500), (number, 0, 0)).save(folder / "images" / f"{number}.png")
        rows = [f"{number % 2} 0.{place:02} 0.5 0.01 0.01\n" for place in range(10, 94, 7)]
        (folder / "labels" / f"{number}.txt").write_text("".join(rows))
    return folder


def test_sets_of_one_kind_are_alike(prepared: Prepare, tmp_path: Path) -> None:
    one = prepared("one", synthetic.draw(tmp_path / "drawings", images=40))
    other = prepared("other", synthetic.draw(tmp_path / "others", images=30, seed=5))
    compared = drift.read(make_run(tmp_path, one, other))
    assert (compared.training.images, compared.evaluation.images) == (40, 30)
    assert compared.find_differences() == []
    assert "They are alike" in drift_section.render(compared, "")


def test_other_sizes_classes_and_counts_are_told(prepared: Prepare, tmp_path: Path) -> None:
    one = prepared("one", synthetic.draw(tmp_path / "drawings", images=40))
    other = prepared("other", write_small_dots(tmp_path / "dots"))
    compared = drift.read(make_run(tmp_path, one, other))
    words = "; ".join(compared.find_differences())
    assert "in the evaluation set alone: moon" in words
    assert "in the training set alone: disc" in words
    for what in ("another size in their image", "another number of objects", "of another size", "of another shape"):
        assert what in words
    assert compared.evaluation.counts == Counter({"11-20": 20})
    assert compared.training.sizes["to 2%"] == 0
    assert compared.evaluation.sizes == Counter({"to 2%": 240})
    page = drift_section.render(compared, "")
    assert re.search(r"<td[^>]*>moon</td>", page)
    assert page.count("<svg") == 4


def test_the_first_records_of_each_file_stand_for_large_sets(prepared: Prepare, tmp_path: Path) -> None:
    data = prepared("one", synthetic.draw(tmp_path / "drawings", images=30))
    figures = drift.count(data.shards("train"), ClassLookup(data.label_map), most=7)
    assert (figures.images, figures.is_complete) == (7, False)
    many = drift.count([*data.shards("train")] * 150, ClassLookup(data.label_map), most=100)
    assert (many.images, many.is_complete) == (75 * 2, False)


def test_missing_records_are_named(prepared: Prepare, tmp_path: Path) -> None:
    one = prepared("one", synthetic.draw(tmp_path / "drawings", images=12))
    run = make_run(tmp_path, one, one)
    for shard in one.shards("train"):
        shard.unlink()
    with pytest.raises(OdtoolError, match="training records are not there"):
        drift.read(run)
    assert "cannot be compared: gone" in drift_section.render(None, "gone")


def test_distances_are_shares_that_would_have_to_move() -> None:
    assert drift.compute_distance({"a": 3, "b": 1}, {"a": 1, "b": 3}) == pytest.approx(0.5)
    assert drift.compute_distance({"a": 2}, {"b": 5}) == 1
    assert drift.compute_distance({"a": 2}, {}) is None
