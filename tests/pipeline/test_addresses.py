"""Which names are addresses, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.errors import DataError
from odtool.pipeline import addresses


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("gs://bucket/images", "gcsfuse"),
        ("gs:/bucket/images", "gcsfuse"),  # as a Path has it
        ("S3://bucket", "s3fs"),
        ("hdfs://node:9000/data", "NFS"),
        ("wasbs://x@y/z", "rclone mount"),
        ("file:///data/images", "/data/images"),
        ("https://example.org/images.zip", "Download it"),
    ],
)
def test_an_address_is_refused_with_what_to_do(name: str, tool: str) -> None:
    with pytest.raises(DataError, match="is an address") as error:
        addresses.refuse("--out", name)
    assert tool in error.value.hint
    assert "://" in error.value.message


@pytest.mark.parametrize(
    "name", ["images", "/data/a:b/c", "C:/images", "./gs://x", "a b://c", "..", "", "*.jpg", "1:/2"]
)
def test_a_path_is_none(name: str) -> None:
    addresses.refuse("", name)
    assert not addresses.is_remote(name) or name == "./gs://x"


def test_a_folder_that_is_called_so_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gs:" / "images").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    addresses.refuse("", "gs:/images")
