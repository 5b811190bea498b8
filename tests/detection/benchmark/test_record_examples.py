"""Images and objects of records, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from odtool.dataset import prepare, synthetic
from odtool.dataset.images import decoding_memory
from odtool.dataset.types import Source
from odtool.detection.benchmark import record_examples
from odtool.errors import DataError


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    synthetic.draw(folder / "drawings", images=6)
    sources = (Source(folder / "drawings"),)
    prepare.prepare(prepare.PrepareSettings(sources, folder / "data", val=0, workers=1))
    return folder


def test_images_come_with_their_objects_in_pixels(records: Path) -> None:
    files = sorted((records / "data").glob("train-*"))
    found = list(record_examples.read_examples(files, {1: "disc", 2: "star"}, 100))
    assert len(found) == 6
    assert {number for example in found for number in example.truth.classes.tolist()} == {1, 2}
    drawn = {Image.open(path).convert("RGB").tobytes() for path in (records / "drawings" / "images").iterdir()}
    assert {example.pixels.tobytes() for example in found} == drawn
    for example in found:
        corners = example.truth.boxes
        assert (corners >= 0).all()
        assert (corners <= synthetic.SIZE).all()
        assert ((corners[:, 2:] - corners[:, :2]) > 20).all()


def test_as_many_as_are_asked_for_and_only_classes_of_the_model(records: Path) -> None:
    files = sorted((records / "data").glob("train-*"))
    found = list(record_examples.read_examples(files, {7: "star"}, 3))
    assert len(found) == 3
    assert {number for example in found for number in example.truth.classes.tolist()} == {7}


def test_an_image_that_takes_more_than_there_is_is_named(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((records / "data").glob("train-*"))
    monkeypatch.setattr(decoding_memory, "SMALL", 0)
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 1 << 16)
    with pytest.raises(DataError, match=f"{files[0]}: the image of record 1 cannot be used: .* are free"):
        next(record_examples.read_examples(files, {1: "disc"}, 1))
