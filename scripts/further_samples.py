"""Samples of formats of annotation services, benchmarks and tables, for scripts/fuzz_readers.py and the tests."""

from __future__ import annotations

import io
import json
from typing import Any

Files = dict[str, bytes]
"""A source: contents by relative path, images apart."""
Samples = dict[str, tuple[Files, tuple[str, ...]]]
"""For each format its annotation files, and the images they name."""


def encode_json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def make_picture() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (64, 48), "gray").save(stream, "JPEG")
    return stream.getvalue()


def encode_lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def make_line_samples() -> Samples:
    """The samples of formats in JSON Lines."""
    size = {"width": 64, "height": 48}
    sides = {"left": 1, "top": 2, "width": 29, "height": 38}
    job = {"image_size": [size | {"depth": 3}], "annotations": [{"class_id": 0} | sides]}
    metadata = {"class-map": {"0": "cat"}, "type": "groundtruth/object-detection", "creation-date": "2024-01-01T00:00"}
    manifest = {"source-ref": "s3://bucket/a.jpg", "boxes": job, "boxes-metadata": metadata}
    corners = [{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 3, "y": 40}]
    things = [
        {"name": "cat", "annotation_kind": "ImageBoundingBox", "bounding_box": sides},
        {"name": "dog", "annotation_kind": "ImagePolygon", "polygon": corners},
        {"name": "nose", "annotation_kind": "ImagePoint", "point": corners[0]},
    ]
    labels = [{"label_kind": "Default", "label_details": {"updated_at": "1"}, "annotations": {"objects": things}}]
    row = {"id": "1", "external_id": "a.jpg", "row_data": "https://host/a.jpg?token=1"}
    labelbox = {"data_row": row, "media_attributes": size, "projects": {"p": {"labels": labels}}}
    image = {"type": "image", "file": "a.jpg", **size, "split": "train"}
    ultralytics = (
        {"type": "dataset", "task": "segment", "name": "set", "class_names": {"0": "cat", "1": "dog"}},
        image | {"annotations": {"boxes": [[0, 0.5, 0.5, 0.2, 0.3]]}},
        image | {"file": "b.jpg", "annotations": {"segments": [[1, 0.1, 0.1, 0.5, 0.1, 0.3, 0.6]]}},
    )
    vertex = {
        "imageGcsUri": "gs://bucket/a.jpg",
        "boundingBoxAnnotations": [{"displayName": "cat", "xMin": 0.1, "yMin": 0.1, "xMax": 0.5, "yMax": 0.5}],
        "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "training"},
    }
    person = {"tag": "person", "fbox": [1, 2, 20, 30], "vbox": [1, 2, 20, 20], "hbox": [5, 2, 5, 5]}
    people = [person | {"extra": {"box_id": 0, "occ": 1}}, person | {"tag": "mask", "extra": {"ignore": 1}}]
    return {
        "sagemaker": ({"output.manifest": encode_lines(manifest)}, ("a.jpg",)),
        "labelbox": ({"export.ndjson": encode_lines(labelbox)}, ("a.jpg",)),
        "ultralytics_ndjson": ({"set.ndjson": encode_lines(*ultralytics)}, ("a.jpg", "b.jpg")),
        "vertex_jsonl": ({"import.jsonl": encode_lines(vertex)}, ("a.jpg",)),
        "crowdhuman": ({"annotation_train.odgt": encode_lines({"ID": "1,a", "gtboxes": people})}, ("1,a.jpg",)),
    }


