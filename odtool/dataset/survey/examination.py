"""What a worker makes of a reader's findings: images with their headers read and their boxes checked, and problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from odtool.dataset import classes as class_names
from odtool.dataset.classes import ALL_CLASSES, Changes, ClassChoice
from odtool.dataset.images import image_file, masks, pillow, repair, shrinking, tiles
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.memory_estimate import reserve_memory
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.readers.common import faults
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.record_writer import keep_whole
from odtool.dataset.records.spool import Piece, hash_id
from odtool.dataset.survey import image_checks
from odtool.dataset.survey.conventions.interpretation import AS_DOCUMENTED, Heard, Interpretation
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.survey.merging.statements import Statement, find_relative_path, hash_place, make_statement
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source, Unit

Keep: TypeAlias = Callable[[CheckedImage], object]
"""A function that can be pickled, for it is called in workers."""


@dataclass(frozen=True)
class PassSettings:
    """What is done with every image of a pass."""

    rules: Rules = image_checks.USUAL
    class_choice: ClassChoice = ALL_CLASSES
    grouping: Grouping | None = None
    tiling: Tiling | None = None
    max_side: int | None = None
    """Longest side in pixels that images are written with; larger ones are made smaller."""
    keep: Keep = keep_whole
    """What of a checked image goes into the spool."""
    interpretation: Interpretation = AS_DOCUMENTED
    """What boxes' numbers mean and which size they are in."""


@dataclass(frozen=True)
class ExaminationTask:
    """Some findings of a reading."""

    reading: int
    """Its number."""
    source: Source
    compares: bool
    """Whether statements are asked for."""
    findings: tuple[Finding, ...]
    asked: PassSettings


@dataclass(frozen=True)
class Examined:
    """What came of them."""

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
    image_places: list[int] = field(default_factory=list)
    """For each problem the place of the image that it is of, where that is left out; else 0."""
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

    def own_problems(self, position: int, place: int = 0) -> None:
        """Those that were added since the last call are of the image at this position, or -1 of none.

        Of an image that is left out its place may be known.
        """
        count = len(self.problems) - len(self.images)
        self.images.extend([position] * count)
        self.image_places.extend([place] * count)


def examine(task: ExaminationTask) -> Examined:
    """Runs in a worker. One step for all images, then the next: a fifth faster, as caches then hold one step's code."""
    result = Examined(task.reading, Piece(), [], [], {}, Counter(), set())
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
        place = 0
        if position < 0 and task.compares and isinstance(item, AnnotatedImage) and item.extent is None:
            place = hash_place(str(item.path), task.source)
        result.own_problems(position, place)
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


def _check(image: AnnotatedImage, header: ImageHeader, task: ExaminationTask, result: Examined) -> CheckedImage | None:
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
    result.heard.objects += len(objects)
    if task.source.masks:
        checked = _check_outlines(checked, placed.image.unit, result.problems)
    if excess := _find_excess(checked, task.asked):
        result.problems.append(Problem("image_too_large", image.shown_path, excess, named_image.source_id or ""))
        return None
    if task.asked.tiling and tiles.needs_tiling(checked.header, task.asked.tiling):
        checked = _cut_tiles(checked, task.asked.tiling, result.problems)
        if not checked.tiles:
            return None
    if task.asked.max_side:
        checked = _shrink(checked, task.asked.max_side, result.problems)
    if task.compares:
        result.statements.append(make_statement(checked, changes))
    return checked


def _note_classes(objects: Iterable[ObjectAnnotation], file: Path, result: Examined) -> None:
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


def _find_excess(checked: CheckedImage, asked: PassSettings) -> str:
    """What is too much of an image whose pixels have to be decoded to write it; an empty text where nothing is."""
    header, fixed, tiling = checked.header, checked.fixed, asked.tiling
    is_tiled = tiles.needs_tiling(header, tiling)
    is_shrunk = bool(asked.max_side and shrinking.find_shrunk_size((header.width, header.height), asked.max_side))
    if not is_tiled and not is_shrunk and not fixed and header.written_as_is:
        return ""
    if header.width * header.height > pillow.MOST_PIXELS and not ((is_tiled or is_shrunk) and header.in_rows):
        return f"{header.width}x{header.height} pixels, of at most {pillow.MOST_PIXELS:,} that can be decoded"
    rows = None
    if is_shrunk:
        rows = shrinking.count_rows(checked.image.extent, header)
    elif tiling and is_tiled and tiles.is_cut_by_rows(checked.image.extent, header, fixed=fixed):
        rows = tiling.size
    try:
        with reserve_memory(header, fixed=fixed, rows=rows):
            return ""
    except ImageError as error:
        return error.detail


def _cut_tiles(checked: CheckedImage, tiling: Tiling, problems: list[Problem]) -> CheckedImage:
    """The image with its tiles; without any where nothing of it is kept."""
    image, header = checked.image, checked.header
    image_tiles, tile_problems = tiles.cut_tiles(image, header, tiling)
    problems.extend(replace(problem, image=image.source_id or "") for problem in tile_problems)
    return replace(checked, tiles=image_tiles)


def _shrink(checked: CheckedImage, max_side: int, problems: list[Problem]) -> CheckedImage:
    """The image with the size that it is to be written with, where that is another than its own."""
    image, old = checked.image, (checked.header.width, checked.header.height)
    new = shrinking.find_shrunk_size(old, max_side)
    if new is None:
        return checked
    sizes = f"{old[0]}x{old[1]} to {new[0]}x{new[1]}"
    problems.append(Problem("image_shrunk", image.shown_path, sizes, image.source_id or ""))
    share = max(new) / max(old)
    for item in image.objects:
        across, down = item.box.xmax - item.box.xmin, item.box.ymax - item.box.ymin
        if max(across, down) * share < 1 <= max(across, down):  # what was below before has been told
            detail = f"a box of {item.label} of {across:g}x{down:g} pixels in {image.name}, {sizes}"
            problems.append(Problem("shrunk_tiny", image.source, detail, image.source_id or ""))
    return replace(checked, shrunk=new)


def _find_group(image: AnnotatedImage, task: ExaminationTask, problems: list[Problem]) -> str | None:
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
        size=_estimate_bytes(checked),
        group=None if group is None else hash_id(group),
        fingerprint=header.fingerprint,
        labels=dict.fromkeys([item.label for item in written_objects]),
    )


def _estimate_bytes(checked: CheckedImage) -> int:
    """About what the image takes in its record, by which images are parted among shards."""
    header = checked.header
    if checked.shrunk is None:
        return header.bytes
    share = checked.shrunk[0] * checked.shrunk[1] / (header.width * header.height)
    # A smaller photograph has more detail in each pixel, and is compressed less than most are: twice the bytes a pixel.
    return max(1, round(header.bytes * min(1.0, 2 * share)))


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
