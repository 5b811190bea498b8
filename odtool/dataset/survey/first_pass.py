"""The first pass: annotations read, images' headers and boxes checked, all problems known before any writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from odtool.dataset.readers.unread.accounting import FileAccount
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.record_writer import keep_whole
from odtool.dataset.records.spool import Index, Piece, SpoolWriter, hash_id
from odtool.dataset.survey import image_checks
from odtool.dataset.survey.backlog import Backlog, Waiting, open_backlog
from odtool.dataset.survey.claims import Claims
from odtool.dataset.survey.conventions.interpretation import AS_DOCUMENTED, Heard, Interpretation
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.survey.merging.merge import merge
from odtool.dataset.survey.merging.settling import Settling, find_absent
from odtool.dataset.survey.merging.statements import (
    Statement,
    Statements,
    find_relative_path,
    hash_place,
    make_statement,
    open_statements,
)
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source, Unit
from odtool.dataset.workers import Crew
from odtool.errors import DataError

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
    heard: Heard = field(default_factory=Heard)
    """What the boxes say of how they are to be read."""
    account: FileAccount = field(default_factory=FileAccount)
    """Files that something was taken from."""
    productive: set[int] = field(default_factory=set)
    """Numbers of the readings that gave any image."""
    imageless: dict[int, str] = field(default_factory=dict)
    """An annotation file of each reading of which images are missing or cannot be read."""

    def count(self, problem: Problem) -> None:
        self.problems[problem.kind] += 1
        self.first.setdefault(problem.kind, problem)
        if problem.kind in faults.KINDS and len(self.faults) < _MOST_NAMED:
            self.faults.append(problem)


@dataclass(frozen=True)
class PassSettings:
    """What is done with every image of a pass."""

    rules: Rules = image_checks.USUAL
    class_choice: ClassChoice = ALL_CLASSES
    grouping: Grouping | None = None
    tiling: Tiling | None = None
    keep: Keep = keep_whole
    """What of a checked image goes into the spool."""
    interpretation: Interpretation = AS_DOCUMENTED
    """What boxes' numbers mean and which size they are in."""


@dataclass(frozen=True)
class SourceReading:
    """What the reader of one format yields of a source."""

    source: Source
    findings: Iterable[Finding]
    beside_others: bool = False
    """Whether the source is read as other formats, too."""
    compares: bool = False
    """Whether annotations of one image are compared, and merged: those of formats beside each other, and those of one
    format where an image turned out to have several."""


@dataclass(frozen=True)
class _SurveyTask:
    reading: int
    """Its number."""
    source: Source
    compares: bool
    findings: tuple[Finding, ...]
    asked: PassSettings


@dataclass(frozen=True)
class _Result:
    reading: int
    piece: Piece
    annotations: list[tuple[str, str]]
    """Each image's annotation file and name, for the problem if the image turns out to be annotated already."""
    problems: list[Problem]
    classes: dict[str, Path]
    changes: Changes
    keypoints: set[int]
    images: list[int] = field(default_factory=list)
    """For each problem the position of the image that it is of, or -1."""
    places: dict[int, int] = field(default_factory=dict)
    """Position → 64 bits that say where the image lies, of those whose key is the format's own id, and of all where
    there are statements."""
    unsure: set[int] = field(default_factory=set)
    """Positions of images that may not be those that their annotations mean."""
    statements: list[Statement] = field(default_factory=list)
    """What is said of each image, where annotations of one image are compared."""
    imageless: set[str] = field(default_factory=set)
    """Annotation files of images that are missing or cannot be read."""
    heard: Heard = field(default_factory=Heard)

    def own_problems(self, position: int) -> None:
        """Those that were added since the last call are of the image at this position, or -1 of none."""
        self.images.extend([position] * (len(self.problems) - len(self.images)))


def survey(
    readings: Iterable[SourceReading],
    spool: SpoolWriter,
    crew: Crew,
    pass_settings: PassSettings,
    *,
    on_problem: Callable[[Problem], None] = lambda _: None,
    report: Report = lambda _images, _bytes: None,
) -> Survey:
    """Reads everything into the spool. The result does not depend on the number of workers.

    Args:
        on_problem: called with each problem in the order of reading, once all is read: only then it is known which
            annotation of an image stays.
        report: called now and then with the number of images read, and no bytes.
    """
    totals = Survey(spool.index)
    started: list[SourceReading] = []
    tasks = (
        _SurveyTask(number, reading.source, reading.compares, chunk, pass_settings)
        for number, reading, chunk in _split_into_chunks(readings, started)
    )
    claims = Claims()
    settling: Settling | None = None
    with open_backlog(spool.path.parent) as backlog, open_statements(spool.path.with_name("statements")) as statements:
        with _handing_over(backlog, on_problem):
            for result in crew.map(_examine, tasks, tasks_here=_ALONE):
                claims.begin(result.reading)
                _add_result(result, claims, totals, spool, backlog, statements)
                report(len(totals.index), 0)
        backlog.add([Waiting(problem) for problem in pass_settings.interpretation.coordinates.notices])
        removed, lost_classes = bytearray(len(totals.index)), set[str]()
        for position in claims.removed:
            removed[position] = 1
        if len(statements):
            spool.flush()
            settling, lost_classes = _merge_formats(totals, removed, statements, spool.path, started, crew, backlog)
        told_files = set[Problem]()
        for waiting in backlog.read():
            if waiting.problem in told_files:
                continue  # one format has said already that the file is broken
            if waiting.problem.kind == faults.FILE and len(started) > 1:
                told_files.add(waiting.problem)
            if not waiting.is_of(removed) and not (settling and settling.is_settled(waiting)):
                totals.count(waiting.problem)
                on_problem(waiting.problem)
    if any(removed):
        totals.index = totals.index.without(removed)
    for label in lost_classes.difference(totals.index.names):
        del totals.classes[label]
    return totals


