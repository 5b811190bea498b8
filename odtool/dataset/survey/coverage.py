"""Problems of a data set as a whole: identical images, rare or missing classes, keypoints that differ in number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from odtool.dataset.types import AnnotatedImage, Problem

FEW = 10
"""Images with a class below which it is called rare."""


def report_duplicates(
    identical: Iterable[Sequence[int]], splits: Sequence[str | None], image_at: Callable[[int], AnnotatedImage]
) -> Iterator[Problem]:
    """One problem for each image whose bytes have been met before, in its own split or in another one.

    Args:
        identical: positions of images with the same bytes, two or more in each.
        splits: the split of each image by position; None where there are none yet.
        image_at: the image at a position.
    """
    for positions in identical:
        first = image_at(positions[0])
        for position in positions[1:]:
            image = image_at(position)
            first_split, split = splits[positions[0]], splits[position]
            kind = "image_duplicate" if first_split == split else "image_straddles"
            where = "" if first_split == split else f" ({split}; that one is in {first_split})"
            yield Problem(
                kind, image.shown_path, f"{image.name} is identical to {first.shown_path}{where}", image.source_id or ""
            )


def report_keypoint_counts(numbers: Collection[int], source: Path) -> Iterator[Problem]:
    """Objects with more keypoints than others: sources that speak of different ones, or name none.

    Args:
        numbers: of keypoints that objects have.
    """
    if len(numbers) > 1:
        number_list = " and ".join(map(str, sorted(numbers)))
        yield Problem("keypoints_differ", source, f"objects with {number_list} keypoints")


def report_undeclared_splits(splits: Sequence[str | None], file: Path) -> Iterator[Problem]:
    """Images that the data set's own splits leave out, as where one of several sources has none.

    Args:
        splits: the split of each image, or None.
        file: what the problem names.
    """
    missing = sum(split is None for split in splits)
    if missing and "train" in splits:
        yield Problem("split_undeclared", file, f"{missing} of {len(splits)} images are in none of its own splits")


def report_merged_splits(splits: Sequence[str | None], file: Path) -> Iterator[Problem]:
    """Validation images of the data set's own, which cross-validation deals to the folds with those of training.

    Args:
        splits: the split of each image, or None.
        file: what the problem names.
    """
    if "train" in splits and (count := splits.count("val")):
        yield Problem("split_merged", file, f"{count} images of its own val split")


def report_classes(images: Mapping[str, Mapping[str, int]], splits: Sequence[str], file: Path) -> Iterator[Problem]:
    """Classes with few images, those that a split lacks, and those that differ in nothing but case.

    Args:
        images: by class and split the number of images with the class; the split is '' where there are none.
        splits: those that there are; without one to train on, nothing is said of them.
        file: what the problems name.
    """
    splits = splits if "train" in splits else ()
    first: dict[str, str] = {}
    for name in sorted(images):
        total = sum(images[name].values())
        if total < FEW:
            yield Problem("class_rare", file, f"'{name}' is in {total} image{'' if total == 1 else 's'}")
        missing = [split for split in splits if not images[name].get(split)]
        if images[name].get("") and "train" in missing:
            missing.remove("train")  # what the data set's own splits leave out is trained on
        if "train" in missing:
            yield Problem("class_untrained", file, f"'{name}' is in no training image")
        if lacking_splits := [split for split in missing if split != "train"]:
            yield Problem("class_missing", file, f"'{name}' is not in {' and '.join(lacking_splits)}")
        if (namesake := first.setdefault(name.casefold(), name)) != name:
            yield Problem("class_alike", file, f"'{namesake}' and '{name}' differ only in case")


def report_unknown_classes(classes: Mapping[str, Path], map_names: Iterable[str], path: Path) -> Iterator[Problem]:
    """Classes that a given label map lacks.

    Args:
        classes: names, each with the first file that uses it.
        map_names: the label map's names, `path` its file.
    """
    map_set = set(map_names)
    for name in sorted(set(classes) - map_set):
        yield Problem("class_unknown", classes[name], f"'{name}' is not in {path}")