def make_item_samples() -> Samples:
    """The samples of formats whose documents are one long list of images."""
    size = {"width": 64, "height": 48}
    frame = {
        "name": "a.jpg", "videoName": "v", "url": "https://host/a.jpg", "attributes": {"scene": "street"}, "size": size,
        "labels": [
            {"id": "0", "category": "car", "box2d": {"x1": 1.5, "y1": 2, "x2": 30, "y2": 40},
             "attributes": {"occluded": True, "truncated": False, "crowd": False}},
            {"id": "1", "category": "bus",
             "poly2d": [{"vertices": [[1, 2], [30, 2], [3, 40]], "types": "LLL", "closed": True}]},
            {"id": "2", "category": "lane/crosswalk",
             "poly2d": [{"vertices": [[1, 2], [30, 2]], "types": "LL", "closed": False}]},
            {"id": "3", "category": "train", "rle": {"counts": "0PP3", "size": [48, 64]}},
        ],
    }  # fmt: skip
    item = {
        "id": "a", "attr": {}, "image": {"path": "a.jpg", "size": [48, 64]},
        "annotations": [
            {"id": 0, "type": "bbox", "attributes": {"x": True}, "group": 1, "label_id": 0, "bbox": [1, 2, 9, 9]},
            {"id": 1, "type": "polygon", "group": 1, "label_id": 0, "points": [1, 2, 30, 2, 3, 40]},
            {"id": 2, "type": "mask", "group": 0, "label_id": 1, "rle": {"counts": "0PP3", "size": [48, 64]}},
            {"id": 3, "type": "ellipse", "group": 0, "label_id": 1, "points": [1, 2, 30, 40]},
            {"id": 4, "type": "label", "group": 0, "label_id": 1},
        ],
    }  # fmt: skip
    labels = [{"name": "cat", "parent": "", "attributes": []}, {"name": "dog", "parent": "", "attributes": []}]
    datumaro = {
        "dm_format_version": "1.0", "media_type": 2, "infos": {},
        "categories": {"label": {"labels": labels, "attributes": []}}, "items": [item],
    }  # fmt: skip
    detection = {"_id": {"$oid": "6"}, "_cls": "Detection", "label": "cat", "bounding_box": [0.1, 0.1, 0.5, 0.5]}
    outline = [[[0.1, 0.1], [0.5, 0.1], [0.3, 0.5]]]
    sample = {
        "filepath": "data/a.jpg", "tags": ["train"], "_media_type": "image",
        "metadata": {"_cls": "ImageMetadata", **size},
        "predictions": {"_cls": "Detections", "detections": [detection | {"confidence": 0.5}]},
        "ground_truth": {
            "_cls": "Polylines",
            "polylines": [{"_cls": "Polyline", "label": "dog", "points": outline, "closed": True, "filled": True}],
        },
    }  # fmt: skip
    plain = {"classes": ["cat", "dog"], "labels": {"b": [{"label": 0, "bounding_box": [0.1, 0.1, 0.5, 0.5]}]}}
    return {
        "bdd100k": (
            {
                "labels/det_train.json": encode_json([frame]),
                "first/b.json": encode_json({"name": "b", "frames": [{"objects": frame["labels"]}]}),
            },
            ("images/a.jpg", "first/b.jpg"),
        ),
        "datumaro": ({"annotations/train.json": encode_json(datumaro)}, ("images/train/a.jpg",)),
        "fiftyone": (
            {"samples.json": encode_json({"samples": [sample]}), "other/labels.json": encode_json(plain)},
            ("data/a.jpg", "other/data/b.jpg"),
        ),
    }


_CUBOID = ("f1", "f2", "r1", "r2")


