"""A file that looks like annotations is recognised by what is in it, whatever its name; other files are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.unread.recognition import recognise

DATUMARO = {
    "info": {},
    "categories": {"label": {"labels": [{"name": "cat"}]}},
    "items": [{"id": "a", "annotations": [{"id": 1, "type": "bbox", "label_id": 0, "bbox": [1, 2, 3, 4]}]}],
}
COCO_PARTS = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    "categories": [{"id": 1, "name": "cat"}],
}
DOCUMENTS: list[tuple[str, Any, str]] = [
    ("datumaro.json", DATUMARO, "Datumaro JSON"),
    ("vott.json", {"frames": {"a.jpg": [{"x1": 1, "y1": 2}]}, "inputTags": "cat"}, "VoTT version 1 JSON"),
    ("scale.json", [{"task_id": "1", "response": {"annotations": []}, "params": {}}], "Scale AI JSON"),
    ("loop.json", {"filename": "/a.jpg", "datasetId": "1", "annotations": [{"coordinates": [{"x": 1}]}]}, "Dataloop"),
    ("darwin.json", {"version": "2.0", "schema_ref": "", "item": {}, "annotations": []}, "V7 Darwin JSON"),
    ("bdd.json", [{"name": "a.jpg", "labels": [{"category": "car", "box2d": {"x1": 1}}]}], "BDD100K or Scalabel"),
    ("object_ann.json", [{"token": "1", "category_token": "2", "bbox": [1, 2, 3, 4]}], "nuScenes or nuImages"),
    ("prodigy.jsonl", {"image": "a.jpg", "_input_hash": 1, "spans": []}, "Prodigy JSON"),
    ("labelbox.ndjson", {"data_row": {"id": "1"}, "projects": {}}, "Labelbox JSON"),
    ("labelbox.json", [{"Labeled Data": "a.jpg", "Label": {"objects": []}}], "Labelbox JSON"),
    ("output.manifest", {"source-ref": "s3://b/a.jpg", "boxes": {}}, "SageMaker Ground Truth manifest"),
    ("detections.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "COCO results JSON"),
    ("x.json", {key: COCO_PARTS[key] for key in ("images", "annotations")}, "COCO JSON without 'categories'"),
    ("x.json", {key: COCO_PARTS[key] for key in ("annotations", "categories")}, "COCO JSON without 'images'"),
    ("mine.json", {"pictures": [{"path": "a.jpg", "where": [1, 2, 3, 4]}]}, "JSON"),
]


@pytest.mark.parametrize(("name", "document", "title"), DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_is_known_by_its_keys(tmp_path: Path, name: str, document: Any, title: str, indent: int | None) -> None:
    file = tmp_path / name
    file.write_text(json.dumps(document, indent=indent))
    likeness = recognise(file)
    assert likeness
    assert likeness.title.startswith(title) or title in likeness.title
    keys = document[0] if isinstance(document, list) else document
    assert next(iter(keys)) in likeness.evidence


def test_a_document_a_line_is_json_lines_whatever_the_ending(tmp_path: Path) -> None:
    for name in ("boxes.json", "boxes.jsonl", "boxes.ndjson"):
        file = tmp_path / name
        file.write_text('{"picture": "a.jpg", "at": [1, 2, 3, 4]}\n' * 2)
        likeness = recognise(file)
        assert likeness
        assert (likeness.title, likeness.evidence) == ("JSON Lines", "the keys picture, at")


def test_a_long_document_is_known_by_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps(DATUMARO | {"items": DATUMARO["items"] * 5000}))  # type: ignore[operator] - a list
    likeness = recognise(file)
    assert likeness
    assert likeness.title == "Datumaro JSON"
    assert likeness.evidence == "the keys info, categories, items"


@pytest.mark.parametrize(
    ("name", "content", "title", "evidence"),
    [
        ("a.xml", "<dataset><images><image file='a.jpg'><box top='1' left='2' width='3' height='4'/></image></images>"
                  "</dataset>", "XML of dlib's imglab", "<dataset>, <images>, <image>, <box>"),
        ("a.xml", "<page><w>1</w><x>2</x><y>3</y><h>4</h></page>", "XML", "<page>, <w>"),
        ("train.csv", 'image_id,width,height,bbox,source\nb21,120,80,"[10.0, 10.0, 30.0, 20.0]",usask_1\n',
         "CSV", "the columns image_id, width, height, bbox, source"),
        ("train.csv", "id,x,y,w,h\n1,2,3,4,5\n", "CSV", "the columns id, x, y, w, h"),
        ("train.csv", "b21,1,2,3,4,cat\n", "CSV", "no header and lines such as 'b21,1,2,3,4,cat'"),
        ("boxes.tsv", "pic\tkind\tl\tt\tr\tb\na.jpg\tcat\t1\t2\t3\t4\n", "CSV", "the columns pic, kind"),
        ("gt.txt", "1,1,10,20,30,40,1,-1,-1,-1\n", "text", "lines such as '1,1,10,20,30,40"),
        ("a.txt", "cat 1 2 3 4\ncat 3 4 5 6\n", "text", "lines such as 'cat 1 2 3 4'"),
        ("a.txt", "377,117,463,117,465,130,378,130,Genaxis Theatre\n", "text", "lines such as '377,117"),
        ("train.yaml", "- boxes:\n  - {label: red, x_max: 640.6, x_min: 632.7, y_max: 355.9, y_min: 345.2}\n", "YAML",
         "lines such as '- boxes:'"),
        ("a.yml", "a.jpg:\n  - {label: cat, bbox: [1, 2, 3, 4]}\n", "YAML", "lines such as '- {label: cat, bbox: ["),
        ("a.txt", "a.png 10,10,40,30,0\n", "text", "lines such as 'a.png 10,10,40,30,0'"),
    ],
)  # fmt: skip
def test_other_texts_are_known_by_tags_columns_and_numbers(
    tmp_path: Path, name: str, content: str, title: str, evidence: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    likeness = recognise(file)
    assert likeness
    assert likeness.title == title
    assert evidence in likeness.evidence


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", '{"name": "a", "version": "1", "sizes": [1, 2, 3, 4]}'),
        ("classes.json", '{"names": ["cat", "dog"]}'),
        ("data.yaml", "names: [cat]\ntrain: images\nbox: 7.5\ncls: 0.5\n"),
        ("empty.json", ""),
        ("empty.xml", ""),
        ("empty.csv", ""),
        ("empty.txt", ""),
        ("config.xml", "<config><name>cat</name></config>"),
        ("weather.csv", "day,rain,temperature,wind,sun\n2020-01-01,1,2,3,4\n"),
        ("results.csv", "epoch,loss,x\n1,2,3\n"),
        ("classes.txt", "cat\ndog\n"),
        ("train.txt", "images/a.jpg\nimages/b.jpg\n"),
        ("readme.txt", "In 2019 and 2020 we took 300 pictures in 4 places, and drew 12 boxes.\n"),
        ("notes.txt", "5 boxes are missing\n"),
        ("a.jpg", "1 2 3 4 5\n"),
    ],
)
def test_other_files_are_not_taken_for_annotations(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert recognise(file) is None
    assert recognise(tmp_path / "missing.json") is None
