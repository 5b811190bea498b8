"""What the writers write, read back through the whole of `odtool prepare`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePath

import pytest
from PIL import Image

from odtool.dataset import prepare
from odtool.dataset.readers import format_choice
from odtool.dataset.readers.registry import READERS
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Outline, Source
from odtool.dataset.writers import WRITERS, image_copies
from odtool.dataset.writers.annotation_writer import LabelledBox, WrittenImage

LABELS = {1: "cat & co", 2: "yes", 4: "Ünï \N{RACCOON}"}
BOXES = (
    LabelledBox(Box(0, 0, 33.337, 20.5), 1, LABELS[1], 0.91234),
    LabelledBox(Box(10.1, 5.55, 100, 80), 4, LABELS[4], 0.5),
    LabelledBox(Box(0.4, 0.4, 40.03, 79.99), 2, LABELS[2], 0.75),
    LabelledBox(Box(20, 30, 50, 60), 2, LABELS[2]),
)


def jpeg(orientation: int = 1, size: tuple[int, int] = (100, 80), shade: int = 0) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.linear_gradient("L").resize(size).point(lambda value: value ^ shade).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def write(folder: Path, format_name: str) -> None:
    """Two images of the same name from different folders, one of them turned, and one without objects."""
    writer = WRITERS[format_name]
    folder.mkdir()
    (folder / writer.images).mkdir(exist_ok=True)
    with writer.opened(folder, LABELS) as add:
        for number, (name, data) in enumerate(
            (
                ("a/image.jpg", jpeg(shade=1)),
                ("b/image.jpg", jpeg(6, (80, 100), shade=2)),
                ("b/image.png", jpeg(shade=3)),
                ("empty.jpg", jpeg(shade=4)),
            )
        ):
            stored = image_copies.copy_image(data, PurePath(name), [folder / writer.images])
            add(WrittenImage(stored, 100, 80, BOXES[number:] if "empty" not in name else ()))


def corners_of(box: Box) -> list[float]:
    return [box.xmin, box.ymin, box.xmax, box.ymax]


def read_back(data: Path) -> Iterator[tuple[str, list[tuple[str, list[float]]]]]:
    """Images of records with their boxes in pixels; each image is 100 by 80."""
    for found in READERS["tfrecord"].read(Source(data)):
        for image in found.parse(*found.arguments) if isinstance(found, Deferred) else [found]:
            assert isinstance(image, AnnotatedImage), image
            scale = (100, 80, 100, 80) if image.unit == "fraction" else (1, 1, 1, 1)
            yield (
                image.name,
                [
                    (item.label, [value * by for value, by in zip(corners_of(item.box), scale, strict=True)])
                    for item in image.objects
                ],
            )


@pytest.mark.parametrize("format_name", WRITERS)
def test_what_is_written_is_prepared_with_the_same_boxes(format_name: str, tmp_path: Path) -> None:
    source = tmp_path / "written"
    write(source, format_name)
    (choice,) = format_choice.choose(Source(source))
    assert choice.name == {"csv": "tfod_csv"}.get(format_name, format_name)
    settings = prepare.PrepareSettings((Source(source),), tmp_path / "data", val=0, workers=1)
    summary = prepare.prepare(settings).summary
    assert {name: problem for name, problem in summary.problems.items() if problem.level != "info"} == {}
    found = dict(read_back(tmp_path / "data"))
    assert sorted(found) == ["a_image.jpg", "b_image-2.png", "b_image.jpg", "empty.jpg"]
    assert found["empty.jpg"] == []
    for name, first in (("a_image.jpg", 0), ("b_image.jpg", 1), ("b_image-2.png", 2)):
        wanted = sorted((each.label, corners_of(each.box)) for each in BOXES[first:])
        assert [label for label, _ in sorted(found[name])] == [label for label, _ in wanted]
        for (_, box), (_, corners) in zip(sorted(found[name]), wanted, strict=True):
            assert box == pytest.approx(corners, abs=0.006)


@pytest.mark.parametrize("format_name", ["coco", "labelme"])
def test_masks_are_written_as_polygons_that_are_read_back(format_name: str, tmp_path: Path) -> None:
    polygons = ((10.0, 10.0, 40.0, 10.0, 10.0, 40.0), (50.5, 50.0, 60.0, 50.0, 60.0, 60.25))
    one = LabelledBox(Box(10, 10, 60, 60.25), 1, LABELS[1], 0.9, Outline(polygons=polygons))
    other = LabelledBox(Box(1, 1, 9, 9), 2, LABELS[2], 0.8)
    source = tmp_path / "written"
    (source / WRITERS[format_name].images).mkdir(parents=True)
    with WRITERS[format_name].opened(source, LABELS) as add:
        stored = image_copies.copy_image(jpeg(), PurePath("a.jpg"), [source / WRITERS[format_name].images])
        add(WrittenImage(stored, 100, 80, (one, other)))
    (image,) = (
        image
        for item in READERS[format_name].read(Source(source, masks=True))
        for image in (item.parse(*item.arguments) if isinstance(item, Deferred) else [item])
        if isinstance(image, AnnotatedImage)
    )
    masked, plain = sorted(image.objects, key=lambda item: -item.box.xmax)
    assert masked.outline is not None
    assert masked.outline.polygons == polygons
    assert corners_of(masked.box) == [10, 10, 60, 60.25]
    assert corners_of(plain.box) == [1, 1, 9, 9]


def test_an_image_that_viewers_turn_is_written_as_they_show_it(tmp_path: Path) -> None:
    source = tmp_path / "turned.jpg"
    source.write_bytes(jpeg(6, (80, 100)))
    (tmp_path / "out").mkdir()
    (tmp_path / "other").mkdir()
    name = image_copies.copy_image(source, PurePath("turned.jpg"), [tmp_path / "out", tmp_path / "other"])
    with Image.open(tmp_path / "out" / name) as image:
        assert image.size == (100, 80)
        assert image.getexif().get(0x0112, 1) == 1
    assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_an_image_that_is_not_turned_keeps_its_bytes(tmp_path: Path) -> None:
    data = jpeg()
    name = image_copies.copy_image(data, PurePath("a", "b", "c.JPG"), [tmp_path])
    assert name == "a_b_c.JPG"
    assert (tmp_path / name).read_bytes() == data


def test_stems_are_distinct_whatever_the_endings_and_folders(tmp_path: Path) -> None:
    names = [PurePath("a", "x.jpg"), PurePath("a_x.jpg"), PurePath("a", "x.jpeg"), PurePath("a", "x.PNG")]
    stored = [image_copies.copy_image(jpeg(), name, [tmp_path]) for name in names]
    assert len({Path(name).stem for name in stored}) == len(names)


@pytest.mark.parametrize("letter", ["a", "\N{CJK UNIFIED IDEOGRAPH-753B}"])
def test_a_name_longer_than_file_systems_take_is_cut(letter: str, tmp_path: Path) -> None:
    names = [image_copies.copy_image(jpeg(), PurePath(*[letter * 60] * 10, "x.jpg"), [tmp_path]) for _ in range(2)]
    assert [name.rpartition("_")[2] for name in names] == ["x.jpg", "x-2.jpg"]


def test_names_are_such_that_readers_find_the_images(tmp_path: Path) -> None:
    given = ("scan", "scan.v1.5", "a\\b.jpg", "..a /.b.jpg", "...jpg", "caf\udce9.jpg")
    assert [image_copies.copy_image(jpeg(), PurePath(name), [tmp_path]) for name in given] == [
        "scan.jpeg",
        "scan.v1.5.jpeg",
        "a_b.jpg",
        "a _.b.jpg",
        "image.jpg",
        "caf?.jpg",
    ]


def test_a_file_per_format_can_be_open_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name, writer in WRITERS.items():
            (tmp_path / name).mkdir()
            stack.enter_context(writer.opened(tmp_path / name, LABELS))
    assert format_choice.choose(Source(tmp_path / "coco" / "annotations.json"))
