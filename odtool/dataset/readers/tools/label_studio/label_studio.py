"""Label Studio JSON: full exports, JSON-MIN, and the single annotations that it puts into a storage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from odtool.dataset.images import masks
from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, shapes, values
from odtool.dataset.readers.common.image_lists import Entry, Listing, documents_of, first_like, spellings
from odtool.dataset.readers.tools.label_studio import brush
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Outline, Source
from odtool.errors import DataError

_MARKS = (
    b'"was_cancelled"',
    b'"rectanglelabels"',
    b'"polygonlabels"',
    b'"ellipselabels"',
    b'"brushlabels"',
    b'"original_width"',
    b'"annotation_id"',
)
_IMAGE_KEYS = ("image", "img", "image_url", "imageurl", "url", "picture", "photo")
"""Names that templates give the image in `data`, the likeliest first; any other that holds an image's path will do."""
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""
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
class _Task:
    """One image and the results of the one annotation of it that is used."""

    name: str
    data: dict[str, Any]
    results: list[Any]


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Label Studio's, or None."""
    found = first_like(path, ".json", _looks_like)
    return f"{found} has Label Studio's tasks" if found else None


def _looks_like(path: Path) -> bool:
    """A full export has tasks with `data`, JSON-MIN the sizes or an annotation's id beside the image."""
    if path.suffix.lower() != ".json":
        return False
    text = parsing.ends(path)
    return any(mark in text for mark in _MARKS) and (
        text.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[" or b'"task"' in text
    )


def read(source: Source) -> Iterator[Finding]:
    """Every task that someone has annotated."""
    found = documents_of(source, ".json", _looks_like)
    for file in found.files:
        yield from found.findings(file, parse(parsing.read_bytes(file), file))


def parse(data: bytes, path: Path) -> Listing:
    """Parses an export's bytes; `path` is only named in errors. Boxes are fractions, envelopes of what is turned.

    Raises:
        DataError: it is not JSON, or not as Label Studio writes it.
    """
    document = parsing.json_of(data, path)
    items = document if isinstance(document, list) else [document]
    problems: list[tuple[str, str]] = []
    tasks = []
    shortened: dict[str, _Task] = {}
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise _wrong(path, f"task {number + 1} is no object")
        if isinstance(item.get("task"), dict) and "result" in item:
            item = {**item["task"], "annotations": [item]}  # noqa: PLW2901 - a single annotation names its task
        if isinstance(item.get("data"), dict):
            if (task := _full(item, number, path, problems)) is not None:
                tasks.append(task)
            continue
        name, short = _shortened(item, number)
        if name in shortened:
            problems.append(("annotation_superseded", f"{name} is annotated more than once; the last is used"))
        shortened[name] = short
    entries = [_entry(task, path, problems) for task in [*tasks, *shortened.values()]]
    return Listing(tuple(entry for entry in entries if entry is not None), tuple(problems))


def _full(item: dict[str, Any], number: int, path: Path, problems: list[tuple[str, str]]) -> _Task | None:
    """A task with the ground truth among its annotations, else the newest that was not cancelled."""
    name = f"task {item.get('id', number + 1)}"
    annotations = item.get("annotations", item.get("completions", []))  # the name before version 1.0
    if not isinstance(annotations, list) or not all(isinstance(annotation, dict) for annotation in annotations):
        raise _wrong(path, f"{name}: annotations is no list of objects")
    kept = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if len(kept) < len(annotations):
        problems.append(("entry_ignored", f"{name}: {len(annotations) - len(kept)} cancelled annotations"))
    if not kept:
        problems.append(("annotation_missing", f"{name} has no annotation"))
        return None
    if item.get("predictions") and isinstance(item["predictions"], list):
        problems.append(("entry_ignored", f"{name}: {len(item['predictions'])} predictions"))
    kept.sort(
        key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or one.get("created_at") or ""))
    )
    if len(kept) > 1:
        chosen = "the ground truth" if kept[-1].get("ground_truth") else "the newest"
        problems.append(("annotation_superseded", f"{name} has {len(kept)} annotations; {chosen} is used"))
    results = kept[-1].get("result") or []
    if not isinstance(results, list):
        raise _wrong(path, f"{name}: result is no list")
    upload = item.get("file_upload")
    return _Task(name, item["data"] | ({"file_upload": upload} if isinstance(upload, str) else {}), results)


def _shortened(item: dict[str, Any], number: int) -> tuple[str, _Task]:
    """A task of JSON-MIN: regions stand under the names of their tags, without being told apart from other lists."""
    results: list[Any] = []
    for value in item.values():
        if isinstance(value, list) and value and all(isinstance(region, dict) for region in value):
            results += [{"value": region, **region} for region in value]
    name = f"task {item.get('id', number + 1)}"
    return name, _Task(name, item, results)


def _entry(task: _Task, path: Path, problems: list[tuple[str, str]]) -> Entry | None:
    reference = _reference(task.data)
    if reference is None:
        problems.append(("entry_ignored", f"{task.name} names no image"))
        return None
    labels = _labels_by_region(task.results)
    objects: list[ObjectAnnotation] = []
    size = None
    for number, result in enumerate(task.results, start=1):
        if not isinstance(result, dict):
            raise _wrong(path, f"{task.name}: result {number} is no object")
        found = _objects(result, labels, f"{task.name}: result {number}", path, problems)
        objects.extend(found)
        size = size or values.size(result.get("original_width"), result.get("original_height"))
    return Entry(_names(reference, task.data.get("file_upload")), tuple(objects), size, "fraction")


