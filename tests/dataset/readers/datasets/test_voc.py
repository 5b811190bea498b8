"""Pascal VOC as its writers really write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtool.dataset.readers.common.pairs import AnnotationFile
from odtool.dataset.readers.datasets import voc
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Problem, Source
from odtool.errors import DataError

PATH = Path("a.xml")
OBJECT = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>"


def results(source: Source) -> Iterator[AnnotatedImage | Problem]:
    for item in voc.read(source):
        if isinstance(item, Deferred):
            yield from item.parse(*item.arguments)
        else:
            yield item


def images(source: Source) -> list[AnnotatedImage]:
    return [item for item in results(source) if isinstance(item, AnnotatedImage)]


def problems(source: Source) -> list[str]:
    return [item.kind for item in results(source) if isinstance(item, Problem)]


def boxes(text: str | bytes) -> list[Box]:
    annotation = voc.parse(text if isinstance(text, bytes) else text.encode(), PATH)
    assert isinstance(annotation, AnnotationFile)
    return [item.box for item in annotation.objects]


@pytest.mark.parametrize(
    "text",
    [
        f"<annotation>{OBJECT}</annotation>",
        "\ufeff<?xml version='1.0' encoding='utf-8'?>\n<annotation>" + OBJECT + "</annotation>",
        "<annotation><!-- by hand --><object><bndbox><xmin>1.0</xmin><xmax> 3 </xmax><ymin>2e0</ymin><ymax>4</ymax>"
        "</bndbox><name> cat </name></object></annotation>",
        f"<annotation><size><width>0</width><height>0</height></size>{OBJECT}</annotation>",
        "<annotation>"
        + OBJECT.replace("</object>", f"<part>{OBJECT[8:]}</part></object>").replace("</object></part>", "</part>")
        + "</annotation>",
    ],
)
def test_quirks_do_not_change_what_is_read(text: str) -> None:
    assert boxes(text) == [Box(1, 2, 3, 4)]


def test_flags_and_view_are_read_and_may_be_missing() -> None:
    text = OBJECT.replace("</name>", "</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>")
    annotation = voc.parse(f"<annotation>{text}{OBJECT}</annotation>".encode(), PATH)
    assert isinstance(annotation, AnnotationFile)
    first, second = annotation.objects
    assert (first.view, first.truncated, first.difficult, first.occluded) == ("Left", True, True, False)
    assert (second.view, second.truncated, second.difficult) == ("", False, False)


def test_an_object_without_name_or_box_is_a_problem() -> None:
    others = "<object><name>cat</name><polygon/></object><object><name/></object>"
    annotation = voc.parse(f"<annotation>{others}{OBJECT}</annotation>".encode(), PATH)
    assert isinstance(annotation, AnnotationFile)
    assert [kind for kind, _ in annotation.problems] == ["box_missing", "label_missing"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotation>\n<object>\n</annotation>", "a.xml:3: broken XML"),
        ("", "a.xml:1: broken XML"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n'
            "<annotation><filename>&b;</filename></annotation>",
            "a.xml:2: XML with a document type is refused",
        ),
        (
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation><filename>&e;</filename></annotation>',
            "a.xml:1: XML with a document type is refused",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        voc.parse(text.encode(), PATH)
    assert says in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (">1<", ">abc<", "line 3: xmin is 'abc', not a number"),
        ("<ymax>4</ymax>", "", "line 3: bndbox without ymax"),
    ],
)
def test_a_broken_object_is_named_with_its_line_and_the_others_are_read(old: str, new: str, says: str) -> None:
    parsed = voc.parse(f"<annotation>{OBJECT}\n\n{OBJECT.replace(old, new)}{OBJECT}</annotation>".encode(), PATH)
    assert parsed
    assert parsed.problems == (("record_broken", says),)
    assert len(parsed.objects) == 2


def test_a_document_type_is_refused_in_utf_16_too() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY e "x">]><annotation>&e;</annotation>'
    with pytest.raises(DataError, match="document type"):
        voc.parse(text.encode("utf-16"), PATH)


@pytest.mark.parametrize(
    ("annotations", "pictures"),
    [
        ("", ""),
        ("Annotations", "JPEGImages"),
        ("annotations", "images"),
        ("Annotations/sub", "JPEGImages/sub"),
        ("", "images"),
        ("labels", "some/other/place"),
    ],
)
def test_images_are_found_where_people_put_them(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str], annotations: str, pictures: str
) -> None:
    expected = write_image(tmp_path / "set" / pictures / "a.jpg")
    xml = tmp_path / "set" / annotations / "a.xml"
    xml.parent.mkdir(parents=True, exist_ok=True)
    xml.write_text(voc_xml("a.jpg", [("cat", 1, 2, 3, 4)]))
    assert voc.detect(tmp_path / "set")
    for source in (Source(tmp_path / "set"), Source(tmp_path / "set", tmp_path / "set" / pictures)):
        assert [image.path for image in images(source)] == [expected]


@pytest.mark.parametrize(
    ("filename", "kinds"),
    [
        ("a.jpg", []),
        ("a.png", []),
        ("", []),
        ("C:\\Users\\me\\a.jpg", []),
        ("/home/me/a.jpg", []),
        ("other.jpg", ["filename_mismatch"]),
        ("../a.jpg", ["path_outside"]),
        ("../../../../etc/passwd", ["filename_mismatch", "path_outside"]),
    ],
)
def test_a_filename_that_is_wrong_or_leads_away_still_finds_the_image(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str], filename: str, kinds: list[str]
) -> None:
    root = tmp_path / "set"
    expected = write_image(root / "a.JPG", format="JPEG")
    write_image(tmp_path / "a.jpg")
    (root / "a.xml").write_text(voc_xml(filename, [("cat", 1, 2, 3, 4)]))
    assert [image.path for image in images(Source(root))] == [expected]
    assert problems(Source(root)) == kinds


def test_a_stem_of_its_own_leads_by_the_filename(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]
) -> None:
    expected = write_image(tmp_path / "img_7.jpg")
    (tmp_path / "0001.xml").write_text(voc_xml("img_7.jpg", []))
    assert [image.path for image in images(Source(tmp_path))] == [expected]
    assert problems(Source(tmp_path)) == []


def test_image_sets_are_the_split(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]
) -> None:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name in "abcd":
        write_image(tmp_path / "JPEGImages" / f"{name}.jpg")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(voc_xml(f"{name}.jpg", [("cat", 1, 2, 3, 4)]))
    main = tmp_path / "ImageSets" / "Main"
    (main / "train.txt").write_text("# ours\na\n")
    (main / "val.txt").write_text("b.jpg 1\n")
    (main / "test.txt").write_text('"c" -1\nmissing\n')
    (main / "trainval.txt").write_text("a\nb\n")
    (main / "cat_train.txt").write_text("d 1\n")
    found = {image.path.stem: image.split for image in images(Source(tmp_path))}
    assert found == {"a": "train", "b": "val", "c": "test"}
    assert problems(Source(tmp_path)) == ["not_in_split", "annotation_missing"]


def test_folders_named_for_splits_are_the_split(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]
) -> None:
    for split in ("train", "valid"):
        write_image(tmp_path / "images" / split / "a.jpg")
        (tmp_path / "images" / split / "a.xml").write_text(voc_xml("a.jpg", []))
    found = {image.path.parent.name: image.split for image in images(Source(tmp_path))}
    assert found == {"train": "train", "valid": "val"}


def test_the_real_layouts_are_read(shared_data: Path) -> None:
    found = images(Source(shared_data / "formats" / "voc_dataset" / "voc_dataset1"))
    assert [(item.label, item.box, item.truncated) for item in found[0].objects] == [
        ("cat", Box(1, 2, 3, 4), True),
        ("person", Box(4, 5, 6, 7), False),
    ]
    assert found[0].declared_size == (20, 10)
    assert found[0].split == "train"


SEED = f"<annotation><filename>a.jpg</filename><size><width>3</width></size>{OBJECT}</annotation>"


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 4), st.binary(max_size=3)), max_size=6))
def test_mutated_text_is_an_annotation_or_a_data_error(edits: list[tuple[int, int, bytes]]) -> None:
    data = SEED.encode()
    for position, length, new in edits:
        data = data[:position] + new + data[position + length :]
    with suppress(DataError):
        annotation = voc.parse(data, PATH)
        assert isinstance(annotation, voc.Unread) or isinstance(annotation.objects, tuple)


def test_a_missing_image_is_not_taken_from_a_folder_outside_the_source(tmp_path: Path) -> None:
    annotations = tmp_path / "mine" / "annotations"
    annotations.mkdir(parents=True)
    (annotations / "a.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"another set's")
    images = [found for found in results(Source(tmp_path / "mine")) if isinstance(found, AnnotatedImage)]
    assert [image.path.is_relative_to(tmp_path / "mine") for image in images] == [True]


def test_turned_boxes_are_taken_by_their_envelope(tmp_path: Path) -> None:
    box = "<robndbox><cx>50</cx><cy>50</cy><w>40</w><h>20</h><angle>1.5707963267948966</angle></robndbox>"
    text = f"<annotation><object><type>robndbox</type><name>ship</name>{box}</object></annotation>"
    parsed = voc.parse(text.encode(), tmp_path / "a.xml")
    assert parsed is not None
    assert astuple(parsed.objects[0].box) == pytest.approx((40, 30, 60, 70))


def test_utf16_is_read_by_its_bom(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><annotation><filename>a.jpg</filename></annotation>'
    (tmp_path / "a.xml").write_bytes(text.encode("utf-16"))
    assert voc.detect(tmp_path)


def test_of_equal_names_the_image_nearest_to_the_annotation_is_meant(tmp_path: Path, write_image: Any) -> None:
    for batch in ("one", "two"):
        write_image(tmp_path / batch / "pictures" / "1.jpg")
        (tmp_path / batch / "xmls").mkdir()
        (tmp_path / batch / "xmls" / "1.xml").write_text("<annotation><filename>1.jpg</filename></annotation>")
    images = [
        image
        for item in voc.read(Source(tmp_path))
        if isinstance(item, Deferred)
        for image in item.parse(*item.arguments)
        if isinstance(image, AnnotatedImage)
    ]
    assert [image.path.parent.parent for image in images] == [image.source.parent.parent for image in images]


@pytest.mark.parametrize("folder", ["", "Annotations/"])
def test_a_missing_image_is_not_taken_from_another_folder(tmp_path: Path, write_image: Any, folder: str) -> None:
    for name in ("train/0", "train/1", "val/0", "val/1"):
        xml = tmp_path / Path(name).parent / folder / f"{Path(name).name}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(f"<annotation><filename>{Path(name).name}.jpg</filename></annotation>")
        if name != "val/0":
            write_image(tmp_path / f"{name}.jpg")
    expected = [tmp_path / name for name in ("train/0.jpg", "train/1.jpg", "val/0.jpg", "val/1.jpg")]
    assert [image.path for image in images(Source(tmp_path))] == expected


def test_images_elsewhere_may_lie_in_folders_as_the_annotations_do(tmp_path: Path, write_image: Any) -> None:
    for year in ("2007", "2012"):
        write_image(tmp_path / "pictures" / year / "JPEGImages" / "1.jpg")
        (tmp_path / "set" / year / "Annotations").mkdir(parents=True)
        (tmp_path / "set" / year / "Annotations" / "1.xml").write_text("<annotation></annotation>")
    images = [
        image
        for item in voc.read(Source(tmp_path / "set", tmp_path / "pictures"))
        if isinstance(item, Deferred)
        for image in item.parse(*item.arguments)
        if isinstance(image, AnnotatedImage)
    ]
    assert [image.path.parts[-3] for image in images] == ["2007", "2012"]


def test_images_without_xml_file_are_counted(tmp_path: Path, write_image: Any) -> None:
    for name in ("a", "b", "c"):
        write_image(tmp_path / "JPEGImages" / f"{name}.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation></annotation>")
    (problem,) = [item for item in voc.read(Source(tmp_path)) if isinstance(item, Problem)]
    assert (problem.kind, problem.file) == ("file_skipped", tmp_path / "JPEGImages")
    assert problem.detail == "2 images without an XML file of the same name, such as a.jpg"


def test_an_xml_file_without_its_image_does_not_hide_images_without_xml_file(tmp_path: Path, write_image: Any) -> None:
    for name in ("a", "b", "c", "d", "e"):
        write_image(tmp_path / f"{name}.jpg")
    for name in ("a", "b"):
        (tmp_path / f"{name}.xml").write_text("<annotation></annotation>")
    (tmp_path / "gone.xml").write_text("<annotation><filename>gone.jpg</filename></annotation>")
    (tmp_path / "renamed.xml").write_text("<annotation><filename>C:\\set\\c.jpg</filename></annotation>")
    (problem,) = [item for item in voc.read(Source(tmp_path)) if isinstance(item, Problem)]
    assert problem.detail == "2 images without an XML file of the same name, such as d.jpg"


def test_files_parsed_together_come_each_with_its_own_split_and_in_order(tmp_path: Path) -> None:
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    names = [f"{number:03d}" for number in range(50)]
    for name in names:
        (tmp_path / f"{name}.xml").write_text(f"<annotation><filename>{name}.jpg</filename>{OBJECT}</annotation>")
    (main / "train.txt").write_text("\n".join(names[::3]))
    (main / "val.txt").write_text("\n".join(names[1::3]))
    (tmp_path / "001.xml").write_text("<other/>")
    found = [(item.source.stem, item.split) for item in results(Source(tmp_path)) if isinstance(item, AnnotatedImage)]
    expected = [(name, ("train", "val")[number % 3]) for number, name in enumerate(names) if number % 3 < 2]
    expected.remove(("001", "val"))
    assert found == expected
    kinds = problems(Source(tmp_path))
    assert (kinds.count("not_in_split"), kinds.count("file_skipped"), len(kinds)) == (16, 1, 17)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<annotation><object><tree>Larch</tree><bndbox><xmin>1</xmin></bndbox></object></annotation>", "file_unread"),
        ("<annotation><boxes><box x='1' y='2' w='3' h='4'/></boxes></annotation>", "file_unread"),
        ("<set><image><box x='1' y='2' w='3' h='4'/></image></set>", "file_unread"),
        ("<project><version>1.2</version></project>", "file_skipped"),
    ],
)
def test_a_file_whose_boxes_cannot_be_read_makes_no_background(
    tmp_path: Path, write_image: Callable[..., Path], text: str, kind: str
) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.jpg")
    (tmp_path / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{OBJECT}</annotation>")
    (tmp_path / "b.xml").write_text(text)
    assert [image.path.name for image in images(Source(tmp_path))] == ["a.jpg"]
    assert problems(Source(tmp_path)) == [kind]


def test_splits_of_single_classes_are_taken_where_there_are_no_others(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    for name in ("v.mp4#t=0", "v.mp4#t=1", "v.mp4#t=2"):
        write_image(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.xml").write_text(f"<annotation><filename>{name}.jpg</filename>{OBJECT}</annotation>")
    (main / "cat_train.txt").write_text("v.mp4#t=0.jpg -1\nv.mp4#t=0.jpg 1\n")
    (main / "dog_train.txt").write_text("v.mp4#t=0.jpg -1\n")
    (main / "cat_val.txt").write_text("v.mp4#t=1.jpg 1\n")
    assert [image.split for image in images(Source(tmp_path))] == ["train", "val", None]
    assert problems(Source(tmp_path)) == []
    (main / "train.txt").write_text("v.mp4#t=1\n")
    assert [image.split for image in images(Source(tmp_path))] == ["train"]


def test_lists_of_single_classes_that_contradict_each_other_are_not_used_and_told(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    main = tmp_path / "ImageSets" / "Main"
    main.mkdir(parents=True)
    for name in "ab":
        write_image(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.xml").write_text(f"<annotation><filename>{name}.jpg</filename>{OBJECT}</annotation>")
    (main / "cat_train.txt").write_text("a 1\nb -1\n")
    (main / "dog_val.txt").write_text("b 1\n")
    assert [image.split for image in images(Source(tmp_path))] == [None, None]
    (problem,) = [item for item in results(Source(tmp_path)) if isinstance(item, Problem)]
    assert (problem.kind, problem.detail) == ("split_unused", "lists of classes: b is in lists of train and of val")