def make_further_samples() -> Samples:
    """The samples of further tools' documents, of text files and of tables."""
    size = {"width": 64, "height": 48}
    polygon = {"paths": [[{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 3, "y": 40}]]}
    slot = {"type": "image", "slot_name": "0", **size, "source_files": [{"file_name": "a.jpg", "url": ""}]}
    darwin = {
        "version": "2.0", "schema_ref": "https://x/darwin_json/2.0/schema.json",
        "item": {"name": "a.jpg", "path": "/", "slots": [slot]},
        "annotations": [
            {"id": "1", "name": "cat", "bounding_box": {"x": 1, "y": 2, "w": 29, "h": 38}, "slot_names": ["0"]},
            {"id": "2", "name": "dog", "polygon": polygon, "bounding_box": {"x": 1, "y": 2, "w": 29, "h": 38}},
            {"id": "3", "name": "ball", "ellipse": {"center": {"x": 9, "y": 9}, "radius": {"x": 3, "y": 2}}},
            {"id": "4", "name": "day", "tag": {}},
        ],
    }  # fmt: skip
    corners = {"x1": 1, "y1": 2, "x2": 30, "y2": 40}
    superannotate = {
        "metadata": {"name": "a.jpg", **size, "status": "Completed"}, "tags": [], "comments": [],
        "instances": [
            {"type": "bbox", "classId": 1, "className": "cat", "points": corners, "attributes": []},
            {"type": "polygon", "classId": 2, "points": [1, 2, 30, 2, 3, 40]},
            {"type": "ellipse", "className": "ball", "cx": 9, "cy": 9, "rx": 3, "ry": 2, "angle": 10},
            {"type": "cuboid", "className": "box", "points": {key: {"x": 1, "y": 2} for key in _CUBOID}},
            {"type": "point", "className": "nose", "x": 1, "y": 2},
        ],
    }  # fmt: skip
    box = {"label": "cat", "x": 1, "y": 2, "width": 29, "height": 38}
    impulse = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.jpg": [box]}}
    file = {"path": "testing/b.jpg", "name": "b", "category": "testing", "label": {"type": "unlabeled"}}
    info = {"version": 1, "files": [file | {"boundingBoxes": [box]}]}
    return {
        "darwin": ({"a.json": encode_json(darwin)}, ("a.jpg",)),
        "superannotate": (
            {
                "a.jpg___objects.json": encode_json(superannotate),
                "classes/classes.json": encode_json([{"id": 2, "name": "dog"}]),
            },
            ("a.jpg",),
        ),
        "edge_impulse": (
            {"bounding_boxes.labels": encode_json(impulse), "all/info.labels": encode_json(info)},
            ("a.jpg", "all/testing/b.jpg"),
        ),
        "visdrone": (
            {
                "annotations/a.txt": b"1,2,29,38,1,4,0,1\n3,4,5,6,0,0,0,0,\n",
                "video/annotations/v.txt": b"1,0,1,2,29,38,1,4,0,0\n2,0,1,2,29,38,1,1,1,2\n",
            },
            ("images/a.jpg", "video/sequences/v/0000001.jpg"),
        ),
        "mot": (
            {
                "train/s/gt/gt.txt": b"1,1,1,2,29,38,1,1,0.8\n1,2,1,2,9,9,0,7,1\n",
                "train/s/seqinfo.ini": b"[Sequence]\nname=s\nimDir=img1\nseqLength=1\n",
                "train/t/gt/gt.txt": b"1,1,1,2,29,38,1,2,1\n",
                "train/t/gt/labels.txt": b"cat\ndog\n",
            },
            ("train/s/img1/000001.jpg", "train/t/img1/frame_000000.jpg"),
        ),
        "oidv4": ({"train/Apple/Label/a.txt": b"Apple 1.5 2 30 40\nTraffic light 3 4 20 20\n"}, ("train/Apple/a.jpg",)),
        "vertex_csv": (
            {
                "import.csv": b"TRAIN,gs://bucket/a.jpg,cat,0.1,0.2,,,0.5,0.8,,\n"
                b"VALIDATION,b.jpg,dog,0.1,0.2,0.5,0.2,0.5,0.8,0.1,0.8\nTEST,b.jpg,,,,,,,,,\n"
            },
            ("a.jpg", "b.jpg"),
        ),
        "udacity": (
            {
                "crowdai/labels.csv": b"xmin,xmax,ymin,ymax,Frame,Label,Preview URL\n1,2,30,40,a.jpg,Car,http://x\n",
                "autti/labels.csv": b'b.jpg 1 2 30 40 0 "car"\nb.jpg 3 4 9 9 1 "trafficLight" "Red"\n',
            },
            ("crowdai/a.jpg", "autti/b.jpg"),
        ),
    }


def make_table() -> bytes:
    """A Parquet file as Hugging Face's datasets write it."""
    import pyarrow
    from pyarrow import parquet

    image = {"bytes": make_picture(), "path": "a.jpg"}
    objects = {"bbox": [[1.0, 2.0, 20.0, 20.0]], "category": [0]}
    names = {"names": ["cat"], "_type": "ClassLabel"}
    features = {"info": {"features": {"objects": {"feature": {"category": names}, "_type": "Sequence"}}}}
    table = pyarrow.Table.from_pylist([{"image_id": 1, "image": image, "objects": objects}])
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()
