"""Archives and tables, which are seen to say how to unpack them."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.readers import choose
from odtool.dataset.types import Source
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("name", "says"),
    [("set.zip", "an archive"), ("set.TAR.GZ", "an archive"), ("data/train-00000.parquet", "a table with the images")],
)
def test_what_is_packed_is_named_whether_it_is_the_source_or_in_it(tmp_path: Path, name: str, says: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    for path in (tmp_path, file):
        with pytest.raises(DataError, match=says) as error:
            choose(Source(path))
        assert str(file) in error.value.message
        assert error.value.hint


def test_an_archive_beside_annotations_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "set.zip").touch()
    (tmp_path / "a.xml").write_text("<annotation></annotation>")
    assert choose(Source(tmp_path)).name == "voc"
