"""The first pass: annotations read, images' headers and boxes checked, all problems known before any writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from odtool.dataset import classes as class_names
from odtool.dataset.classes import ALL_CLASSES, Changes, ClassChoice
from odtool.dataset.images import image_file, masks, pillow, repair, tiles
from odtool.dataset.images.image_file import ImageError, ImageHeader
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.progress import Report
from odtool.dataset.readers.common import faults
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.record_writer import keep_whole
from odtool.dataset.records.spool import Index, Piece, SpoolWriter, hash_id
from odtool.dataset.survey import image_checks
from odtool.dataset.survey.claims import Claims
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, Problem, Source, Unit
from odtool.dataset.workers import Crew

_CHUNK = 64
"""Images a task: a task then takes milliseconds, against which handing it over is nothing."""
_ALONE = 8
"""Chunks looked at before workers are started where they cannot be forked, which takes as long as they do."""
_MOST_NAMED = 10
"""Broken annotations that are named one by one; all are counted."""


Keep: TypeAlias = Callable[[CheckedImage], object]
"""A function that can be pickled, for it is called in workers."""


@dataclass
class Survey:
    """What the first pass found."""

    index: Index = field(default_factory=Index)
    classes: dict[str, Path] = field(default_factory=dict)
    """Class names, each with the first file that uses it."""
    problems: Counter[str] = field(default_factory=Counter)
    """Problems by kind."""
    first: dict[str, Problem] = field(default_factory=dict)
    """The first problem of each kind."""
    faults: list[Problem] = field(default_factory=list)
    """The first of those for which prepare refuses: broken annotations."""
    changes: Changes = field(default_factory=Counter)
    """Objects whose class was renamed or dropped as asked."""
    keypoints: set[int] = field(default_factory=set)
    """Numbers of keypoints that objects have; empty where none has any."""

    def count(self, problem: Problem) -> None:
        self.problems[problem.kind] += 1
        self.first.setdefault(problem.kind, problem)
        if problem.kind in faults.KINDS and len(self.faults) < _MOST_NAMED:
            self.faults.append(problem)


@dataclass(frozen=True)
class _SurveyTask:
    source: Source
    findings: tuple[Finding, ...]
    rules: Rules
    chosen: ClassChoice
    grouping: Grouping | None
    tiling: Tiling | None
    keep: Keep


@dataclass(frozen=True)
class _Result:
    piece: Piece
    annotations: list[tuple[str, str]]
    """Each image's annotation file and name, for the problem if the image turns out to be annotated already."""
    problems: list[Problem]
    classes: dict[str, Path]
    changes: Changes
    keypoints: set[int]
    places: dict[int, int] = field(default_factory=dict)
    """Position → 64 bits that say where the image lies, of those whose key is the format's own id."""
    unsure: set[int] = field(default_factory=set)
    """Positions of images that may not be those that their annotations mean."""


def survey(
    findings: Iterable[tuple[Source, Iterable[Finding]]],
    spool: SpoolWriter,
    crew: Crew,
    *,
    rules: Rules = image_checks.USUAL,
    class_choice: ClassChoice = ALL_CLASSES,
    grouping: Grouping | None = None,
    tiling: Tiling | None = None,
    keep: Keep = keep_whole,
    on_problem: Callable[[Problem], None] = lambda _: None,
    report: Report = lambda _images, _bytes: None,
) -> Survey:
    """Reads everything into the spool. The result does not depend on the number of workers.

    Args:
        findings: what each source's reader yields.
        keep: what of a checked image goes into the spool.
        on_problem: called with each problem, in the order of reading.
        report: called now and then with the number of images read, and no bytes.
    """
    totals = Survey(spool.index)
    claims = Claims()
    tasks = (
        _SurveyTask(source, chunk, rules, class_choice, grouping, tiling, keep)
        for source, chunk in _split_into_chunks(findings)
    )
    for result in crew.map(_examine, tasks, tasks_here=_ALONE):
        problems, new = result.problems, list[int]()
        for position, key in enumerate(result.piece.index.keys):
            place, set_position = result.places.get(position, key), len(totals.index) + len(new)
            is_kept, problem = claims.settle(
                key, place, result.annotations[position], set_position, certain=position not in result.unsure
            )
            if is_kept:
                new.append(position)
            if problem:
                problems.append(problem)
        spool.add(result.piece, new)
        for problem in problems:
            totals.count(problem)
            on_problem(problem)
        for label, path in result.classes.items():
            totals.classes.setdefault(label, path)
        totals.changes.update(result.changes)
        totals.keypoints |= result.keypoints
        report(len(totals.index), 0)
    if claims.removed:
        totals.index = totals.index.without(claims.removed)
    return totals


def _split_into_chunks(
    findings: Iterable[tuple[Source, Iterable[Finding]]],
) -> Iterator[tuple[Source, tuple[Finding, ...]]]:
    for source, source_findings in findings:
        chunk: list[Finding] = []
        images = 0
        for item in source_findings:
            chunk.append(item)
            images += item.files if isinstance(item, Deferred) else 1
            if images >= _CHUNK:
                yield source, tuple(chunk)
                chunk, images = [], 0
        if chunk:
            yield source, tuple(chunk)


