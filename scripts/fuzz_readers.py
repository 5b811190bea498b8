"""Mutates small annotation files of every format and reads them: never anything but images, problems or a DataError.

    python scripts/fuzz_readers.py                          # ten thousand mutations, some minutes
    python scripts/fuzz_readers.py --count 500 --seed 3 --format coco

Each mutation is read as `odtool prepare` reads it, up to the checks of boxes. What raises anything else is printed with
its seed and traceback and kept in a folder; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import resource
import shutil
import struct
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from odtool.dataset.images.masks import encode_png
from odtool.dataset.readers.registry import READERS
from odtool.dataset.records import spool
from odtool.dataset.records.framing import frame
from odtool.dataset.survey.examination import PassSettings
from odtool.dataset.survey.first_pass import SourceReading, survey
from odtool.dataset.types import Source
from odtool.dataset.workers import Crew
from odtool.errors import DataError

Files = dict[str, bytes]
"""A source: contents by relative path, images apart."""
Samples = dict[str, tuple[Files, tuple[str, ...]]]
"""For each format its annotation files, and the images they name."""
COLUMNS = {"csv": (("file", "image_id"), ("class", "source"), ("xywh", "bbox"))}
"""Columns that --columns names, by format."""
MOST_MEMORY = 4 << 30
"""Bytes. A mutation that makes a reader ask for more is a fault, told as MemoryError."""


def make_bitmap() -> bytes:
    """A mask of 3 by 2 pixels as a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("1", (3, 2), 1).save(stream, "PNG")
    return stream.getvalue()


