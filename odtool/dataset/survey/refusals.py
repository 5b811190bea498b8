"""When prepare refuses what it read: what is broken or missing, classes that a label map lacks, --strict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from odtool.dataset.readers.common import faults
from odtool.dataset.survey import problem_kinds
from odtool.dataset.survey.first_pass import Survey
from odtool.dataset.types import Problem
from odtool.errors import DataError

_FEW, _SHARE = 4, 0.1
"""Boxes, and share of all, that lie outside their images where these are not the images that were annotated, or the
numbers not what the format says. Fewer are slips."""


def refuse_broken(survey: Survey, *, skip_broken: bool) -> None:
    """Raises DataError where files, rows or objects are broken, and names the first ones.

    Args:
        skip_broken: whether they may be left out; what a whole source depends on may not.
    """
    unreadable = survey.problems[faults.SOURCE]
    if not survey.faults or (skip_broken and not unreadable):
        return
    counts = {kind: survey.problems[kind] for kind in faults.KINDS if survey.problems[kind]}
    total, missing = sum(counts.values()), survey.problems["image_missing"]
    first = survey.first[faults.SOURCE] if unreadable else survey.faults[0]
    others = [problem for problem in survey.faults if problem is not first]
    notes = [f"{total:,} faults in total: {', '.join(f'{n:,} {kind}' for kind, n in counts.items())}"] * (total > 1)
    notes += [f"{missing:,} image{'s are' if missing > 1 else ' is'} missing, too"] * (missing > 0)
    raise DataError(
        "; ".join([first.describe().removesuffix("."), *notes]),
        "Fix what is broken" + ("." if unreadable else ", or leave it out with --skip-broken."),
        details=_list_faults(others, total - 1),
    )


def _list_faults(problems: Sequence[Problem], total: int) -> tuple[str, ...]:
    """A line for each of the first problems, and how many more there are."""
    lines = [problem.describe() for problem in problems]
    return (*lines, f"... and {total - len(lines):,} more") if total > len(lines) else tuple(lines)


def refuse_boxes_of_other_images(survey: Survey, *, skip_broken: bool) -> None:
    """Raises DataError where so many boxes lie outside their images that most of these would become background.

    Formats with dialects have been asked what their numbers mean (conventions/coordinates.py); others have one meaning.

    Args:
        skip_broken: whether they may be left out.
    """
    lost = survey.problems["box_outside_entirely"]
    if lost < max(_FEW, _SHARE * survey.heard.objects) or skip_broken:
        return
    first = survey.first["box_outside_entirely"]
    raise DataError(
        f"{first.describe()}; {lost:,} of {survey.heard.objects:,} boxes lie wholly outside their images",
        "Are these the images that were annotated, in their size? Name others with --images, or leave such boxes out "
        "with --skip-broken.",
    )


def refuse_nothing_to_train_on(survey: Survey, where: str, *, skip_missing: bool) -> None:
    """Raises DataError where images are missing that may not be, or no object or image is left.

    Args:
        where: the sources, to be named.
        skip_missing: whether annotations without an image may be left out.
    """
    missing = survey.problems["image_missing"]
    if missing and (not skip_missing or not len(survey.index)):
        first = survey.first["image_missing"]
        total_note = f"; {missing} images are missing in total" if missing > 1 else ""
        hint = "Name the folder of the images with --images" + (
            "." if skip_missing else ", or leave such annotations out with --skip-missing."
        )
        raise DataError(f"{first.describe()}{total_note}", hint)
    if not len(survey.index):
        raise unusable_error(survey, where)
    if not survey.classes:
        left_out = {old: count for (old, new), count in sorted(survey.changes.items()) if not new}
        if left_out:
            class_list = ", ".join(f"{count} {name}" for name, count in list(left_out.items())[:5])
            raise DataError(
                f"{where}: no annotated objects in {len(survey.index)} images: --only or --drop left out {class_list}",
                "Name other classes with --only and --drop; they go by the names that --rename gives.",
            )
        raise DataError(f"{where}: no annotated objects in {len(survey.index)} images", "Is it the right folder?")


def refuse_contradictions(survey: Survey) -> None:
    """Raises DataError where two formats say different things of an image: one is wrong, and nothing says which."""
    if count := survey.problems["annotations_differ"]:
        first = survey.first["annotations_differ"]
        raise DataError(
            f"{first.file}: {first.detail}; {count} image{'s' * (count != 1)} annotated differently by two formats",
            "Correct one of the two, or name the format to read with --format.",
        )


def unusable_error(survey: Survey, where: str) -> DataError:
    """The error for a source of which no image is left: the gravest problem says most."""
    kinds = [
        kind
        for level in ("error", "warning", "info")
        for kind in survey.problems
        if problem_kinds.CATALOGUE[kind].level == level
    ]
    if not kinds:
        return DataError(f"{where}: no image with annotations in it", "Is it the right folder?")
    first = survey.first[kinds[0]]
    kind_list = ", ".join(f"{survey.problems[kind]} {kind}" for kind in kinds)
    return DataError(
        f"{where}: none of the images can be used: {kind_list}",
        f"Fix these first; the first is {first.describe()}",
        details=_list_faults(survey.faults[1:], sum(survey.problems[kind] for kind in faults.KINDS) - 1),
    )


def refuse_unwritable_classes(survey: Survey) -> None:
    """Raises DataError where a class's name has half of a surrogate pair, which JSON can spell and no file can hold."""
    for name, file in survey.classes.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            escaped_name = name.encode("utf-8", "backslashreplace").decode()
            raise DataError(
                f"{file}: class '{escaped_name}' has an incomplete character in its name",
                "Correct the name in that file.",
            ) from None


def refuse_unknown_classes(survey: Survey, classes: Mapping[str, int], path: Path | None) -> None:
    """Raises DataError where a class is not among those of the label map at `path`."""
    unknown = sorted(set(survey.classes) - set(classes))
    if unknown:
        other_names = f" (nor are {', '.join(unknown[1:6])})" if len(unknown) > 1 else ""
        raise DataError(
            f"{survey.classes[unknown[0]]}: class '{unknown[0]}' is not in {path}{other_names}",
            "Add it to the label map, or prepare without --label-map to create one.",
        )


def refuse_any_problem(survey: Survey) -> None:
    """Raises DataError where there is any problem that is more than information, for --strict."""
    kind_counts = {
        kind: count for kind, count in survey.problems.items() if problem_kinds.CATALOGUE[kind].level != "info"
    }
    if kind_counts:
        kind = next(iter(kind_counts))
        first = survey.first[kind]
        kind_list = ", ".join(f"{count} {kind}" for kind, count in kind_counts.items())
        raise DataError(
            f"refused by --strict: {kind_list}. First: {first.describe()}",
            "Fix these, or prepare without --strict.",
        )
