"""Sequences of images whose annotations name each by the number of its frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import AnnotatedImage, ObjectAnnotation

MOST_DIGITS = 9


def number_frames(images: Sequence[Path], frames: Sequence[int]) -> dict[int, Path]:
    """The image of each frame: by the number that its name is, else by its place in the order of names, from 1.

    Names that are numbers, but not those of the frames, as of images that count from 0, are an order, too.

    Args:
        images: those of one sequence, sorted.
        frames: those that annotations name.
    """
    named = {int(path.stem): path for path in images if path.stem.isdecimal() and len(path.stem) <= MOST_DIGITS}
    if len(named) == len(images) and named.keys() >= set(frames):
        return named
    ordered = dict(enumerate(images, start=1))
    return ordered if ordered.keys() >= set(frames) or not named else named


def list_images(folder: Path) -> list[Path]:
    """The images of a folder, sorted, none where there is no such folder."""
    return next(walk(folder)).find_files(*EXTENSIONS) if folder.is_dir() else []


def describe_frames(
    file: Path,
    named: Collection[int],
    objects: Iterable[tuple[int, Sequence[ObjectAnnotation]]],
    images: Sequence[Path],
    folder: Path,
    split: str | None,
    *,
    broken: Collection[int] = (),
    digits: int = 6,
) -> Iterator[AnnotatedImage]:
    """Every frame of a sequence, those without objects as well, but for those that lost all of them to faults.

    Args:
        file: the annotations.
        named: frames that it names.
        objects: by frame, in the order of frames; none twice.
        images: those of the sequence, sorted.
        folder: where they should lie.
        broken: frames of which a line is broken.
        digits: of the names that are expected there.
    """
    frames = number_frames(images, list(named))
    groups = chain(objects, [(-1, ())])
    frame, shown = next(groups)
    for number in sorted(frames.keys() | set(named)):
        image, own = frames.get(number, folder / f"{number:0{digits}d}.jpg"), tuple[ObjectAnnotation, ...]()
        if number == frame:
            own = tuple(shown)
            frame, shown = next(groups)
        if own or number not in broken:
            yield AnnotatedImage(image, file, own, split=split)
