"""Formats of one file for many images: what does not fit into memory is read as what does, and is not held there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams import input_files, overflow
from odtool.dataset.readers.datasets.kitti import kitti
from odtool.dataset.readers.records.hf_imagefolder import hf_imagefolder
from odtool.dataset.readers.tables import vott_csv
from odtool.dataset.readers.tools.via import via
from odtool.dataset.types import AnnotatedImage, Source

CAR = "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"
IMAGES = 7


def write_vott(rows: int) -> str:
    lines = [f'"{row % IMAGES}.jpg",{row % 50},2,99,98,"cat"' for row in range(rows)]
    return "\n".join(['"image","xmin","ymin","xmax","ymax","label"', *lines])


def write_via_csv(rows: int) -> str:
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    shape = '"{""name"":""rect"",""x"":%d,""y"":2,""width"":30,""height"":4}"'
    lines = [
        f'{row % IMAGES}.jpg,123,"{{}}",1,0,{shape % (row % 50)},"{{""class"":""cat""}}"' if row % 5 else "short"
        for row in range(rows)
    ]
    return "\n".join([header, *lines])


def write_via_3(rows: int) -> str:
    numbers = [str(number) for number in range(IMAGES)]
    document = {
        "project": {"vid_list": numbers},
        "attribute": {"1": {"aname": "class", "options": {"0": "cat", "1": "dog"}}},
        "file": {number: {"fid": number, "fname": f"{number}.jpg", "type": 2} for number in numbers},
        "metadata": {
            str(row): {"vid": str(row % IMAGES), "xy": [2, row % 50, 2, 30, 20], "av": {"1": str(row % 2)}}
            for row in range(rows)
        },
        "view": {number: {"fid_list": [number]} for number in numbers},
    }
    return json.dumps(document)


def write_metadata_csv(rows: int) -> str:
    objects = '"{""bbox"": [[%d,2,3,4]], ""categories"": [""cat""]}"'
    return "\n".join(["file_name,objects", *(f"{row % IMAGES}.jpg,{objects % (row % 50)}" for row in range(rows))])


def write_tracks(rows: int) -> str:
    return "".join(f"{row % IMAGES} {row % 3} {CAR}\n" for row in range(rows))


FORMATS: dict[str, tuple[Any, str, Callable[[int], str]]] = {
    "vott_csv": (vott_csv.read, "set-export.csv", write_vott),
    "via_csv": (via.read, "via.csv", write_via_csv),
    "via_3": (via.read, "project.json", write_via_3),
    "metadata_csv": (hf_imagefolder.read, "metadata.csv", write_metadata_csv),
    "kitti_tracking": (kitti.read, "label_02/0000.txt", write_tracks),
}


def write(folder: Path, name: str, rows: int) -> None:
    """Writes a file of a format."""
    _, file, make = FORMATS[name]
    path = folder / file
    path.parent.mkdir(parents=True)
    path.write_text(make(rows))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_on_disk_is_read_as_what_is_in_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "set", name, 200)
    source, read = Source(tmp_path / "set", masks=True), FORMATS[name][0]
    in_memory = list(read(source))
    monkeypatch.setattr(overflow, "_MOST", 7)
    monkeypatch.setattr(overflow, "_BLOCK", 3)
    assert list(read(source)) == in_memory
    images = [finding for finding in in_memory if isinstance(finding, AnnotatedImage)]
    assert sum(len(image.objects) for image in images) == (160 if name == "via_csv" else 200)
    assert len(images) == (200 if name == "metadata_csv" else IMAGES)


class Piecewise(io.BufferedReader):
    """A file that is never read as a whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "the whole file is read"
        return super().read(size)


@pytest.mark.parametrize("name", FORMATS)
def test_no_reader_asks_for_the_whole_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "set", name, 50)

    @contextmanager
    def open_piecewise(path: Path) -> Iterator[Piecewise]:
        with Piecewise(io.FileIO(path)) as stream:
            yield stream

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} is read as a whole")

    monkeypatch.setattr(input_files, "open_binary", open_piecewise)
    monkeypatch.setattr(input_files, "read_bytes", refuse)
    findings = FORMATS[name][0](Source(tmp_path / "set"))
    assert any(isinstance(finding, AnnotatedImage) and finding.objects for finding in findings)
