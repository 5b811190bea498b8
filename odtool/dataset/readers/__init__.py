"""Annotation formats: one module each, from a source to AnnotatedImages, and how the right one is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, source_folders
from odtool.dataset.readers.common.unlisted_images import told
from odtool.dataset.readers.datasets import dota, voc, wider_face
from odtool.dataset.readers.datasets.coco import coco
from odtool.dataset.readers.datasets.kitti import kitti
from odtool.dataset.readers.datasets.yolo import yolo
from odtool.dataset.readers.records.hf_imagefolder import hf_imagefolder
from odtool.dataset.readers.records.tfrecord import tfrecord
from odtool.dataset.readers.tables import openimages, retinanet_csv, tfod_csv, vott_csv, yolo_keras
from odtool.dataset.readers.tools import createml, labelme, labelme_xml, vott_json
from odtool.dataset.readers.tools.cvat import cvat
from odtool.dataset.readers.tools.label_studio import label_studio
from odtool.dataset.readers.tools.supervisely import supervisely
from odtool.dataset.readers.tools.via import via
from odtool.dataset.readers.unsupported import archives, class_folders, near_misses
from odtool.dataset.types import Finding, Source
from odtool.errors import DataError


@dataclass(frozen=True)
class Reader:
    """A format: how to see it, and how to read it."""

    title: str
    detect: Callable[[Path], str | None]
    """A sentence that says why a file or folder is of this format, or None. Looks, and reads no more than it must."""
    read: Callable[[Source], Iterator[Finding]]
    """Yields images and problems; never opens an image."""


READERS: dict[str, Reader] = {
    "coco": Reader("COCO JSON", coco.detect, told(coco.read)),
    "yolo": Reader("YOLO", yolo.detect, yolo.read),
    "supervisely": Reader("Supervisely", supervisely.detect, supervisely.read),
    "openimages": Reader("Open Images CSV", openimages.detect, openimages.read),
    "cvat": Reader("CVAT XML", cvat.detect, told(cvat.read)),
    "labelme": Reader("LabelMe JSON", labelme.detect, labelme.read),
    "labelme_xml": Reader("LabelMe XML", labelme_xml.detect, labelme_xml.read),
    "voc": Reader("Pascal VOC XML", voc.detect, voc.read),
    "vott_json": Reader("VoTT JSON", vott_json.detect, told(vott_json.read)),
    "vott_csv": Reader("VoTT CSV", vott_csv.detect, told(vott_csv.read)),
    "label_studio": Reader("Label Studio JSON", label_studio.detect, told(label_studio.read)),
    "via": Reader("VGG Image Annotator", via.detect, told(via.read)),
    "createml": Reader("CreateML JSON", createml.detect, told(createml.read)),
    "wider_face": Reader("WIDER FACE", wider_face.detect, told(wider_face.read)),
    "kitti": Reader("KITTI", kitti.detect, kitti.read),
    "dota": Reader("DOTA", dota.detect, dota.read),
    "yolo_keras": Reader("YOLO-Keras text", yolo_keras.detect, told(yolo_keras.read)),
    "hf_imagefolder": Reader("Hugging Face image folder", hf_imagefolder.detect, told(hf_imagefolder.read)),
    "tfod_csv": Reader("CSV of the TensorFlow tutorials", tfod_csv.detect, told(tfod_csv.read)),
    "retinanet_csv": Reader("keras-retinanet CSV", retinanet_csv.detect, told(retinanet_csv.read)),
    "tfrecord": Reader("TFRecords of the Object Detection API", tfrecord.detect, tfrecord.read),
}
"""Formats by name. Where a folder looks like several, the first here is chosen: those that say most of themselves
(classes and splits by name) stand before those that say less."""


@dataclass(frozen=True)
class Choice:
    """The format of a source, and why."""

    name: str
    evidence: str
    others: tuple[str, ...] = ()
    """Formats that it looks like too."""

    @property
    def reader(self) -> Reader:
        return READERS[self.name]


def choose(source: Source, name: str = "auto") -> Choice:
    """The reader for a source, by looking or by name.

    Raises:
        DataError: the source is missing, the name is not a format's, or nothing there looks like annotations.
    """
    if not source.path.exists():
        raise DataError(f"{source.path}: no such file or folder", "Name the folder or file with the annotations.")
    if name != "auto":
        if name not in READERS:
            raise DataError(f"'{name}' is not a format", f"Formats: auto, {', '.join(READERS)}.")
        _raise_if_other(source.path, name)
        return Choice(name, "named with --format")
    with source_folders.remembered():
        found = [(known, evidence) for known, reader in READERS.items() if (evidence := reader.detect(source.path))]
    if found:
        return Choice(*found[0], others=tuple(known for known, _ in found[1:]))
    _raise_if_broken(source.path)
    if names := class_folders.classes(source.path):
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(
            f"{source.path}: a folder for each class ({listed}), but no bounding boxes",
            "That is a set for classification. Detection needs boxes: name the annotations, or draw some.",
        )
    archives.refuse(source.path)
    near_misses.refuse(source.path)
    ours = _passed_over(source.path)
    images = [folder for folder in source_folders.walk(source.path) if folder.ending(*EXTENSIONS)]
    if images:
        raise DataError(
            f"{source.path}: images in {len(images)} folder{'s' * (len(images) != 1)}, but no annotations found{ours}",
            "Detection needs boxes; folders named for classes have none. Name the annotations, or the --format.",
        )
    raise DataError(
        f"{source.path}: no annotations found{ours}",
        f"Known formats: {', '.join(reader.title for reader in READERS.values())}. Choose one with --format.",
    )


def _passed_over(root: Path) -> str:
    found = [str(folder.relative_to(root)) for folder in source_folders.passed_over(root)]
    listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
    return f"; {listed}, which odtool or a training wrote, can be named as the source" if found else ""


def _raise_if_other(path: Path, name: str) -> None:
    """A folder without anything of the named format, but with another, gives no image; say what it holds."""
    with source_folders.remembered():
        if not path.is_dir() or READERS[name].detect(path):
            return
        for reader in READERS.values():
            if evidence := reader.detect(path):
                raise DataError(
                    f"{path}: nothing there looks like {READERS[name].title}, as --format {name} has it",
                    f"It looks like {reader.title}: {evidence}. Leave --format out, or name another folder.",
                )
        near_misses.refuse(path)


def _raise_if_broken(path: Path) -> None:
    """A document that cannot be parsed is the likeliest reason why no format was seen; say where it breaks."""
    parsers = {
        ".json": parsing.json_of,
        ".xml": parsing.xml_of,
        ".yaml": parsing.yaml_of,
        ".yml": parsing.yaml_of,
    }
    files = (
        [path] if path.is_file() else [file for folder in source_folders.walk(path) for file in folder.ending(*parsers)]
    )
    for file in files[:20]:
        if parse := parsers.get(file.suffix.lower()):
            parse(parsing.read_bytes(file), file)
