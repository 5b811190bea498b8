"""Mutated files of every format: images, problems or a DataError, as scripts/fuzz_readers.py tries at length."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from odtool.dataset.readers.datasets import voc
from odtool.dataset.readers.datasets.yolo import yolo
from odtool.dataset.readers.records.hf_imagefolder import hf_imagefolder
from odtool.dataset.readers.tools import labelme
from odtool.dataset.readers.tools.supervisely import supervisely_shapes
from odtool.dataset.types import Problem, Source
from odtool.errors import DataError

SCRIPT = Path(__file__).parent.parent.parent.parent / "scripts" / "fuzz_readers.py"


@pytest.mark.slow
def test_a_thousand_mutations_raise_nothing_but_data_errors(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--count", "1000", "--seed", "2", "--keep", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1,000 mutations, 0 failed" in done.stdout


# What the long run found.


def test_a_name_too_long_for_the_file_system_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(f"train: {'a' * 5000}/images\nnames: [cat]\n")
    with pytest.raises(DataError):
        list(yolo.read(Source(tmp_path)))


def test_an_error_of_the_xml_parser_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        voc.parse(b"<annotation>\n\0</annotation>", tmp_path / "a.xml")
    assert "\n" not in error.value.message


def test_a_shape_type_that_is_a_list_is_no_area(tmp_path: Path) -> None:
    shape = '{"label": "x", "shape_type": [1], "points": []}'
    parsed = labelme.parse(f'{{"imagePath": "a.jpg", "shapes": [{shape}]}}'.encode(), tmp_path / "a.json")
    assert parsed.problems[0][0] == "shape_skipped"


def test_categories_that_are_a_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": 0}}'
    )
    (problem,) = hf_imagefolder.read(Source(tmp_path))
    assert isinstance(problem, Problem)
    assert "not a list" in problem.detail


def test_a_bitmap_that_begins_nowhere_has_no_mask() -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("1", (3, 2), 1).save(stream, "PNG")
    data = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    found = [
        supervisely_shapes.parse_outline({"bitmap": {"data": data, "origin": [left, 0]}}, (9, 9))
        for left in (0, float("inf"), float("nan"), -1)
    ]
    assert [outline is not None for outline in found] == [True, False, False, False]
