"""Images of the evaluation records by their source ids, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.pillow import open_rgb
from odtool.dataset.readers.records.tfrecord import tfrecord_example
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.records import record_reader
from odtool.pipeline import record_patterns
from odtool.pipeline.text import config
from odtool.visual import html_page
from odtool.workspace import Run


@dataclass(frozen=True)
class PagePicture:
    """An image made ready for the page."""

    filename: str
    uri: str
    """A data URI; '' where the image cannot be shown."""
    problem: str = ""
    """Why it cannot be shown."""


def find_evaluation_files(run: Run) -> list[Path]:
    """The record files of a run's first evaluation set."""
    readers = config.load(run.pipeline_config).message.eval_input_reader
    return record_patterns.find_files(*readers[:1])


def find_images(files: Iterable[Path], source_ids: Sequence[str]) -> dict[str, PagePicture]:
    """The images with these source ids; one that no record has is left out.

    Raises:
        DataError: a record file is damaged.
    """
    # The reader of records strips ids, evaluation does not.
    missing, pictures = {name.strip(): name for name in source_ids}, dict[str, PagePicture]()
    for path in files:
        for record in record_reader.read_records(path):
            if not missing:
                return pictures
            example = tfrecord_example.parse(record.data, path, record.number, ClassLookup(None))
            if example.source_id in missing:
                pictures[missing.pop(example.source_id)] = _read_picture(example, record.data)
    return pictures


def _read_picture(example: tfrecord_example.Example, data: bytes) -> PagePicture:
    name = example.filename or example.source_id
    if example.encoded is None:
        return PagePicture(name, "", "the record holds no image")
    start, length = example.encoded
    try:
        with open_rgb(data[start : start + length]) as image:
            # As TensorFlow decodes it: an EXIF rotation is not applied, which the boxes follow.
            return PagePicture(name, html_page.encode_picture(image))
    except ImageError as error:
        return PagePicture(name, "", error.detail)
