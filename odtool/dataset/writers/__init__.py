"""Writers of annotation formats that people correct by hand and `odtool prepare` reads back."""

from __future__ import annotations

from odtool.dataset.writers import coco, labelme, tfod_csv, voc, yolo
from odtool.dataset.writers.annotation_writer import Writer

WRITERS: dict[str, Writer] = {
    "coco": Writer("COCO JSON", "images", coco.opened),
    "voc": Writer("Pascal VOC XML", "JPEGImages", voc.opened),
    "yolo": Writer("YOLO", "images", yolo.opened),
    "csv": Writer("CSV of the TensorFlow tutorials", "images", tfod_csv.opened),
    "labelme": Writer("LabelMe JSON", "", labelme.opened),
}
"""Formats by name."""
