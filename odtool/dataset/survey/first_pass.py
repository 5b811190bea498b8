"""The first pass: annotations read, images' headers and boxes checked, all problems known before any writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from odtool.dataset import classes as class_names
from odtool.dataset.classes import ALL_CLASSES, Changes, ClassChoice
from odtool.dataset.images import image_file, masks, repair, tiles
from odtool.dataset.images.image_file import ImageError, ImageHeader
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.progress import Report
from odtool.dataset.records.record_writer import CheckedImage, whole
from odtool.dataset.records.spool import Index, Piece, Writer
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
    changes: Changes = field(default_factory=Counter)
    """Objects whose class was renamed or dropped as asked."""
    keypoints: set[int] = field(default_factory=set)
    """Numbers of key points that objects have; empty where none has any."""

    def count(self, problem: Problem) -> None:
        self.problems[problem.kind] += 1
        self.first.setdefault(problem.kind, problem)


@dataclass(frozen=True)
class _Task:
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
    said: list[tuple[str, str]]
    """Each image's annotation file and name, to be told if it turns out to have been met before."""
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
    spool: Writer,
    crew: Crew,
    *,
    rules: Rules = image_checks.USUAL,
    chosen: ClassChoice = ALL_CLASSES,
    grouping: Grouping | None = None,
    tiling: Tiling | None = None,
    keep: Keep = whole,
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
    made = Survey(spool.index)
    claims = Claims()
    tasks = (_Task(source, chunk, rules, chosen, grouping, tiling, keep) for source, chunk in _chunks(findings))
    for result in crew.map(_examine, tasks, alone=_ALONE):
        problems, new = result.problems, list[int]()
        for position, key in enumerate(result.piece.index.keys):
            place, there = result.places.get(position, key), len(made.index) + len(new)
            gets, problem = claims.settle(key, place, result.said[position], there, sure=position not in result.unsure)
            if gets:
                new.append(position)
            if problem:
                problems.append(problem)
        spool.add(result.piece, new)
        for problem in problems:
            made.count(problem)
            on_problem(problem)
        for label, path in result.classes.items():
            made.classes.setdefault(label, path)
        made.changes.update(result.changes)
        made.keypoints |= result.keypoints
        report(len(made.index), 0)
    if claims.gone:
        made.index = made.index.without(claims.gone)
    return made


def _chunks(
    findings: Iterable[tuple[Source, Iterable[Finding]]],
) -> Iterator[tuple[Source, tuple[Finding, ...]]]:
    for source, found in findings:
        chunk: list[Finding] = []
        images = 0
        for item in found:
            chunk.append(item)
            images += item.files if isinstance(item, Deferred) else 1
            if images >= _CHUNK:
                yield source, tuple(chunk)
                chunk, images = [], 0
        if chunk:
            yield source, tuple(chunk)


def _examine(task: _Task) -> _Result:
    """Runs in a worker. One step for all images, then the next: a fifth faster, as caches then hold one step's code."""
    result = _Result(Piece(), [], [], {}, Counter(), set())
    found = list(_parsed(task.findings))
    headers = [item if isinstance(item, Problem) else _header(item, task.rules) for item in found]
    kept = []
    for item, header in zip(found, headers, strict=True):
        if isinstance(header, Problem):
            result.problems.append(header)
        elif isinstance(item, AnnotatedImage) and (checked := _checked(item, header, task, result)):
            kept.append((checked, _group(item, task, result.problems), item.source_id is not None))
    for checked, group, identified in kept:
        lay(checked, result.piece, group, task.keep)
        position = len(result.said)
        if identified and not checked.image.extent:
            result.places[position] = key_of(f"{task.source.prefix}{_path_within(checked.image, task.source)}\0")
        if checked.image.match != "named":
            result.unsure.add(position)
        result.said.append((str(checked.image.source), checked.image.name))
    return result


def _header(image: AnnotatedImage, rules: Rules) -> ImageHeader | Problem:
    try:
        header = image_file.read_header(image.path, image.extent)
        if rules.full:
            repair.check_pixels(image.path, image.extent)
    except ImageError as error:
        return Problem(error.kind, image.path, f"{error.detail} (named in {image.source})")
    return header