@contextmanager
def _handing_over(backlog: Backlog, on_problem: Callable[[Problem], None]) -> Iterator[None]:
    """What was met before an error ends the reading is handed over all the same."""
    try:
        yield
    except DataError:
        for waiting in backlog.read():
            on_problem(waiting.problem)
        raise


def _add_result(
    result: _Result, claims: Claims, totals: Survey, spool: SpoolWriter, backlog: Backlog, statements: Statements
) -> None:
    """Takes what a worker found into the survey."""
    positions, claim_problems = _settle_claims(result, claims, len(totals.index), statements)
    if positions:
        totals.productive.add(result.reading)
    for file in result.imageless:
        totals.imageless.setdefault(result.reading, file)
    for file in (*result.imageless, *(source for source, _ in result.annotations)):
        totals.account.add_source(file, result.reading)
    for problem in result.problems:
        totals.account.add_problem(problem, result.reading)
    spool.add(result.piece, list(positions))
    images = [positions.get(number, -1) for number in result.images]
    problems = [Waiting(problem, result.reading, image) for problem, image in zip(result.problems, images, strict=True)]
    backlog.add([*problems, *(Waiting(problem, result.reading) for problem in claim_problems)])
    for label, path in result.classes.items():
        totals.classes.setdefault(label, path)
    totals.changes.update(result.changes)
    totals.keypoints |= result.keypoints
    totals.heard.add(result.heard)


def _settle_claims(
    result: _Result, claims: Claims, start: int, statements: Statements
) -> tuple[dict[int, int], list[Problem]]:
    """Position in the set by that in the result, of the images that their annotations get, and what others met.

    Args:
        start: the next position in the set.
    """
    positions: dict[int, int] = {}
    problems = []
    for number, key in enumerate(result.piece.index.keys):
        place, position = result.places.get(number, key), start + len(positions)
        # What is repeated stays until it is compared with what was said before.
        waits = bool(result.statements) and claims.is_taken(place)
        is_kept, problem = claims.settle(
            key, place, result.annotations[number], position, certain=number not in result.unsure
        )
        if waits and problem is not None and problem.kind == "image_repeated":
            is_kept, problem = True, None
        if is_kept:
            positions[number] = position
            if result.statements:
                statements.add(result.statements[number], position=position, place=place, reading=result.reading)
        if problem:
            problems.append(problem)
    return positions, problems


def _merge_formats(
    totals: Survey,
    removed: bytearray,
    statements: Statements,
    stored: Path,
    readings: Sequence[SourceReading],
    crew: Crew,
    backlog: Backlog,
) -> tuple[Settling, set[str]]:
    """Leaves in the survey one annotation of each image that several formats speak of.

    Returns what is to be known of the problems, and the classes of the objects that are left out.
    """
    numbers: dict[Source, int] = {}
    problems: list[Waiting] = []

    def add(problem: Problem) -> None:
        problems.append(Waiting(problem))
        if len(problems) >= _CHUNK:
            backlog.add(problems)
            problems.clear()

    of_readings = [numbers.setdefault(reading.source, len(numbers)) for reading in readings]
    merged = merge(statements, totals.index, stored, of_readings, removed, crew, add)
    sources = [reading.source if reading.beside_others else None for reading in readings]
    absent = find_absent(backlog, sources, set(statements.readings), totals.imageless)
    settling = Settling(totals.account, sources, merged.known, absent)
    for problem in (*absent.values(), *settling.report_unannotated()):
        add(problem)
    backlog.add(problems)
    doubtful = settling.find_doubtful(backlog, removed)
    backlog.add([Waiting(problem) for problem in doubtful.values()])
    for position in doubtful:
        removed[position] = 1
    totals.changes -= merged.changes
    return settling, merged.classes


def _split_into_chunks(
    readings: Iterable[SourceReading], started: list[SourceReading]
) -> Iterator[tuple[int, SourceReading, tuple[Finding, ...]]]:
    """Findings by reading, of which each is added to those that have started."""
    for number, reading in enumerate(readings):
        started.append(reading)
        chunk: list[Finding] = []
        images = 0
        for item in faults.report_unreadable(reading.findings):
            chunk.append(item)
            images += item.files if isinstance(item, Deferred) else 1
            if images >= _CHUNK:
                yield number, reading, tuple(chunk)
                chunk, images = [], 0
        if chunk:
            yield number, reading, tuple(chunk)


