"""The registry of annotation formats: one row a format, with its reader and what it carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.common.unlisted_images import reporting_unlisted_images
from odtool.dataset.readers.datasets import (
    bdd100k,
    crowdhuman,
    dota,
    fair1m,
    mot,
    oidv4,
    visdrone,
    voc,
    wider_face,
)
from odtool.dataset.readers.datasets.coco import coco
from odtool.dataset.readers.datasets.kitti import kitti
from odtool.dataset.readers.datasets.yolo import yolo, yolo_near_misses
from odtool.dataset.readers.records.hf_imagefolder import hf_imagefolder
from odtool.dataset.readers.records.hf_parquet import hf_parquet
from odtool.dataset.readers.records.tfrecord import tfrecord
from odtool.dataset.readers.tables import openimages, retinanet_csv, tfod_csv, udacity, vertex_csv, vott_csv, yolo_keras
from odtool.dataset.readers.tables.any_csv import any_csv
from odtool.dataset.readers.tools import createml, datumaro, fiftyone, labelme, labelme_xml, vott_json
from odtool.dataset.readers.tools.cvat import cvat
from odtool.dataset.readers.tools.label_studio import label_studio
from odtool.dataset.readers.tools.services import (
    darwin,
    edge_impulse,
    labelbox,
    sagemaker,
    superannotate,
    ultralytics_ndjson,
    vertex_jsonl,
)
from odtool.dataset.readers.tools.supervisely import supervisely
from odtool.dataset.readers.tools.via import via
from odtool.dataset.types import Finding, Source


@dataclass(frozen=True)
class Reader:
    """A format: how to see it, how to read it, and what it carries beside boxes."""

    title: str
    detect: Callable[[Path], str | None]
    """A sentence that says why a file or folder is of this format, or None. Looks, and reads no more than it must."""
    read: Callable[[Source], Iterator[Finding]]
    """Yields images and problems; never opens an image."""
    masks: bool = False
    """Whether it gives objects' outlines."""
    keypoints: bool = False
    """Whether it gives objects' keypoints."""
    display_names: Callable[[Source], Mapping[str, str]] | None = None
    """Display names by class name, where the format has names for people beside those of its classes."""
    notes: str = ""
    """What is read and what is left out, where that does not go without saying; for the reference."""
    refuse_near_miss: Callable[[Path], None] | None = None
    """Raises DataError where a file or folder is nearly of this format, and says what it lacks."""
    looks_like: Callable[[Path], bool] | None = None
    """Whether a file is one of those that hold its boxes, where `detect` asks of a file whether it is a whole set."""

    def recognizes(self, file: Path) -> bool:
        """Whether a file in a folder is one of those that hold this format's boxes."""
        return self.looks_like(file) if self.looks_like else self.detect(file) is not None