def _examine(task: _SurveyTask) -> _Result:
    """Runs in a worker. One step for all images, then the next: a fifth faster, as caches then hold one step's code."""
    result = _Result(Piece(), [], [], {}, Counter(), set())
    images = list(_parse(task.findings))
    headers = [item if isinstance(item, Problem) else _read_header(item, task.rules) for item in images]
    checked_images = []
    for item, header in zip(images, headers, strict=True):
        if isinstance(header, Problem):
            result.problems.append(header)
        elif isinstance(item, AnnotatedImage) and (checked := _check(item, header, task, result)):
            checked_images.append((checked, _find_group(item, task, result.problems), item.source_id is not None))
    for checked, group, has_id in checked_images:
        add_to_spool(checked, result.piece, group, task.keep)
        position = len(result.annotations)
        if has_id and not checked.image.extent:
            result.places[position] = hash_id(
                f"{task.source.prefix}{_find_relative_path(checked.image, task.source)}\0"
            )
        if checked.image.match != "named":
            result.unsure.add(position)
        result.annotations.append((str(checked.image.source), checked.image.name))
    return result


def _read_header(image: AnnotatedImage, rules: Rules) -> ImageHeader | Problem:
    try:
        header = image_file.read_header(image.path, image.extent)
        if rules.full:
            repair.check_pixels(image.path, image.extent)
    except ImageError as error:
        return Problem(error.kind, image.path, f"{error.detail} (named in {image.source})")
    return header


def _check(image: AnnotatedImage, header: ImageHeader, task: _SurveyTask, result: _Result) -> CheckedImage | None:
    """The image as it will be written, or None where nothing of it is; its problems and classes go into `result`."""
    objects = class_names.apply_choice(image.objects, task.chosen, result.changes)
    named_image = replace(image, objects=objects, source_id=_identify(image, task.source))
    checked, problems = image_checks.check_image(named_image, header, task.rules)
    if image.match == "elsewhere":
        problems.append(Problem("image_elsewhere", image.path, f"in {image.source}"))
    result.problems.extend([replace(problem, image=named_image.source_id or "") for problem in problems])
    for annotation in objects:
        result.classes.setdefault(annotation.label, image.source)
        if annotation.keypoints:
            result.keypoints.add(len(annotation.keypoints))
    if task.source.masks:
        checked = _check_outlines(checked, image.unit, result.problems)
    if not tiles.needs_tiling(checked.header, task.tiling):
        return checked
    tiled = _cut_tiles(checked, task, result.problems)
    return tiled if tiled.tiles else None


def _check_outlines(checked: CheckedImage, unit: Unit, problems: list[Problem]) -> CheckedImage:
    """The image with only those outlines that can be drawn, in pixels."""
    image, header = checked.image, checked.header
    objects = []
    for number, item in enumerate(image.objects, start=1):
        fault = "its mask is missing or cannot be read"
        if item.outline is not None:
            is_sideways = item.outline.turn >= 5
            size = (header.height, header.width) if is_sideways else (header.width, header.height)
            fault = masks.find_fault(item.outline, *size)
            if unit == "fraction":
                item = replace(item, outline=masks.scale_outline(item.outline, *size))  # noqa: PLW2901 - the same in pixels
        if fault:
            detail = f"object {number} ({item.label}) of {image.name}: {fault}"
            problems.append(Problem("mask_missing", image.source, detail, image.source_id or ""))
        objects.append(replace(item, outline=None) if fault else item)
    return replace(checked, image=replace(image, objects=tuple(objects)))


def _cut_tiles(checked: CheckedImage, task: _SurveyTask, problems: list[Problem]) -> CheckedImage:
    """The image with its tiles; without any where it cannot be cut or nothing of it is kept."""
    image, header = checked.image, checked.header
    if task.tiling is None or header.width * header.height > pillow.MOST_PIXELS:
        size = f"{header.width}x{header.height}"
        problems.append(Problem("image_too_large", image.path, size, image.source_id or ""))
        return checked
    image_tiles, tile_problems = tiles.cut_tiles(image, header, task.tiling)
    problems.extend(replace(problem, image=image.source_id or "") for problem in tile_problems)
    return replace(checked, tiles=image_tiles)


def _find_group(image: AnnotatedImage, task: _SurveyTask, problems: list[Problem]) -> str | None:
    """What --group-by says of an image: images with the same answer stay in one split."""
    if task.grouping is None:
        return None
    group = task.grouping.group(_find_relative_path(image, task.source))
    if group is None:
        problems.append(Problem("group_unmatched", image.path, f"'{task.grouping.by}' does not match its path"))
    return group


def _parse(findings: Iterable[Finding]) -> Iterator[AnnotatedImage | Problem]:
    for item in findings:
        if isinstance(item, Deferred):
            yield from faults.report_broken(item.parse, *item.arguments)
        else:
            yield item


def add_to_spool(checked: CheckedImage, piece: Piece, group: str | None = None, keep: Keep = keep_whole) -> None:
    """Lays an image into a piece of the spool."""
    image, header = checked.image, checked.header
    written_objects = [item for tile in checked.tiles for item in tile.objects] if checked.tiles else image.objects
    piece.add(
        keep(checked),
        key=hash_id(image.source_id or ""),
        split=image.split,
        size=header.bytes,
        group=None if group is None else hash_id(group),
        fingerprint=header.fingerprint,
        labels=dict.fromkeys([item.label for item in written_objects]),
    )


def _identify(image: AnnotatedImage, source: Source) -> str:
    """The format's own id, else the image's path within the source: unique, and the same on every machine."""
    if image.source_id is not None:
        return source.prefix + image.source_id
    return source.prefix + _find_relative_path(image, source)


def _find_relative_path(image: AnnotatedImage, source: Source) -> str:
    """The image's path within its source, with slashes; what lies in a larger file has the name given there."""
    if image.extent is None:
        for root in (source.root, source.images):
            # As text: pathlib's own way took longer than the reading of the header.
            if root is not None and (path := str(image.path)).startswith(inside := f"{root}/"):
                return path[len(inside) :]
    return image.name