def _examine(task: _SurveyTask) -> _Result:
    """Runs in a worker. One step for all images, then the next: a fifth faster, as caches then hold one step's code."""
    result = _Result(task.reading, Piece(), [], [], {}, Counter(), set())
    images = list(_parse(task.findings))
    headers = [item if isinstance(item, Problem) else _read_header(item, task.asked.rules) for item in images]
    checked_images: list[tuple[CheckedImage, str | None, bool]] = []
    for item, header in zip(images, headers, strict=True):
        position = -1
        if isinstance(header, Problem):
            result.problems.append(header)
            if isinstance(item, AnnotatedImage):
                result.imageless.add(str(item.source))
        elif isinstance(item, AnnotatedImage) and (checked := _check(item, header, task, result)):
            position = len(checked_images)
            checked_images.append((checked, _find_group(item, task, result.problems), item.source_id is not None))
        result.own_problems(position)
    for position, (checked, group, has_id) in enumerate(checked_images):
        add_to_spool(checked, result.piece, group, task.asked.keep)
        if (has_id or task.compares) and not checked.image.extent:
            result.places[position] = hash_place(str(checked.image.path), task.source)
        if checked.image.match != "named":
            result.unsure.add(position)
        result.annotations.append((str(checked.image.source), checked.image.name))
    return result


def _read_header(image: AnnotatedImage, rules: Rules) -> ImageHeader | Problem:
    try:
        header = image_file.read_header(image.path, image.extent)
        if rules.full and not header.in_rows:  # these have been decoded to the last
            repair.check_pixels(image.path, image.extent)
    except ImageError as error:
        return Problem(error.kind, image.shown_path, f"{error.detail} (named in {image.source})")
    return header


def _check(image: AnnotatedImage, header: ImageHeader, task: _SurveyTask, result: _Result) -> CheckedImage | None:
    """The image as it will be written, or None where nothing of it is; its problems and classes go into `result`."""
    changes: Changes = Counter() if task.compares else result.changes
    objects = class_names.apply_choice(image.objects, task.asked.class_choice, changes)
    if task.compares:
        result.changes.update(changes)
    named_image = replace(image, objects=objects, source_id=_identify(image, task.source))
    source, interpretation = task.source.path, task.asked.interpretation
    placed = interpretation.place(named_image, header, source, result.heard)
    checked, problems = image_checks.check_image(placed.image, header, task.asked.rules)
    interpretation.hear(named_image, header, placed.size, problems, source, result.heard)
    if placed.problem:
        problems.append(placed.problem)
    if image.match == "elsewhere":
        problems.append(Problem("image_elsewhere", image.path, f"in {image.source}"))
    result.problems.extend([replace(problem, image=named_image.source_id or "") for problem in problems])
    _note_classes(objects, image.source, result)
    if task.source.masks:
        checked = _check_outlines(checked, placed.image.unit, result.problems)
    if _is_too_large(checked, task.asked.tiling):
        size = f"{checked.header.width}x{checked.header.height}"
        result.problems.append(Problem("image_too_large", image.shown_path, size, named_image.source_id or ""))
        return None
    if task.asked.tiling and tiles.needs_tiling(checked.header, task.asked.tiling):
        checked = _cut_tiles(checked, task.asked.tiling, result.problems)
        if not checked.tiles:
            return None
    if task.compares:
        result.statements.append(make_statement(checked, changes))
    return checked


def _note_classes(objects: Iterable[ObjectAnnotation], file: Path, result: _Result) -> None:
    for annotation in objects:
        result.classes.setdefault(annotation.label, file)
        if annotation.keypoints:
            result.keypoints.add(len(annotation.keypoints))


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


def _is_too_large(checked: CheckedImage, tiling: Tiling | None) -> bool:
    """Whether more pixels than Pillow may decode at once would have to be."""
    header = checked.header
    if header.width * header.height <= pillow.MOST_PIXELS:
        return False
    if tiles.needs_tiling(header, tiling):
        return not header.in_rows
    return checked.fixed or not header.written_as_is


def _cut_tiles(checked: CheckedImage, tiling: Tiling, problems: list[Problem]) -> CheckedImage:
    """The image with its tiles; without any where nothing of it is kept."""
    image, header = checked.image, checked.header
    image_tiles, tile_problems = tiles.cut_tiles(image, header, tiling)
    problems.extend(replace(problem, image=image.source_id or "") for problem in tile_problems)
    return replace(checked, tiles=image_tiles)


def _find_group(image: AnnotatedImage, task: _SurveyTask, problems: list[Problem]) -> str | None:
    """What --group-by says of an image: images with the same answer stay in one split."""
    if task.asked.grouping is None:
        return None
    group = task.asked.grouping.group(_find_relative_path(image, task.source))
    if group is None:
        problems.append(
            Problem("group_unmatched", image.shown_path, f"'{task.asked.grouping.by}' does not match its path")
        )
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
        return find_relative_path(str(image.path), source) or image.name
    return image.name