READERS: dict[str, Reader] = {
    "coco": Reader("COCO JSON", coco.detect, reporting_unlisted_images(coco.read), masks=True, keypoints=True),
    "yolo": Reader(
        "YOLO",
        yolo.detect,
        yolo.read,
        masks=True,
        refuse_near_miss=yolo_near_misses.refuse,
        looks_like=yolo.is_label,
    ),
    "supervisely": Reader("Supervisely", supervisely.detect, supervisely.read, masks=True),
    "openimages": Reader("Open Images CSV", openimages.detect, openimages.read),
    "cvat": Reader("CVAT XML", cvat.detect, reporting_unlisted_images(cvat.read), masks=True),
    "labelme": Reader("LabelMe JSON", labelme.detect, labelme.read, masks=True),
    "labelme_xml": Reader("LabelMe XML", labelme_xml.detect, labelme_xml.read, masks=True),
    "fair1m": Reader("FAIR1M XML", fair1m.detect, fair1m.read, masks=True),
    "voc": Reader("Pascal VOC XML", voc.detect, voc.read),
    "vott_json": Reader("VoTT JSON", vott_json.detect, reporting_unlisted_images(vott_json.read)),
    "vott_csv": Reader("VoTT CSV", vott_csv.detect, reporting_unlisted_images(vott_csv.read)),
    "label_studio": Reader(
        "Label Studio JSON", label_studio.detect, reporting_unlisted_images(label_studio.read), masks=True
    ),
    "via": Reader("VGG Image Annotator", via.detect, reporting_unlisted_images(via.read), masks=True),
    "darwin": Reader(
        "V7 Darwin JSON",
        darwin.detect,
        reporting_unlisted_images(darwin.read),
        masks=True,
        notes="Boxes, polygons and ellipses. Tags, lines, points, raster masks and videos are left out; polygons with "
        "holes are their boxes.",
    ),
    "superannotate": Reader(
        "SuperAnnotate JSON",
        superannotate.detect,
        reporting_unlisted_images(superannotate.read),
        masks=True,
        notes="Boxes, and the envelopes of turned boxes, polygons, ellipses and cuboids. Points, lines and tags are "
        "left out, as are images that nobody has begun with.",
    ),
    "edge_impulse": Reader(
        "Edge Impulse labels",
        edge_impulse.detect,
        reporting_unlisted_images(edge_impulse.read),
        notes="`bounding_boxes.labels`, and `info.labels` with its categories as splits.",
    ),
    "datumaro": Reader(
        "Datumaro JSON",
        datumaro.detect,
        reporting_unlisted_images(datumaro.read),
        masks=True,
        notes="Boxes, polygons, masks, ellipses and turned boxes; those of one label in one group are one object. "
        "Labels of whole images, points and lines are left out.",
    ),
    "fiftyone": Reader(
        "FiftyOne JSON",
        fiftyone.detect,
        reporting_unlisted_images(fiftyone.read),
        masks=True,
        notes="The field `ground_truth`, else the only one without confidences. Boxes and closed outlines; instance "
        "masks within boxes are left out.",
    ),
    "createml": Reader("CreateML JSON", createml.detect, reporting_unlisted_images(createml.read)),
    "sagemaker": Reader("SageMaker Ground Truth manifest", sagemaker.detect, reporting_unlisted_images(sagemaker.read)),
    "labelbox": Reader("Labelbox NDJSON", labelbox.detect, reporting_unlisted_images(labelbox.read), masks=True),
    "ultralytics_ndjson": Reader(
        "Ultralytics NDJSON",
        ultralytics_ndjson.detect,
        reporting_unlisted_images(ultralytics_ndjson.read),
        masks=True,
        notes="Boxes, and the envelopes of segments and turned boxes. Keypoints are left out.",
    ),
    "vertex_jsonl": Reader("Vertex AI JSON Lines", vertex_jsonl.detect, reporting_unlisted_images(vertex_jsonl.read)),
    "crowdhuman": Reader(
        "CrowdHuman",
        crowdhuman.detect,
        reporting_unlisted_images(crowdhuman.read),
        notes="Full boxes. Visible and head boxes, crowds and what is to be ignored are left out.",
    ),
    "bdd100k": Reader(
        "BDD100K and Scalabel JSON",
        bdd100k.detect,
        reporting_unlisted_images(bdd100k.read),
        masks=True,
        notes="`box2d`, and closed outlines of labels without one. Lanes, drivable areas and 3-D boxes are left out.",
    ),
    "visdrone": Reader(
        "VisDrone",
        visdrone.detect,
        visdrone.read,
        notes="Images and sequences. Ignored regions and boxes with a score of 0 are left out.",
    ),
    "mot": Reader(
        "MOTChallenge",
        mot.detect,
        mot.read,
        notes="`gt/gt.txt` of each sequence. Boxes that do not count (seventh number 0) are left out.",
    ),
    "oidv4": Reader("OIDv4 text", oidv4.detect, oidv4.read, notes="`class left top right bottom`, in pixels."),
    "wider_face": Reader("WIDER FACE", wider_face.detect, reporting_unlisted_images(wider_face.read)),
    "kitti": Reader("KITTI", kitti.detect, kitti.read),
    "dota": Reader("DOTA", dota.detect, dota.read),
    "yolo_keras": Reader("YOLO-Keras text", yolo_keras.detect, reporting_unlisted_images(yolo_keras.read)),
    "hf_imagefolder": Reader(
        "Hugging Face image folder", hf_imagefolder.detect, reporting_unlisted_images(hf_imagefolder.read)
    ),
    "hf_parquet": Reader(
        "Hugging Face Parquet",
        hf_parquet.detect,
        reporting_unlisted_images(hf_parquet.read),
        notes="Needs `pip install 'odtool[parquet]'`. Images within the table or beside it; `bbox` and `category` of "
        "its objects. Prepare takes as much disk again as the images while it runs.",
    ),
    "tfod_csv": Reader("CSV of the TensorFlow tutorials", tfod_csv.detect, reporting_unlisted_images(tfod_csv.read)),
    "vertex_csv": Reader(
        "Vertex AI CSV", vertex_csv.detect, reporting_unlisted_images(vertex_csv.read), notes="AutoML Vision's, too."
    ),
    "udacity": Reader(
        "Udacity CSV",
        udacity.detect,
        reporting_unlisted_images(udacity.read),
        notes="CrowdAI's and Autti's. Where CrowdAI's header names its columns wrongly, the rows count.",
    ),
    "retinanet_csv": Reader("keras-retinanet CSV", retinanet_csv.detect, reporting_unlisted_images(retinanet_csv.read)),
    "csv": Reader(
        "CSV of any columns",
        any_csv.detect,
        reporting_unlisted_images(any_csv.read),
        notes="Needs `--columns`, which says what its columns are; never detected.",
    ),
    "tfrecord": Reader(
        "TFRecords of the Object Detection API",
        tfrecord.detect,
        tfrecord.read,
        masks=True,
        keypoints=True,
        display_names=tfrecord.read_display_names,
    ),
}
"""Formats by name. A file that looks like several is the first one's, and where several say the same of an image the
first one's annotation is written: those that say most of themselves (classes and splits by name) stand before those
that say less."""
