"""When prepare refuses what it read: nothing to train on, classes that a label map lacks, problems under --strict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from odtool.dataset.survey import image_checks
from odtool.dataset.survey.first_pass import Survey
from odtool.errors import DataError


def nothing_to_train_on(found: Survey, where: str, *, skip_missing: bool) -> None:
    """Raises DataError where images are missing that may not be, or no object or image is left.

    Args:
        where: the sources, to be named.
        skip_missing: whether annotations without an image may be left out.
    """
    missing = found.problems["image_missing"]
    if missing and (not skip_missing or not len(found.index)):
        first = found.first["image_missing"]
        others = f"; {missing} images are missing in all" if missing > 1 else ""
        hint = "Name the folder of the images with --images" + (
            "." if skip_missing else ", or leave such annotations out with --skip-missing."
        )
        raise DataError(f"{first.file}: {first.detail}{others}", hint)
    if not len(found.index):
        raise unusable(found, where)
    if not found.classes:
        left_out = {old: count for (old, new), count in sorted(found.changes.items()) if not new}
        if left_out:
            listed = ", ".join(f"{count} {name}" for name, count in list(left_out.items())[:5])
            raise DataError(
                f"{where}: no annotated object in {len(found.index)} images: --only or --drop left out {listed}",
                "Name other classes with --only and --drop; they go by the names that --rename gives.",
            )
        raise DataError(f"{where}: no annotated object in {len(found.index)} images", "Is it the right folder?")


def unusable(found: Survey, where: str) -> DataError:
    """The error for a source of which no image is left: the gravest problem says most."""
    told = [
        kind
        for level in ("error", "warning", "info")
        for kind in found.problems
        if image_checks.CATALOGUE[kind].level == level
    ]
    if not told:
        return DataError(f"{where}: no image with annotations in it", "Is it the right folder?")
    first = found.first[told[0]]
    counted = ", ".join(f"{found.problems[kind]} {kind}" for kind in told)
    return DataError(
        f"{where}: none of the images can be used: {counted}", f"Mend these first; one is {first.file}: {first.detail}"
    )


def unwritable_classes(found: Survey) -> None:
    """Raises DataError where a class's name has half of a surrogate pair, which JSON can spell and no file can hold."""
    for name, file in found.classes.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            spelt = name.encode("utf-8", "backslashreplace").decode()
            raise DataError(
                f"{file}: class '{spelt}' has half of a character in its name", "Mend the name in that file."
            ) from None


def unknown_classes(found: Survey, classes: Mapping[str, int], path: Path | None) -> None:
    """Raises DataError where a class is not among those of the label map at `path`."""
    unknown = sorted(set(found.classes) - set(classes))
    if unknown:
        others = f" (nor are {', '.join(unknown[1:6])})" if len(unknown) > 1 else ""
        raise DataError(
            f"{found.classes[unknown[0]]}: class '{unknown[0]}' is not in {path}{others}",
            "Add it to the label map, or prepare without --label-map to have one made.",
        )


def any_problem(found: Survey) -> None:
    """Raises DataError where there is any problem that is more than information, for --strict."""
    counted = {kind: count for kind, count in found.problems.items() if image_checks.CATALOGUE[kind].level != "info"}
    if counted:
        kind = next(iter(counted))
        first = found.first[kind]
        listed = ", ".join(f"{count} {kind}" for kind, count in counted.items())
        raise DataError(
            f"refused by --strict: {listed}. First: {first.file}: {first.detail}",
            "Mend these, or prepare without --strict.",
        )