def make_stroke(pixels: int) -> list[int]:
    """A brush stroke of Label Studio's over a whole image: one run of 255 in its RGBA bytes."""
    count = 4 * pixels
    bits = f"{count:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}1{3:02b}{count - 1:016b}{255:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def encode_json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def make_example(**features: Any) -> bytes:
    """A tf.train.Example, written without odtool's own encoder, so that its layout may be mutated."""

    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 0x7F:
            length, size = length + bytes((size & 0x7F | 0x80,)), size >> 7
        return bytes((number << 3 | 2,)) + length + bytes((size,)) + data

    entries = b""
    for key, values in features.items():
        if isinstance(values[0], bytes):
            feature = field(1, b"".join(field(1, value) for value in values))
        elif isinstance(values[0], float):
            feature = field(2, field(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            feature = field(3, field(1, bytes(values)))
        entries += field(1, field(1, key.encode()) + field(2, feature))
    return field(1, entries)


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
        "bdd100k": ({"labels/det_train.json": encode_json([frame])}, ("images/a.jpg",)),
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


def make_samples() -> Samples:
    """For each format its annotation files, and the images they name."""
    box = {"xmin": 1.0, "ymin": 2.0, "xmax": 30.0, "ymax": 40.0}
    corners = "".join(f"<{name}>{value}</{name}>" for name, value in box.items())
    voc = f"""<?xml version="1.0"?>
<annotation><folder>images</folder><filename>a.jpg</filename><size><width>64</width><height>48</height></size>
<object><name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult><bndbox>{corners}</bndbox>
<part><name>head</name><bndbox>{corners}</bndbox></part></object></annotation>"""
    points = "".join(f"<point>{point}</point>" for point in ("1.0,2.0", "30,2", "30,40.5", "1,40", "1.0,2.0"))
    fair1m = f"""<?xml version="1.0" encoding="utf-8"?>
<annotation><source><filename>a.jpg</filename></source><size><width>64</width><height>48</height></size><objects>
<object><coordinate>pixel</coordinate><possibleresult><name>Boeing737</name></possibleresult><points>{points}</points>
</object></objects></annotation>"""
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [
            {
                "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 20.5], "area": 600, "iscrowd": 0,
                "segmentation": [[1, 2, 30, 2, 30, 20]],
            },
            {
                "id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 1,
                "segmentation": {"size": [48, 64], "counts": [0, 3072]},
            },
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }  # fmt: skip
    labelme_shapes = [
        {"label": "cat", "points": [[1, 2], [30, 40]], "shape_type": "rectangle", "flags": {}, "group_id": None},
        {"label": "dog", "points": [[1, 2], [30, 2], [3, 40]], "shape_type": "polygon", "flags": {}},
        {"label": "ball", "points": [[20, 20], [25, 25]], "shape_type": "circle"},
        {
            "label": "cat",
            "points": [[2, 3], [4, 4]],
            "shape_type": "mask",
            "mask": base64.b64encode(make_bitmap()).decode(),
        },
    ]
    labelme = {"version": "5.0", "shapes": labelme_shapes, "imagePath": "a.jpg", "imageHeight": 48, "imageWidth": 64}
    inside = labelme | {"imagePath": "inside.jpg", "imageData": base64.b64encode(make_picture()).decode()}
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((1, 2), (30, 2), (30, 40)))
    labelme_xml = f"""<annotation><filename>a.jpg</filename><folder>x</folder><source><sourceImage>s</sourceImage>
<sourceAnnotation>LabelMe Webtool</sourceAnnotation></source><object><name>cat</name><deleted>0</deleted><id>0</id>
<polygon><username>u</username>{points}</polygon></object></annotation>"""
    cvat = """<?xml version="1.0"?><annotations><version>1.1</version>
<meta><task><mode>annotation</mode><labels><label><name>cat</name></label></labels></task></meta>
<image id="0" name="a.jpg" width="64" height="48"><box label="cat" occluded="0" xtl="1" ytl="2" xbr="30" ybr="40"
 rotation="10"/><polygon label="cat" points="1,2;30,2;30,40" occluded="1"/>
<mask label="cat" rle="1, 4, 1" left="5" top="6" width="3" height="2"/></image></annotations>"""
    video = """<annotations><version>1.1</version><meta><task><mode>interpolation</mode><size>3</size>
<original_size><width>64</width><height>48</height></original_size></task></meta>
<track id="0" label="cat"><box frame="0" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="30" ybr="40"/>
<box frame="2" outside="1" occluded="0" keyframe="1" xtl="3" ytl="4" xbr="32" ybr="42"/></track></annotations>"""
    via = {
        "a.jpg100": {
            "filename": "a.jpg", "size": 100, "file_attributes": {},
            "regions": [
                {
                    "shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 30, "height": 40},
                    "region_attributes": {"type": "cat"},
                },
                {
                    "shape_attributes": {"name": "polygon", "all_points_x": [1, 30, 3], "all_points_y": [2, 2, 40]},
                    "region_attributes": {"type": {"dog": True}},
                },
            ],
        }
    }  # fmt: skip
    vott = {
        "asset": {"id": "1", "name": "a.jpg", "path": "file:x/a.jpg", "size": {"width": 64, "height": 48}},
        "regions": [
            {
                "id": "r", "type": "RECTANGLE", "tags": ["cat", "dog"],
                "boundingBox": {"height": 38, "width": 29, "left": 1, "top": 2},
                "points": [{"x": 1, "y": 2}, {"x": 30, "y": 40}],
            }
        ],
        "version": "2.1.0",
    }  # fmt: skip
    studio = [
        {
            "id": 1,
            "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"},
            "annotations": [
                {
                    "id": 1, "was_cancelled": False,
                    "result": [
                        {
                            "original_width": 64, "original_height": 48, "type": "rectanglelabels",
                            "from_name": "label", "to_name": "image", "image_rotation": 0,
                            "value": {
                                "x": 5, "y": 5, "width": 40, "height": 50, "rotation": 15, "rectanglelabels": ["cat"],
                            },
                        },
                        {
                            "original_width": 64, "original_height": 48, "type": "brushlabels",
                            "value": {"format": "rle", "rle": make_stroke(64 * 48), "brushlabels": ["cat"]},
                        },
                        {
                            "original_width": 64, "original_height": 48, "type": "polygonlabels",
                            "value": {"points": [[5, 5], [40, 5], [5, 50]], "polygonlabels": ["cat"]},
                        },
                    ],
                }
            ],
            "predictions": [],
        }
    ]  # fmt: skip
    supervisely = {
        "size": {"height": 48, "width": 64}, "tags": [],
        "objects": [
            {
                "classTitle": "cat", "geometryType": "rectangle", "tags": [],
                "points": {"exterior": [[1, 2], [30, 40]], "interior": []},
            },
            {
                "classTitle": "dog", "geometryType": "polygon",
                "points": {"exterior": [[1, 2], [30, 2], [3, 40]], "interior": [[[5, 5], [9, 5], [9, 9]]]},
            },
            {
                "classTitle": "dog", "geometryType": "bitmap",
                "bitmap": {"origin": [3, 4], "data": base64.b64encode(zlib.compress(make_bitmap())).decode()},
            },
        ],
    }  # fmt: skip
    meta = {"classes": [{"title": "cat", "shape": "rectangle"}, {"title": "dog", "shape": "polygon"}], "tags": []}
    createml = [
        {
            "image": "a.jpg",
            "annotations": [{"label": "cat", "coordinates": {"x": 20, "y": 20, "width": 20, "height": 20}}],
        }
    ]
    images_csv = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    images_csv += "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    record = make_example(
        **{
            "image/encoded": [make_picture()],
            "image/filename": [b"a.jpg"],
            "image/source_id": [b"1"],
            "image/width": [64],
            "image/height": [48],
            "image/object/bbox/xmin": [0.1],
            "image/object/bbox/xmax": [0.5],
            "image/object/bbox/ymin": [0.1],
            "image/object/bbox/ymax": [0.5],
            "image/object/class/text": [b"cat"],
            "image/object/class/label": [1],
            "image/object/mask": [encode_png(np.ones((48, 64), bool))],
        }
    )
    kitti = "Car 0.00 0 -1.58 1.0 2.0 30.0 40.0 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    kitti += "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"
    first_image, both_images = ("a.jpg",), ("a.jpg", "b.jpg")
    return {
        "voc": ({"a.xml": voc.encode(), "ImageSets/Main/train.txt": b"a\n"}, first_image),
        "coco": ({"instances_train.json": encode_json(coco)}, both_images),
        "yolo": (
            {
                "data.yaml": b"path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
                "labels/train/a.txt": b"0 0.5 0.5 0.2 0.3\n1 0.1 0.1 0.5 0.1 0.5 0.5 0.2 0.4\n",
                "labels/val/b.txt": b"1 0.5 0.5 0.2 0.3 0.9\n",
            },
            ("images/train/a.jpg", "images/val/b.jpg"),
        ),
        "supervisely": (
            {"meta.json": encode_json(meta), "ds/ann/a.jpg.json": encode_json(supervisely)},
            ("ds/img/a.jpg",),
        ),
        "openimages": (
            {
                "train-annotations-bbox.csv": images_csv.encode() + b"a,xclick,/m/01,1,0.1,0.5,0.2,0.6,0,0,1,0,0\n",
                "class-descriptions-boxable.csv": b"/m/01,Cat\n",
            },
            ("train/a.jpg",),
        ),
        "cvat": ({"annotations.xml": cvat.encode(), "video/annotations.xml": video.encode()}, ("images/a.jpg",)),
        "labelme": ({"a.json": encode_json(labelme), "inside/inside.json": encode_json(inside)}, first_image),
        "labelme_xml": ({"a.xml": labelme_xml.encode()}, first_image),
        "fair1m": ({"a.xml": fair1m.encode()}, first_image),
        "vott_json": ({"a-asset.json": encode_json(vott)}, first_image),
        "vott_csv": (
            {"vott-csv-export.csv": b'"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",1.5,2,30,40,"cat"\n'},
            first_image,
        ),
        "label_studio": ({"project.json": encode_json(studio)}, first_image),
        "via": ({"via.json": encode_json(via)}, first_image),
        "createml": ({"_annotations.createml.json": encode_json(createml)}, first_image),
        "wider_face": ({"wider_face_train_bbx_gt.txt": b"a.jpg\n1\n1 2 30 20 0 0 0 0 0 0\n"}, first_image),
        "kitti": (
            {
                "label_2/a.txt": kitti.encode(),
                "label_02/0000.txt": f"0 0 {kitti.splitlines()[0]}\n2 -1 {kitti.splitlines()[1]}\n".encode(),
                "ImageSets/train.txt": b"a\n",
            },
            ("image_2/a.jpg", "image_02/0000/000000.jpg"),
        ),
        "dota": (
            {"labelTxt/a.txt": b"imagesource:GoogleEarth\ngsd:0.1\n1 2 30 2 30 40 1 40 plane 0\n"},
            ("images/a.jpg",),
        ),
        "yolo_keras": ({"train.txt": b"a.jpg 1,2,30,40,0 3,4,20,20,1\n", "classes.txt": b"cat\ndog\n"}, first_image),
        "hf_imagefolder": (
            {
                "metadata.jsonl": b'{"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 20, 20]], "categories": [0]}}\n',
                "dataset_infos.json": b'{"a": {"features": {"category": {"names": ["cat"], "_type": "ClassLabel"}}}}',
            },
            first_image,
        ),
        "tfod_csv": (
            {"a.csv": b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,64,48,cat,1,2,30,40\n"},
            first_image,
        ),
        "retinanet_csv": ({"a.csv": b"a.jpg,1,2,30,40,cat\nb.jpg,,,,,\n", "classes.csv": b"cat,0\n"}, both_images),
        **make_line_samples(),
        **make_item_samples(),
        **make_further_samples(),
        "hf_parquet": ({"data/train-00000-of-00001.parquet": make_table()}, ()),
        "csv": (
            {
                "a.csv": b"image_id;width;height;bbox;source\na;64;48;[1.5, 2, 30, 20];cat\nb;64;48;;\n"
                b"a;64;48;\"[{'x': 1, 'y': 2, 'width': 3, 'height': 4}]\";dog\n"
            },
            both_images,
        ),
        "tfrecord": ({"train.tfrecord": frame(record), "label_map.pbtxt": b"item { id: 1 name: 'cat' }\n"}, ()),
    }


TEXTS = (
    *("nan", "inf", "-1", "0", "1e308", "99999999999999999999999", "", "null", "true", "[]", "{}", '""', "\0"),
    *("../../etc/passwd", "/etc/passwd", "a" * 5000, "<a>", "</a>", "&x;", '"', ",", "\n", "\r", ";", "é"),
    *("\u2028", "\ud800", "0x10", "1_0", "{", "}", "[", ":", "- ", "!!python/name:os"),
)
WORDS = (b"\xff\xfe", *(text.encode("utf-8", "surrogatepass") for text in TEXTS))
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e308, float("nan"), float("inf"), 10**30),
    *("", "nan", "../x.jpg", "a" * 999, "\ud800", "\0"),
    *([], {}, [[]], [None], [1, 2], {"x": 1}, [1, 2, 3, 4], [[1, 2], [3, 4]]),
)


