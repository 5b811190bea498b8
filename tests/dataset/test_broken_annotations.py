"""Broken annotations do not end a command at the first: all are named, prepare refuses, --skip-broken goes on."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.survey import problem_list
from odtool.dataset.types import Source
from odtool.errors import DataError

VocSet = Callable[..., Path]


def run(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(source),), out, val=0, **options))


@pytest.fixture
def broken_set(voc_set: VocSet) -> Path:
    """Ten XML files of which three are broken, and an eleventh object with a word for a number."""
    root = voc_set(10)
    files = sorted((root / "annotations").iterdir())
    files[2].write_text("")
    files[5].write_bytes(files[5].read_bytes()[:150])
    files[7].write_text(files[7].read_text().replace("<name>", "<name>cats & "))
    files[8].write_text(files[8].read_text().replace("<xmin>", "<xmin>x"))
    return root


def test_all_broken_files_are_named_and_nothing_is_written(broken_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    assert "00002.xml:1: broken XML" in error.value.message
    assert "faults in total: 3 annotation_broken, " in error.value.message
    assert [line.partition(".xml")[0][-5:] for line in error.value.details[:2]] == ["00005", "00007"]
    assert "--skip-broken" in error.value.hint
    assert not (tmp_path / "data").exists()


def test_the_list_of_problems_is_kept_beside_what_was_refused_until_it_is_written(
    broken_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    refused = problem_list.locate_refused(tmp_path / "data")
    assert refused == tmp_path / "data.problems.csv"
    assert str(refused) in error.value.hint
    assert refused.read_text().count("annotation_broken,error,") == 3
    run(broken_set, tmp_path / "data", skip_broken=True)
    assert not refused.exists()


def test_a_file_of_the_same_name_that_is_not_a_list_is_left_alone(broken_set: Path, tmp_path: Path) -> None:
    (tmp_path / "data.problems.csv").write_text("my own notes\n")
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    assert "data.problems.csv" not in error.value.hint
    run(broken_set, tmp_path / "data", skip_broken=True)
    assert (tmp_path / "data.problems.csv").read_text() == "my own notes\n"


def test_what_is_broken_is_left_out_and_counted_where_that_is_asked_for(broken_set: Path, tmp_path: Path) -> None:
    summary = run(broken_set, tmp_path / "data", skip_broken=True).summary
    assert summary.problems["annotation_broken"].count == 3
    assert summary.problems["annotation_broken"].level == "error"
    # The image whose objects are all broken is no background.
    assert sum(split.images for split in summary.splits.values()) == 6
    assert not any(split.background_images for split in summary.splits.values())


def test_strict_refuses_what_skip_broken_leaves_out(broken_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused by --strict: 3 annotation_broken"):
        run(broken_set, tmp_path / "data", skip_broken=True, strict=True)


def test_inspect_names_what_is_broken_and_counts_the_rest(broken_set: Path) -> None:
    inspected = inspect(InspectSettings((Source(broken_set),)))
    kinds = {item.kind: item for item in inspected.problems}
    assert Counter(problem.file.name for problem in kinds["annotation_broken"].examples) == {
        "00002.xml": 1,
        "00005.xml": 1,
        "00007.xml": 1,
    }
    assert kinds["record_broken"].examples[0].file.name == "00008.xml"
    assert inspected.figures.images == 6


def test_what_a_whole_source_depends_on_is_named_beside_the_others_and_never_left_out(
    broken_set: Path, tmp_path: Path
) -> None:
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "data.yaml").write_text("names: [cat\ntrain: images\n")
    sources = (Source(broken_set, prefix="1/"), Source(tmp_path / "yolo", prefix="2/"))
    for skip_broken in (False, True):
        with pytest.raises(DataError, match=r"data\.yaml:2: broken YAML") as error:
            prepare(PrepareSettings(sources, tmp_path / "data", val=0, skip_broken=skip_broken))
        assert "5 faults in total: 1 source_broken, 3 annotation_broken, 1 record_broken" in error.value.message
        assert "--skip-broken" not in error.value.hint
    kinds = {item.kind for item in inspect(InspectSettings(sources)).problems}
    assert {"source_broken", "annotation_broken", "record_broken"} <= kinds


def test_a_file_that_two_formats_cannot_read_is_one_fault(broken_set: Path, write_image: Any) -> None:
    polygon = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((1, 2), (30, 2), (30, 40)))
    write_image(broken_set / "images" / "x.jpg")
    (broken_set / "annotations" / "x.xml").write_text(
        "<annotation><filename>x.jpg</filename><source><sourceAnnotation>LabelMe Webtool</sourceAnnotation></source>"
        f"<object><name>cat</name><polygon>{polygon}</polygon></object></annotation>"
    )
    inspected = inspect(InspectSettings((Source(broken_set),)))
    assert {choice.name for formats in inspected.choices for choice in formats} == {"voc", "labelme_xml"}
    assert {item.kind: item.count for item in inspected.problems}["annotation_broken"] == 3


def test_an_image_whose_file_of_another_format_is_broken_is_no_background(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(10)
    (root / "classes.txt").write_text("cat\n")
    for number in range(3, 10):
        (root / "annotations" / f"0000{number}.xml").unlink()
    for number in range(3, 9):
        (root / "images" / f"0000{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "annotations" / "00002.xml").write_text("")
    prepared = run(root, tmp_path / "data", skip_broken=True)
    assert {choice.name for formats in prepared.choices for choice in formats} == {"voc", "yolo"}
    splits = prepared.summary.splits.values()
    assert (sum(split.images for split in splits), sum(split.background_images for split in splits)) == (9, 1)
    assert prepared.first["annotation_missing"].file.name == "00002.jpg"


def test_many_faults_are_summed_and_the_first_ten_named(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(30)
    for file in sorted((root / "annotations").iterdir())[:25]:
        file.write_text("<annotation>")
    with pytest.raises(DataError) as error:
        run(root, tmp_path / "data")
    assert "25 faults in total: 25 annotation_broken" in error.value.message
    assert len(error.value.details) == 10
    assert error.value.details[-1] == "... and 15 more"


def test_where_everything_is_broken_nothing_can_be_used(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(3)
    for file in (root / "annotations").iterdir():
        file.write_text("<annotation>")
    for call in (
        lambda: run(root, tmp_path / "data", skip_broken=True),
        lambda: inspect(InspectSettings((Source(root),))),
    ):
        with pytest.raises(DataError, match="none of the images can be used: 3 annotation_broken") as error:
            call()
        assert len(error.value.details) == 2


BROKEN_FILES = {
    **dict.fromkeys(("coco", "createml", "label_studio", "via", "vott_json", "labelme", "supervisely"), "json"),
    **dict.fromkeys(("bdd100k", "darwin", "datumaro", "fiftyone", "superannotate"), "json"),
    "edge_impulse": "labels",
    **dict.fromkeys(("cvat", "voc", "labelme_xml"), "xml"),
    **dict.fromkeys(("tfod_csv", "vott_csv"), "csv"),
}
"""Formats whose files can be broken as a whole, and their endings."""
BROKEN_ROWS = {
    "tfod_csv": ("a.csv", "a.jpg,64,48,cat,1,x,30,40"),
    "retinanet_csv": ("a.csv", "a.jpg,1,x,30,40,cat"),
    "vott_csv": ("vott-csv-export.csv", '"a.jpg",1.5,x,30,40,"cat"'),
    "openimages": ("train-annotations-bbox.csv", "a,xclick,/m/01,1,x,0.5,0.2,0.6,0,0,1,0,0"),
    "yolo_keras": ("train.txt", "a.jpg 1,2,x,40,0"),
    "yolo": ("labels/train/a.txt", "0 0.5 x 0.5 0.5"),
    "kitti": ("label_2/a.txt", "Car 0.00 0 -1.58 1.0 x"),
    "dota": ("labelTxt/a.txt", "1 2 30 2 x 40 1 40 plane 0"),
    "wider_face": ("wider_face_train_bbx_gt.txt", "b.jpg\n1\n1 x 3 4"),
    "hf_imagefolder": ("metadata.jsonl", '{"file_name": "a.jpg", "objects": {"bbox": 3}}'),
    "sagemaker": ("output.manifest", "{broken"),
    "labelbox": ("export.ndjson", '{"data_row": {"external_id": "a.jpg"}, "projects": 3}'),
    "ultralytics_ndjson": ("set.ndjson", '{"type": "image", "file": "a.jpg", "annotations": {"boxes": [[0, "x"]]}}'),
    "vertex_jsonl": ("import.jsonl", '{"boundingBoxAnnotations": []}'),
    "crowdhuman": ("annotation_train.odgt", '{"ID": "1,a", "gtboxes": 3}'),
    "visdrone": ("annotations/a.txt", "1,2,x,38,1,4,0,1"),
    "mot": ("train/s/gt/gt.txt", "1,1,x,2,29,38,1,1,0.8"),
    "oidv4": ("train/Apple/Label/a.txt", "Apple 1 x 30 40"),
    "vertex_csv": ("import.csv", "TRAIN,a.jpg,cat,0.1,x,,,0.5,0.8,,"),
    "udacity": ("crowdai/labels.csv", "1,x,30,40,a.jpg,Car,u"),
}
"""Text files of the samples, and a row or line that is broken."""
HEADED = {"tfod_csv", "vott_csv", "openimages", "udacity", "ultralytics_ndjson"}
"""Those whose first line is of the whole file: names of columns, or the set."""


@pytest.fixture
def write_sample(tmp_path: Path, load_script: Any) -> Callable[..., Path]:
    """write_sample(name): the fuzzer's sample of a format, which lies in its own folder."""
    fuzzer = load_script("fuzz_readers")

    def write(name: str, more: dict[str, bytes] | None = None) -> Path:
        files, images = fuzzer.make_samples()[name]
        fuzzer.write_source(tmp_path / "set", {**files, **(more or {})}, images, fuzzer.make_picture())
        return tmp_path / "set"

    return write


