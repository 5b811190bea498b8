"""Small images and data sets, made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

WriteImage = Callable[..., Path]


@pytest.fixture(scope="session")
def write_image() -> WriteImage:
    """write_image(path, width, height, mode='RGB', **options of Pillow's save): the path."""
    from PIL import Image

    def write(path: Path, width: int = 64, height: int = 48, mode: str = "RGB", **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (width, height), None if mode in ("1", "P") else 0).save(path, **options)
        return path

    return write


@pytest.fixture(scope="session")
def voc_xml() -> Callable[..., str]:
    """voc_xml(filename, boxes, size, extra): an annotation's text; a box is (label, xmin, ymin, xmax, ymax)."""

    def text(
        filename: str, boxes: list[tuple[Any, ...]], size: tuple[int, int] | None = (64, 48), extra: str = ""
    ) -> str:
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
            f"</bndbox></object>\n"
            for label, a, b, c, d in boxes
        )
        sized = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
        return f"<annotation>\n<filename>{filename}</filename>\n{sized}\n{objects}{extra}</annotation>\n"

    return text


@pytest.fixture
def voc_set(tmp_path: Path, write_image: WriteImage, voc_xml: Callable[..., str]) -> Callable[..., Path]:
    """voc_set(count): a folder with count images and VOC files, classes 'cat' and 'dog' in turn."""

    def make(count: int = 10, name: str = "set") -> Path:
        root = tmp_path / name
        for number in range(count):
            # Equal files would be kept in one split.
            write_image(root / "images" / f"{number:05d}.jpg", comment=f"{number:05d}")
            xml = root / "annotations" / f"{number:05d}.xml"
            xml.parent.mkdir(exist_ok=True)
            label = ("cat", "dog")[number % 2]
            xml.write_text(voc_xml(f"{number:05d}.jpg", [(label, 1, 2, 30, 40)]))
        return root

    return make


@pytest.fixture(scope="session")
def example_message() -> Any:
    """tf.train.Example as protobuf's own library builds it from tensorflow/core/example/*.proto's definition."""
    file = descriptor_pb2.FileDescriptorProto(name="example_for_tests.proto", package="t", syntax="proto3")
    repeated, optional = 3, 1
    kinds = {"BytesList": 12, "FloatList": 2, "Int64List": 3}
    for name, kind in kinds.items():
        file.message_type.add(name=name).field.add(name="value", number=1, label=repeated, type=kind)
    feature = file.message_type.add(name="Feature")
    for number, name in enumerate(kinds, start=1):
        feature.field.add(name=name.lower(), number=number, label=optional, type=11, type_name=f".t.{name}")
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=optional, type=9)
    entry.field.add(name="value", number=2, label=optional, type=11, type_name=".t.Feature")
    features.field.add(name="feature", number=1, label=repeated, type=11, type_name=".t.Features.FeatureEntry")
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, label=optional, type=11, type_name=".t.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]  # untyped in types-protobuf
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


@pytest.fixture(scope="session")
def read_records(example_message: Any) -> Callable[[Path], dict[str, dict[str, list[Any]]]]:
    """read_records(folder): for each source id its features as lists, from all shards; CRCs are checked."""
    import struct

    from odtool.dataset.records.framing import frame

    def records(path: Path) -> Iterator[bytes]:
        data = path.read_bytes()
        position = 0
        while position < len(data):
            (length,) = struct.unpack_from("<Q", data, position)
            record = data[position + 12 : position + 12 + length]
            assert data[position : position + 16 + length] == frame(record)
            yield record
            position += 16 + length

    def read(folder: Path) -> dict[str, dict[str, list[Any]]]:
        found = {}
        for shard in sorted(folder.glob("*.tfrecord")):
            for record in records(shard):
                features = {
                    key: list(getattr(value, value.ListFields()[0][0].name).value) if value.ListFields() else []
                    for key, value in example_message.FromString(record).features.feature.items()
                }
                features["split"] = [shard.name.split("-")[0]]
                found[features["image/source_id"][0].decode()] = features
        return found

    return read