def _labels_by_region(results: list[Any]) -> dict[str, list[str]]:
    """Where shapes and labels are two tags, two results of one id speak of a region."""
    found = {}
    for result in results:
        if isinstance(result, dict) and isinstance(result.get("id"), str) and (labels := _labels(result)):
            found[result["id"]] = labels
    return found


def _labels(result: dict[str, Any]) -> list[str]:
    value = result.get("value")
    lists = [value.get(key) for key in _WITH_BOX] if isinstance(value, dict) else []
    return [label.strip() for listed in lists if isinstance(listed, list) for label in listed
            if isinstance(label, str) and label.strip()]  # fmt: skip


def _objects(
    result: dict[str, Any], by_region: dict[str, list[str]], where: str, path: Path, problems: list[tuple[str, str]]
) -> Iterator[ObjectAnnotation]:
    value = result.get("value")
    kind = result.get("type") or _kind(value)
    if kind in _WITHOUT_BOX:
        problems.append(("shape_skipped", f"{where} is of type {kind}"))
        return
    labels = _labels(result)
    region = result.get("id") if isinstance(result.get("id"), str) else None
    if kind not in _WITH_BOX or not isinstance(value, dict):
        return  # choices, ratings, texts and relations say nothing of a box
    if not labels and region in by_region:
        return  # the result with the labels bears the same shape
    try:
        box, outline = _brushed(value, result) if "rle" in value else _drawn(value, result, where, path)
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


def _kind(value: Any) -> str | None:
    """JSON-MIN has no types; the list of labels tells."""
    known = (*_WITHOUT_BOX, *_WITH_BOX)
    return next((key for key in known if key in value), None) if isinstance(value, dict) else None


def _brushed(value: dict[str, Any], result: dict[str, Any]) -> tuple[Box | None, Outline | None]:
    """The box around what was brushed, and the mask; raises ValueError where its run lengths are none."""
    size = values.size(result.get("original_width"), result.get("original_height"))
    if size is None:
        raise ValueError("no original_width and original_height")
    mask = brush.decoded(value["rle"], *size)
    box, (width, height) = masks.box_of(mask), size
    if box is None:
        return None, None
    fractions = Box(box.xmin / width, box.ymin / height, box.xmax / width, box.ymax / height)
    return fractions, masks.pasted(mask, (0, 0), size)


def _drawn(value: dict[str, Any], result: dict[str, Any], where: str, path: Path) -> tuple[Box | None, Outline | None]:
    """The box of a shape, and of a polygon the outline."""
    corners = values.points(value.get("points"))
    outline = masks.polygon((x / 100, y / 100) for x, y in corners) if corners else None
    return _box(value, result, where, path), outline


def _box(value: dict[str, Any], result: dict[str, Any], where: str, path: Path) -> Box | None:
    """As fractions; what is turned is turned in pixels, as a per cent is not as long across as down."""
    turn = values.number(value.get("rotation")) or 0.0
    width, height = values.size(result.get("original_width"), result.get("original_height")) or (0, 0)
    if turn and not width:
        raise _wrong(path, f"{where} is turned by {turn:g} degrees, but says no original_width and original_height")
    across, down = (width or 1) / 100, (height or 1) / 100
    if (corners := values.points(value.get("points"))) is not None:
        box = shapes.envelope((x * across, y * down) for x, y in corners)
    elif (round_ := values.fields(value, "x", "y", "radiusX", "radiusY")) is not None:
        x, y, radius_x, radius_y = round_
        box = shapes.ellipse((x * across, y * down), (radius_x * across, radius_y * down), turn)
    elif (square := values.fields(value, "x", "y", "width", "height")) is not None:
        x, y, wide, high = square
        box = shapes.rotated(x * across, y * down, wide * across, high * down, turn)
    else:
        return None
    return Box(box.xmin / (width or 1), box.ymin / (height or 1), box.xmax / (width or 1), box.ymax / (height or 1))


def _reference(data: dict[str, Any]) -> str | None:
    """The image's path or URL: under a usual name, else under any that holds something like an image's."""
    texts = {key: value.strip() for key, value in data.items() if isinstance(value, str) and value.strip()}
    named = [texts[key] for key in _IMAGE_KEYS if key in texts]
    alike = [text for text in texts.values() if text.partition("?")[0].lower().endswith(EXTENSIONS)]
    served = [text for text in texts.values() if text.startswith(("/data/", "s3://", "gs://", "azure-blob://"))]
    found = next(iter([*named, *alike, *served]), None)
    return texts.get("file_upload", "embedded image") if found and found.startswith("data:") else found


def _names(reference: str, upload: Any) -> tuple[str, ...]:
    """What the file may be called, with the path that the server has it under and with the upload's prefix or not."""
    made = []
    try:
        parts = urlsplit(reference)
        wanted = parse_qs(parts.query).get("d", []) if parts.path.endswith("/data/local-files/") else []
    except ValueError:  # a bracket in the wrong place, as in a host name
        wanted = []
    spelt = [*wanted, *(spellings(reference) if not wanted else ())]
    for name in [*spelt, *([upload] if isinstance(upload, str) else [])]:
        made.append(name)
        folder, _, last = name.rpartition("/")
        if (bare := _UPLOAD_PREFIX.sub("", last)) != last:
            made += [last, f"{folder}/{bare}" if folder and not folder.startswith("/data/upload") else bare]
    return tuple(dict.fromkeys(made)) or (reference,)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as Label Studio has it. Export it as JSON or JSON-MIN.")