def mutate(files: Files, chance: random.Random) -> Files:
    """The files with one to three changes."""
    changed_files = dict(files)
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = chance.choice(list(changed_files))
        changed_files[name] = chance.choice(MUTATIONS)(changed_files[name], chance)
    return changed_files


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """A stretch removed, replaced, doubled or written over."""
    start = chance.randrange(len(data) + 1)
    end = min(start + chance.choice((1, 1, 4, 16, 1000)), len(data))
    return chance.choice(
        (
            data[:start] + data[end:],
            data[:start] + chance.choice(WORDS) + data[end:],
            data[:start] + chance.choice(WORDS) + data[start:],
            data[:end] + data[start:],
            data[:start] + chance.randbytes(end - start) + data[end:],
            data[:start],
        )
    )


def mutate_tokens(data: bytes, chance: random.Random) -> bytes:
    """A number or a word replaced by one that is awkward."""
    import re

    tokens = list(re.finditer(rb"[-\w.]+", data))
    if not tokens:
        return data
    match = chance.choice(tokens)
    return data[: match.start()] + chance.choice(WORDS) + data[match.end() :]


def mutate_lines(data: bytes, chance: random.Random) -> bytes:
    """Lines removed, doubled or in another order."""
    lines = data.split(b"\n")
    number = chance.randrange(len(lines))
    kind = chance.randrange(3)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(number, chance.choice(lines))
    else:
        chance.shuffle(lines)
    return b"\n".join(lines)


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """A value of a JSON document or of one of its lines replaced or removed; other documents get another mutation."""
    try:
        document = json.loads(data)
    except ValueError:
        lines = data.split(b"\n")
        number = chance.randrange(len(lines))
        if len(lines) < 2 or not lines[number].startswith(b"{"):
            return mutate_tokens(data, chance)
        lines[number] = mutate_json(lines[number], chance)
        return b"\n".join(lines)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in pairs:
            places.append((value, key))
            collect(inner)

    collect(document)
    if not places or chance.random() < 0.02:
        return json.dumps(chance.choice(VALUES)).encode()
    holder, key = chance.choice(places)
    if chance.random() < 0.3:
        del holder[key]
    else:
        holder[key] = chance.choice(VALUES)
    return json.dumps(document).encode()


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    mutate_bytes,
    mutate_tokens,
    mutate_lines,
    mutate_json,
    mutate_json,
)


