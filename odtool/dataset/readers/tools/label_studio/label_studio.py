"""Label Studio JSON: full exports, JSON-MIN, and the single annotations that it puts into a storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import faults, parsing, shapes, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, read_long_documents
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow, weigh
from odtool.dataset.readers.tools.label_studio import brush, references
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Outline, Source

_MARKS = (
    b'"was_cancelled"',
    b'"rectanglelabels"',
    b'"polygonlabels"',
    b'"ellipselabels"',
    b'"brushlabels"',
    b'"original_width"',
    b'"annotation_id"',
)
_WEIGHT = 5
"""Results as they are written take as much memory as so many boxes."""
_WITHOUT_BOX = ("keypointlabels", "keypoint", "vectorlabels", "vector", "bitmasklabels", "bitmask")
_WITH_BOX = (
    "rectanglelabels",
    "polygonlabels",
    "ellipselabels",
    "brushlabels",
    "labels",
    "rectangle",
    "polygon",
    "ellipse",
    "brush",
)


@dataclass(frozen=True)
class _StudioTask:
    """One image and the results of the one annotation of it that is used."""

    name: str
    data: dict[str, Any]
    results: list[Any]


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Label Studio's, or None."""
    return find_evidence(path, ".json", _looks_like, "has Label Studio's tasks")


