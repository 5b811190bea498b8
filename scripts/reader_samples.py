"""Samples of every format: small annotation files and the images they name, for scripts/fuzz_readers.py and tests."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
from further_samples import (
    Samples,
    encode_json,
    make_further_samples,
    make_item_samples,
    make_line_samples,
    make_picture,
    make_table,
)

from odtool.dataset.images.masks import encode_png
from odtool.dataset.records.framing import frame


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
