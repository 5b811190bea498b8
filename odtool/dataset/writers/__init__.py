"""Writers of annotation formats that people correct by hand and `odtool prepare` reads back."""

from __future__ import annotations

from odtool.dataset.writers import coco, labelme, tfod_csv, voc, yolo
from odtool.dataset.writers.annotation_writer import Writer

WRITERS: dict[str, Writer] = {
    "coco": Writer("COCO JSON", "images", coco.open_writer),
    "voc": Writer("Pascal VOC XML", "JPEGImages", voc.open_writer),
    "yolo": Writer("YOLO", "images", yolo.open_writer),
    "csv": Writer("CSV of the TensorFlow tutorials", "images", tfod_csv.open_writer),
    "labelme": Writer("LabelMe JSON", "", labelme.open_writer),
}
"""Formats by name."""
