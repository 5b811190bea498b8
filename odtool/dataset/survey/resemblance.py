"""Which images of a set are the same or alike, and the problems that this makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.progress import Progress
from odtool.dataset.records import spool
from odtool.dataset.records.record_writer import read_image
from odtool.dataset.records.spool import Index
from odtool.dataset.survey import coverage, duplicates, similar_images
from odtool.dataset.survey.similar_images import ImageHashes
from odtool.dataset.types import AnnotatedImage, Problem
from odtool.dataset.workers import Crew


@dataclass(frozen=True)
class Resemblance:
    """Groups of images by their positions in the index."""

    identical: Sequence[Sequence[int]]
    """Images with the same bytes."""
    hashes: ImageHashes | None = None
    """None where nobody has asked for similar images."""
    similar: Sequence[Sequence[int]] = field(default=())

    def report(self, stored: Path, index: Index) -> Iterator[Problem]:
        """Similar images, whatever splits there are, and those that could not be compared.

        Args:
            stored: the spool.
        """
        if self.hashes is None:
            return
        yield from self.hashes.problems
        same = {position: positions[0] for positions in self.identical for position in positions[1:]}
        # Of identical images only the first is similar to others: the rest is reported as identical to it.
        groups = ([position for position in group if position not in same] for group in self.similar)
        with spool.open_spool(stored) as reader:
            yield from similar_images.report_groups(groups, lambda at: read_image(reader, index.extent(at)))

    def report_splits(self, splits: Sequence[str | None], stored: Path, index: Index) -> Iterator[Problem]:
        """Identical images, and similar ones in different splits.

        Args:
            splits: the split of each image; one without is left out of the set.
            stored: the spool.
        """
        identical = [[position for position in group if splits[position]] for group in self.identical]
        identical = [group for group in identical if len(group) > 1]
        with spool.open_spool(stored) as reader:

            def image_at(position: int) -> AnnotatedImage:
                return read_image(reader, index.extent(position))

            yield from coverage.report_duplicates(identical, splits, image_at)
            if self.hashes is not None:
                yield from similar_images.report_straddling(self.hashes.values, splits, identical, image_at)


def find_resemblance(index: Index, stored: Path, workers: Crew, progress: Progress, *, similar: bool) -> Resemblance:
    """Identical images, and similar ones where they are asked for, which takes decoding all of them.

    Args:
        stored: the spool.
    """
    identical = duplicates.find_identical(index.fingerprints, stored, index.extent, workers)
    if not similar:
        return Resemblance(identical)
    with progress("images compared", len(index)) as report:
        hashes = similar_images.hash_images(stored, index.extent, len(index), workers, report)
    return Resemblance(identical, hashes, similar_images.group_similar(hashes.values))