def write_source(root: Path, files: Files, images: tuple[str, ...], data: bytes) -> None:
    for name, content in (*files.items(), *((name, data) for name in images)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def make_source(root: Path, name: str, *, masks: bool) -> Source:
    """A sample's folder with what its format is to be told."""
    return Source(root, masks=masks, columns=COLUMNS.get(name, ()))


def read_source(root: Path, name: str, scratch: Path) -> str:
    """What reading gives: 'images', 'problems' or 'error'; anything else is raised."""
    for reader in READERS.values():
        reader.detect(root)
    with spool.create_spool(scratch) as writer:
        try:
            source = make_source(root, name, masks=READERS[name].masks)
            result = survey([SourceReading(source, READERS[name].read(source))], writer, Crew(1), PassSettings())
        except DataError as error:
            if "\n" in error.message:
                raise AssertionError(f"an error of several lines: {error.message!r}") from error
            return "error"
    return "problems" if result.problems or not len(result.index) else "images"


def main() -> None:
    """Runs the mutations and prints counts by format and outcome."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--format", choices=sorted(READERS), help="only this one")
    options.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="where failures are kept")
    arguments = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    available = make_samples()
    if missing := set(READERS) - set(available):
        raise SystemExit(f"no sample for {', '.join(sorted(missing))}")
    formats = [arguments.format] if arguments.format else list(available)
    counts = {name: Counter[str]() for name in formats}
    data = make_picture()
    with tempfile.TemporaryDirectory(prefix="fuzz_readers_") as folder:
        for number in range(arguments.count + len(formats)):
            # The first of each format is left as it is, to see that the sample is one.
            name, is_original = formats[number % len(formats)], number < len(formats)
            files, images = available[name]
            root = Path(folder) / "source"
            write_source(
                root, files if is_original else mutate(files, random.Random(f"{arguments.seed} {number}")), images, data
            )
            try:
                result = read_source(root, name, Path(folder) / "spool")
                if is_original and result == "error":
                    raise AssertionError("the sample itself is refused")
            except Exception:
                result = "FAILED"
                print(f"--- {name}, number {number} of seed {arguments.seed}")
                traceback.print_exc(limit=-4, file=sys.stdout)
                shutil.copytree(root, arguments.keep / f"{name}-{arguments.seed}-{number}", dirs_exist_ok=True)
            counts[name][result] += not is_original
            shutil.rmtree(root)
    report(counts)


def report(counts: dict[str, Counter[str]]) -> None:
    """Prints a line a format; exits with 1 where anything failed."""
    kinds = ("images", "problems", "error", "FAILED")
    print(f"{'':16}" + "".join(f"{kind:>10}" for kind in kinds))
    for name, outcomes in counts.items():
        print(f"{name:16}" + "".join(f"{outcomes[kind]:10,}" for kind in kinds))
    failed = sum(outcomes["FAILED"] for outcomes in counts.values())
    print(f"{sum(map(Counter.total, counts.values())):,} mutations, {failed} failed")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
