"""CSV files with the name of an image in each row: what one says, and how several share images and splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.readers.common import faults, parsing
from odtool.dataset.readers.common.image_lists import Documents
from odtool.dataset.readers.common.lookup import find_image, sample_names
from odtool.dataset.readers.namesakes.contender import Stated
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Unit


@dataclass(frozen=True)
class CsvFile:
    """What one CSV file says."""

    images: Mapping[str, tuple[ObjectAnnotation, ...]]
    """Objects by file name, in the order of first mention."""
    sizes: Mapping[str, tuple[int, int]]
    unit: Unit
    splits: Mapping[str, str] = field(default_factory=dict)
    """Splits by file name, where rows have them."""
    problems: tuple[tuple[str, str], ...] = ()
    """Kind and detail of each."""

    def state(self, name: str) -> Stated:
        """What it says of an image's file."""
        return Stated(self.sizes.get(name))


def read_csv_files(
    documents: Documents, parse: Callable[[bytes, Path], CsvFile], dialect: str = ""
) -> Iterator[Finding]:
    """Every image of the files. A file for all beside files for splits is left out where it says the same again.

    Args:
        dialect: which of dialects.DIALECTS the boxes are of; '' where they can mean one thing only.
    """
    source = documents.source
    splits = {file: parse_split(file.stem) or parse_split(file.parent.name) for file in documents.files}
    if len(splits) == 1:
        splits = dict.fromkeys(splits)
    of_splits = "train" in splits.values()
    image_paths: set[Path] = set()
    for file, split in sorted(splits.items(), key=lambda item: of_splits and item[1] is None):
        table = faults.attempt(_read_file, file, parse)
        if isinstance(table, Problem):
            yield table
            continue
        places = documents.find_places(file, sample_names(list(table.images)), table.state)
        yield from places.report_rivals()
        images = {name: find_image(name, places, within=source.root) for name in table.images}
        if of_splits:
            paths = {image.path for image in images.values()}
            if split is None and paths <= image_paths:
                yield Problem("file_skipped", file, "its images are in the files for the splits beside it")
                continue
            image_paths |= paths
        for kind, detail in table.problems:
            yield Problem(kind, file, detail)
        for name, objects in table.images.items():
            image = images[name]
            if image.outside:
                yield Problem("path_outside", file, f"'{name}' leads outside {source.root}")
            yield AnnotatedImage(
                image.path,
                file,
                objects,
                table.unit,
                table.splits.get(name, split),
                declared_size=table.sizes.get(name),
                match=image.match,
                dialect=dialect,
            )


def _read_file(file: Path, parse: Callable[[bytes, Path], CsvFile]) -> CsvFile:
    return parse(parsing.read_bytes(file), file)