def _looks_like(path: Path) -> bool:
    """A full export has tasks with `data`, JSON-MIN the sizes or an annotation's id beside the image."""
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    return any(mark in text for mark in _MARKS) and (
        text.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[" or b'"task"' in text
    )


def read(source: Source) -> Iterator[Finding]:
    """Every task that someone has annotated."""
    yield from read_long_documents(source, ".json", _looks_like, parse)


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """The images of an export. Boxes are fractions, envelopes of what is turned.

    Raises:
        DataError: it is not as Label Studio writes it.
    """
    path, problems = document.path, LongList[tuple[str, str]](overflow)
    tasks, shortened = LongList[_StudioTask](overflow), LongList[_StudioTask](overflow)
    last: dict[str, int] = {}
    for number, item in enumerate(document.iterate() if document.is_list() else [document.load()]):
        own: list[tuple[str, str]] = []
        with Skipping(own):
            task, is_short = _read_item(item, number, path, own)
            if task is not None and is_short:
                if task.name in last:
                    own.append(("annotation_superseded", f"{task.name} is annotated more than once; the last is used"))
                last[task.name] = len(shortened)
            if task is not None:
                (shortened if is_short else tasks).append(task, 1 + len(task.results) * _WEIGHT)
        for problem in own:
            problems.append(problem)
    entries = LongList[ImageEntry](overflow)
    current = (task for number, task in enumerate(shortened) if last[task.name] == number)
    for task in chain(tasks, current):
        own = []
        entry = _make_entry(task, path, own)
        if entry is not None and not faults.is_nothing_left(entry.objects, own):
            entries.append(entry, 1 + sum(map(weigh, entry.objects)))
        for problem in own:
            problems.append(problem)
    return Listing(entries, problems)


def _read_item(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> tuple[_StudioTask | None, bool]:
    """The task of one item, if it is annotated, and whether it is one of JSON-MIN."""
    if not isinstance(item, dict):
        raise _format_error(path, f"task {number + 1} is not an object")
    if isinstance(item.get("task"), dict) and "result" in item:
        item = {**item["task"], "annotations": [item]}  # a single annotation names its task
    if isinstance(item.get("data"), dict):
        return _parse_task(item, number, path, problems), False
    return _parse_short_task(item, number), True


def _parse_task(item: dict[str, Any], number: int, path: Path, problems: list[tuple[str, str]]) -> _StudioTask | None:
    """A task with the ground truth among its annotations, else the newest that was not cancelled."""
    name = f"task {item.get('id', number + 1)}"
    annotations = item.get("annotations", item.get("completions", []))  # the name before version 1.0
    if not isinstance(annotations, list) or not all(isinstance(annotation, dict) for annotation in annotations):
        raise _format_error(path, f"{name}: annotations is not a list of objects")
    valid = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if len(valid) < len(annotations):
        problems.append(("entry_ignored", f"{name}: {len(annotations) - len(valid)} cancelled annotations"))
    if not valid:
        problems.append(("annotation_missing", f"{name} has no annotation"))
        return None
    if item.get("predictions") and isinstance(item["predictions"], list):
        problems.append(("entry_ignored", f"{name}: {len(item['predictions'])} predictions"))
    valid.sort(
        key=lambda item: (bool(item.get("ground_truth")), str(item.get("updated_at") or item.get("created_at") or ""))
    )
    if len(valid) > 1:
        reason = "the ground truth" if valid[-1].get("ground_truth") else "the newest"
        problems.append(("annotation_superseded", f"{name} has {len(valid)} annotations; {reason} is used"))
    results = valid[-1].get("result") or []
    if not isinstance(results, list):
        raise _format_error(path, f"{name}: result is not a list")
    upload = item.get("file_upload")
    return _StudioTask(name, item["data"] | ({"file_upload": upload} if isinstance(upload, str) else {}), results)


def _parse_short_task(item: dict[str, Any], number: int) -> _StudioTask:
    """A task of JSON-MIN: regions stand under the names of their tags, where other lists may stand too."""
    results: list[Any] = []
    for value in item.values():
        if isinstance(value, list) and value and all(isinstance(region, dict) for region in value):
            results += [{"value": region, **region} for region in value]
    return _StudioTask(f"task {item.get('id', number + 1)}", item, results)


def _make_entry(task: _StudioTask, path: Path, problems: list[tuple[str, str]]) -> ImageEntry | None:
    reference = references.find_reference(task.data)
    if reference is None:
        if references.has_several_images(task.data):
            problems.append(("task_skipped", f"{task.name} has a list of images, as a Repeater shows them"))
        else:
            problems.append(("entry_ignored", f"{task.name} names no image"))
        return None
    labels = _index_labels(task.results)
    objects: list[ObjectAnnotation] = []
    size = None
    turns, skipping = set[float](), Skipping(problems)
    for number, result in enumerate(task.results, start=1):
        with skipping:
            if not isinstance(result, dict):
                raise _format_error(path, f"{task.name}: result {number} is not an object")
            objects.extend(_parse_objects(result, labels, f"{task.name}: result {number}", path, problems))
            turns.add(values.parse_number(result.get("image_rotation")) or 0.0)
            # Versions before 1.0 swap the sides of an image that is turned sideways.
            if turns <= {0.0, 180.0}:
                size = size or values.parse_size(result.get("original_width"), result.get("original_height"))
    if turned := sorted(turns - {0.0}):
        # The whole stage turns with the image (Stage in its ImageView.jsx), so that regions stay in the stored image.
        problems.append(("image_turned", f"{task.name}: its image was turned by {turned[0]:g} degrees on the screen"))
    return ImageEntry(references.list_names(reference, task.data.get("file_upload")), tuple(objects), size, "fraction")


def _index_labels(results: list[Any]) -> dict[str, list[str]]:
    """Where shapes and labels are two tags, two results of one id speak of a region."""
    labels_by_region = {}
    for result in results:
        if isinstance(result, dict) and isinstance(result.get("id"), str) and (labels := _parse_labels(result)):
            labels_by_region[result["id"]] = labels
    return labels_by_region


def _parse_labels(result: dict[str, Any]) -> list[str]:
    value = result.get("value")
    lists = [value.get(key) for key in _WITH_BOX] if isinstance(value, dict) else []
    return [label.strip() for labels in lists if isinstance(labels, list) for label in labels
            if isinstance(label, str) and label.strip()]  # fmt: skip


def _parse_objects(
    result: dict[str, Any], by_region: dict[str, list[str]], where: str, path: Path, problems: list[tuple[str, str]]
) -> Iterator[ObjectAnnotation]:
    value = result.get("value")
    kind = result.get("type") or _guess_kind(value)
    if kind in _WITHOUT_BOX:
        problems.append(("shape_skipped", f"{where} is of type {kind}"))
        return
    labels = _parse_labels(result)
    region = result.get("id") if isinstance(result.get("id"), str) else None
    if kind not in _WITH_BOX or not isinstance(value, dict):
        return  # choices, ratings, texts and relations say nothing of a box
    if not labels and region in by_region:
        return  # the result with the labels bears the same shape
    try:
        box, outline = _parse_brush(value, result) if "rle" in value else _parse_shape(value, result, where, path)
    except ValueError as error:
        problems.append(("box_missing", f"{where} ({kind}): {error}"))
        return
    if box is None:
        problems.append(("box_missing", f"{where} ({kind}) has no shape with a box"))
    elif not labels:
        problems.append(("label_missing", f"{where} ({kind}) has no label"))
    else:
        if len(labels) > 1:
            problems.append(("labels_several", f"{where} has the labels {', '.join(labels)}"))
        yield from (ObjectAnnotation(label, box, outline=outline) for label in labels)


def _guess_kind(value: Any) -> str | None:
    """JSON-MIN has no types; the list of labels tells."""
    kinds = (*_WITHOUT_BOX, *_WITH_BOX)
    return next((key for key in kinds if key in value), None) if isinstance(value, dict) else None


def _parse_brush(value: dict[str, Any], result: dict[str, Any]) -> tuple[Box | None, Outline | None]:
    """The box around what was brushed, and the mask; raises ValueError where its run lengths are none."""
    size = values.parse_size(result.get("original_width"), result.get("original_height"))
    if size is None:
        raise ValueError("no original_width and original_height")
    mask = brush.decode_stroke(value["rle"], *size)
    box, (width, height) = masks.find_box(mask), size
    if box is None:
        return None, None
    fractions = Box(box.xmin / width, box.ymin / height, box.xmax / width, box.ymax / height)
    return fractions, masks.paste_mask(mask, (0, 0), size)


def _parse_shape(
    value: dict[str, Any], result: dict[str, Any], where: str, path: Path
) -> tuple[Box | None, Outline | None]:
    """The box of a shape, and of a polygon the outline."""
    corners = values.parse_points(value.get("points"))
    outline = masks.make_polygon((x / 100, y / 100) for x, y in corners) if corners else None
    return _parse_box(value, result, where, path), outline


def _parse_box(value: dict[str, Any], result: dict[str, Any], where: str, path: Path) -> Box | None:
    """As fractions; what is turned is turned in pixels, as a per cent is not as long across as down."""
    turn = values.parse_number(value.get("rotation")) or 0.0
    width, height = values.parse_size(result.get("original_width"), result.get("original_height")) or (0, 0)
    if turn and not width:
        raise _format_error(
            path, f"{where} is rotated by {turn:g} degrees, but has no original_width and original_height"
        )
    across, down = (width or 1) / 100, (height or 1) / 100
    if (corners := values.parse_points(value.get("points"))) is not None:
        box = shapes.enclose_points((x * across, y * down) for x, y in corners)
    elif (round_ := values.parse_fields(value, "x", "y", "radiusX", "radiusY")) is not None:
        x, y, radius_x, radius_y = round_
        box = shapes.enclose_ellipse((x * across, y * down), (radius_x * across, radius_y * down), turn)
    elif (square := values.parse_fields(value, "x", "y", "width", "height")) is not None:
        x, y, wide, high = square
        box = shapes.enclose_rotated(x * across, y * down, wide * across, high * down, turn)
    else:
        values.refuse_words(value, ("x", "y", "width", "height", "radiusX", "radiusY", "points"), where, path)
        return None
    return Box(box.xmin / (width or 1), box.ymin / (height or 1), box.xmax / (width or 1), box.ymax / (height or 1))


def _format_error(path: Path, what: str) -> AnnotationError:
    return parsing.unexpected_json("Label Studio", path, what)