@pytest.mark.parametrize("name", sorted(BROKEN_FILES))
def test_two_files_that_are_cut_off_are_named_in_every_format(name: str, write_sample: Any, load_script: Any) -> None:
    files, _ = load_script("fuzz_readers").make_samples()[name]
    whole = next(content for file, content in files.items() if not file.endswith("meta.json"))
    suffix = BROKEN_FILES[name]
    # The middle of a table is a table still, so it is no text at all.
    cut = whole[: whole.rindex(b"\n", 0, -2) + 1] + b"\xff\n" if suffix == "csv" else whole[: len(whole) * 2 // 3]
    parent = {"supervisely": "ds/ann/"}.get(name, "")
    ending = {"vott_json": "-asset.json"}.get(name, f".{suffix}")
    root = write_sample(name, {f"{parent}broken{number}{ending}": cut for number in (1, 2)})
    shutil.rmtree(root / "ImageSets", ignore_errors=True)
    inspected = inspect(InspectSettings((Source(root),), format=name))
    broken = next(item for item in inspected.problems if item.kind == "annotation_broken")
    assert [problem.file.name for problem in broken.examples] == [f"broken1{ending}", f"broken2{ending}"]
    assert inspected.figures.images > 0


@pytest.mark.parametrize("name", sorted(BROKEN_ROWS))
def test_two_broken_rows_are_named_in_every_format_with_rows(name: str, write_sample: Any, load_script: Any) -> None:
    files, _ = load_script("fuzz_readers").make_samples()[name]
    file, row = BROKEN_ROWS[name]
    # Each good line more than once, as in a real file: one that is mostly broken is of no format.
    text = files[file].decode()
    body = text.partition("\n")[2] if name in HEADED else text
    root = write_sample(name, {file: f"{text}{body}{row}\n{row}\n{body}".encode()})
    inspected = inspect(InspectSettings((Source(root),), format=name))
    broken = next(item for item in inspected.problems if item.kind == "record_broken")
    assert (broken.count, {problem.file for problem in broken.examples}) == (2, {root / file})
    assert inspected.figures.objects > 0
    with pytest.raises(DataError, match="2 faults in total: 2 record_broken"):
        run(root, root.parent / "data", format=name)
    summary = run(root, root.parent / "data", format=name, skip_broken=True, skip_missing=True).summary
    assert summary.problems["record_broken"].count == 2


NUMBERS: dict[str, tuple[str, list[str | int], list[str | int]]] = {
    "coco": ("instances_train.json", ["annotations", 0, "bbox", 0], ["annotations", 0, "category_id"]),
    "supervisely": ("ds/ann/a.jpg.json", ["objects", 0, "points", "exterior", 0, 0], ["objects", 0, "classTitle"]),
    "labelme": ("a.json", ["shapes", 0, "points", 0, 0], ["shapes", 0, "label"]),
    "label_studio": (
        "project.json",
        [0, "annotations", 0, "result", 0, "value", "x"],
        [0, "annotations", 0, "result", 0, "value", "rectanglelabels"],
    ),
    "via": (
        "via.json",
        ["a.jpg100", "regions", 0, "shape_attributes", "x"],
        ["a.jpg100", "regions", 0, "region_attributes"],
    ),
    "createml": (
        "_annotations.createml.json",
        [0, "annotations", 0, "coordinates", "x"],
        [0, "annotations", 0, "label"],
    ),
    "sagemaker": ("output.manifest", ["boxes", "annotations", 0, "left"], ["boxes", "annotations", 0, "class_id"]),
    "vertex_jsonl": (
        "import.jsonl",
        ["boundingBoxAnnotations", 0, "xMin"],
        ["boundingBoxAnnotations", 0, "displayName"],
    ),
    "crowdhuman": ("annotation_train.odgt", ["gtboxes", 0, "fbox", 0], ["gtboxes", 0, "tag"]),
    "hf_imagefolder": ("metadata.jsonl", ["objects", "bbox", 0, 0], ["objects", "categories", 0]),
    "labelbox": (
        "export.ndjson",
        ["projects", "p", "labels", 0, "annotations", "objects", 0, "bounding_box", "left"],
        ["projects", "p", "labels", 0, "annotations", "objects", 0, "name"],
    ),
    "bdd100k": ("labels/det_train.json", [0, "labels", 0, "box2d", "x1"], [0, "labels", 0, "category"]),
    "darwin": ("a.json", ["annotations", 0, "bounding_box", "x"], ["annotations", 0, "name"]),
    "datumaro": (
        "annotations/train.json",
        ["items", 0, "annotations", 0, "bbox", 0],
        ["items", 0, "annotations", 0, "label_id"],
    ),
    "edge_impulse": (
        "bounding_boxes.labels",
        ["boundingBoxes", "a.jpg", 0, "x"],
        ["boundingBoxes", "a.jpg", 0, "label"],
    ),
    "fiftyone": (
        "samples.json",
        ["samples", 0, "ground_truth", "polylines", 0, "points", 0, 0, 0],
        ["samples", 0, "ground_truth", "polylines", 0, "label"],
    ),
    "superannotate": (
        "a.jpg___objects.json",
        ["instances", 0, "points", "x1"],
        ["instances", 0, "className"],
    ),
}
"""Files of the samples, and where in the first document of one a number of a box and a class stand."""


def change(data: bytes, place: list[str | int], value: Any) -> bytes:
    """The document, or that of the first line, with another value at a place."""
    first, separator, rest = data.partition(b"\n") if data.startswith(b'{"') else (data, b"", b"")
    document = holder = json.loads(first)
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return json.dumps(document).encode() + separator + rest


def read_kinds(root: Path, name: str) -> set[str]:
    """Kinds of problems of a set of which nothing may be left."""
    try:
        return {item.kind for item in inspect(InspectSettings((Source(root),), format=name)).problems}
    except DataError as error:
        return set(re.findall(r"\d+ (\w+)", error.message))


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_word_for_a_number_is_broken_and_a_class_that_is_not_there_is_counted_in_every_format(
    name: str, write_sample: Any, load_script: Any
) -> None:
    files, _ = load_script("fuzz_readers").make_samples()[name]
    file, number, label = NUMBERS[name]
    root = write_sample(name, {file: change(files[file], number, "ten")})
    assert "record_broken" in read_kinds(root, name)
    root = write_sample(name, {file: change(files[file], label, None)})
    assert {"record_broken", "label_missing"} & read_kinds(root, name) == {"label_missing"}


def test_boxes_that_lie_outside_their_images_are_those_of_other_images_unless_they_are_few(tmp_path: Path) -> None:
    def labelme(beyond: int) -> Path:
        root = tmp_path / f"{beyond}"
        root.mkdir()
        for number in range(20):
            Image.new("RGB", (64, 48), (number, 0, 0)).save(root / f"{number}.png")
            left = 500 if number < beyond else 5
            shape = {"label": "cat", "shape_type": "rectangle", "points": [[left, 4], [left + 30, 40]]}
            document = {"imagePath": f"{number}.png", "imageWidth": 64, "imageHeight": 48, "shapes": [shape]}
            (root / f"{number}.json").write_text(json.dumps(document))
        return root

    with pytest.raises(DataError, match="; 4 of 20 boxes lie wholly outside their images") as error:
        run(labelme(4), tmp_path / "data")
    assert "0.json: object 1 (cat) at [500, 4, 530, 40] in 0.png, 64x48" in error.value.message
    skipped = run(tmp_path / "4", tmp_path / "skipped", skip_broken=True)
    assert skipped.summary.problems["box_outside_entirely"].count == 4
    assert run(labelme(3), tmp_path / "few").summary.splits["train"].objects == 17