def _checked(image: AnnotatedImage, header: ImageHeader, task: _Task, result: _Result) -> CheckedImage | None:
    """The image as it will be written, or None where nothing of it is; its problems and classes go into `result`."""
    objects = class_names.apply(image.objects, task.chosen, result.changes)
    named = replace(image, objects=objects, source_id=_identity(image, task.source))
    checked, problems = image_checks.check_image(named, header, task.rules)
    if image.match == "elsewhere":
        problems.append(Problem("image_elsewhere", image.path, f"in {image.source}"))
    result.problems.extend([replace(problem, image=named.source_id or "") for problem in problems])
    for annotation in objects:
        result.classes.setdefault(annotation.label, image.source)
        if annotation.keypoints:
            result.keypoints.add(len(annotation.keypoints))
    if task.source.masks:
        checked = _with_outlines(checked, image.unit, result.problems)
    if not tiles.applies(checked.header, task.tiling):
        return checked
    cut = _cut(checked, task, result.problems)
    return cut if cut.tiles else None


def _with_outlines(checked: CheckedImage, unit: Unit, problems: list[Problem]) -> CheckedImage:
    """The image with only those outlines that can be drawn, in pixels."""
    image, header = checked.image, checked.header
    objects = []
    for number, item in enumerate(image.objects, start=1):
        fault = "no mask that can be read"
        if item.outline is not None:
            turned = item.outline.turn >= 5
            size = (header.height, header.width) if turned else (header.width, header.height)
            fault = masks.fault(item.outline, *size)
            if unit == "fraction":
                item = replace(item, outline=masks.scaled(item.outline, *size))  # noqa: PLW2901 - the same in pixels
        if fault:
            detail = f"object {number} ({item.label}) of {image.name}: {fault}"
            problems.append(Problem("mask_missing", image.source, detail, image.source_id or ""))
        objects.append(replace(item, outline=None) if fault else item)
    return replace(checked, image=replace(image, objects=tuple(objects)))


def _cut(checked: CheckedImage, task: _Task, problems: list[Problem]) -> CheckedImage:
    """The image with its tiles; without any where it cannot be cut or nothing of it is kept."""
    image, header = checked.image, checked.header
    if task.tiling is None or header.width * header.height > image_file.MOST_PIXELS:
        size = f"{header.width}x{header.height}"
        problems.append(Problem("image_too_large", image.path, size, image.source_id or ""))
        return checked
    made, lost = tiles.cut(image, header, task.tiling)
    problems.extend(replace(problem, image=image.source_id or "") for problem in lost)
    return replace(checked, tiles=made)


def _group(image: AnnotatedImage, task: _Task, problems: list[Problem]) -> str | None:
    """What --group-by says of an image: images with the same answer stay in one split."""
    if task.grouping is None:
        return None
    group = task.grouping.group(_path_within(image, task.source))
    if group is None:
        problems.append(Problem("group_unmatched", image.path, f"'{task.grouping.by}' is not found in its path"))
    return group


def _parsed(findings: Iterable[Finding]) -> Iterator[AnnotatedImage | Problem]:
    for item in findings:
        if isinstance(item, Deferred):
            yield from item.parse(*item.arguments)
        else:
            yield item


def lay(checked: CheckedImage, piece: Piece, group: str | None = None, keep: Keep = whole) -> None:
    """Lays an image into a piece of the spool."""
    image, header = checked.image, checked.header
    written = [item for tile in checked.tiles for item in tile.objects] if checked.tiles else image.objects
    piece.add(
        keep(checked),
        key=key_of(image.source_id or ""),
        split=image.split,
        size=header.bytes,
        group=None if group is None else key_of(group),
        fingerprint=header.fingerprint,
        labels=dict.fromkeys([item.label for item in written]),
    )


def key_of(source_id: str) -> int:
    """64 bits that stand for a source id."""
    return int.from_bytes(blake2b(source_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _identity(image: AnnotatedImage, source: Source) -> str:
    """The format's own id, else the image's path within the source: unique, and the same on every machine."""
    if image.source_id is not None:
        return source.prefix + image.source_id
    return source.prefix + _path_within(image, source)


def _path_within(image: AnnotatedImage, source: Source) -> str:
    """The image's path within its source, with slashes; what lies in a larger file has the name given there."""
    if image.extent is None:
        for root in (source.root, source.images):
            # As text: pathlib's own way took longer than the reading of the header.
            if root is not None and (path := str(image.path)).startswith(inside := f"{root}/"):
                return path[len(inside) :]
    return image.name
