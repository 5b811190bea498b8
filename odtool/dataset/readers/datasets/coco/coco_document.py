"""COCO JSON as data: images with their boxes, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.images import keypoints, masks
from odtool.dataset.images.masks import parse_coco
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.types import Box, Keypoint, ObjectAnnotation

_TOOL = "COCO"


@dataclass(frozen=True)
class CocoImage:
    """One entry of `images` with its annotations."""

    id: str
    file_name: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]


@dataclass(frozen=True)
class CocoFile:
    """What one JSON file says."""

    images: tuple[CocoImage, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""
    unused: frozenset[str] = frozenset()
    """Classes without an object in this file, such as Roboflow's dummy root category."""
    used: frozenset[str] = frozenset()
    skip: str = ""
    """Why there is nothing to be read from it, or ''."""


def parse(data: bytes, path: Path, *, with_outlines: bool = False, with_points: bool = False) -> CocoFile:
    """Parses a JSON file's bytes, perhaps with objects' outlines and keypoints; `path` is only named in errors.

    Raises:
        AnnotationError: it is not JSON, or its lists are not there. Entries that contradict the format are problems.
    """
    document = parsing.parse_json(data, path)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise parsing.unexpected_json(_TOOL, path, "has no list 'images'")
    if "annotations" not in document:
        return CocoFile((), (), skip=f"has no list 'annotations', but {', '.join(map(str, document))[:80]}")
    annotations = document["annotations"]
    if not isinstance(annotations, list):
        raise parsing.unexpected_json(_TOOL, path, "'annotations' is not a list")
    if annotations and not any(isinstance(item, dict) and _has_box(item) for item in annotations):
        return CocoFile((), (), skip="has no boxes (captions, labels or panoptic segments)")
    if not annotations and not document.get("categories"):
        return CocoFile((), (), skip="has neither annotations nor categories")
    problems: list[tuple[str, str]] = []
    names = _parse_categories(document.get("categories"), path, problems)
    point_names = _parse_keypoint_names(document["categories"], annotations) if with_points else []
    images, entries = _parse_images(document["images"], path, problems)
    parse_annotation = partial(_parse_annotation, names=names, point_names=point_names, with_outlines=with_outlines)
    objects, broken_images = _group_by_image(annotations, entries, path, problems, parse_annotation)
    for image_id in broken_images - objects.keys():
        images.pop(image_id, None)  # an image that lost all its objects is no background
    problems += _report_unread(document, annotations, with_points=with_points)
    used_classes = {item.label for annotation in objects.values() for item in annotation}
    return CocoFile(
        tuple(CocoImage(key, name, size, tuple(objects.get(key, ()))) for key, (name, size) in images.items()),
        tuple(problems),
        frozenset(names.values()) - used_classes,
        frozenset(used_classes),
    )


def _group_by_image(
    annotations: list[Any],
    entries: Mapping[str, str],
    path: Path,
    problems: list[tuple[str, str]],
    parse_annotation: Callable[[dict[str, Any], Path, int, list[tuple[str, str]]], ObjectAnnotation | None],
) -> tuple[dict[str, list[ObjectAnnotation]], set[str]]:
    """Objects by the id of their image, and the ids of images of which an annotation is broken."""
    objects: dict[str, list[ObjectAnnotation]] = {}
    broken_images: set[str] = set()
    skipping = Skipping(problems)
    for number, item in enumerate(annotations):
        image_id, is_whole = "", False
        with skipping:
            image_id = _find_image_id(item, entries, path, number)
            annotation = parse_annotation(item, path, number, problems)
            if annotation is not None and image_id:
                objects.setdefault(image_id, []).append(annotation)
            elif annotation is not None:
                problems.append(("image_missing", _describe_orphan(item, number)))
            is_whole = True
        if not is_whole:
            broken_images.add(image_id)
    return objects, broken_images


def _parse_annotation(
    item: dict[str, Any],
    path: Path,
    number: int,
    problems: list[tuple[str, str]],
    *,
    names: dict[str, str],
    point_names: list[str],
    with_outlines: bool,
) -> ObjectAnnotation | None:
    annotation = _parse_object(item, names, path, number, problems)
    if annotation is not None and with_outlines:
        annotation = replace(annotation, outline=parse_coco(item.get("segmentation")))
    if annotation is not None and point_names:
        annotation = replace(annotation, keypoints=_parse_keypoints(item, point_names, path, number))
    return annotation


def _find_image_id(item: Any, entries: Mapping[str, str], path: Path, number: int) -> str:
    if not isinstance(item, dict):
        raise parsing.unexpected_json(_TOOL, path, f"annotations[{number}] is not an object")
    return entries.get(_parse_id(item.get("image_id")), "")


def _describe_orphan(item: dict[str, Any], number: int) -> str:
    return f"annotation {item.get('id', number)} belongs to image {item.get('image_id')}, which is not in 'images'"


def _has_box(item: dict[str, Any]) -> bool:
    return bool(item.get("bbox") or item.get("segmentation"))


def _report_unread(document: dict[str, Any], annotations: list[Any], *, with_points: bool) -> Iterator[tuple[str, str]]:
    """What a file has that is not read: keypoints, and LVIS's word that objects of some classes are not annotated."""
    if not with_points and (count := sum(map(_has_keypoints, annotations))):
        yield "keypoints_dropped", f"{count} of {len(annotations)} annotations have keypoints"
    if count := sum(map(_is_partly_annotated, document["images"])):
        detail = f"not_exhaustive_category_ids of {count} images, in which some objects are not annotated (LVIS)"
        yield "entry_ignored", detail


def _is_partly_annotated(item: Any) -> bool:
    return isinstance(item, dict) and bool(item.get("not_exhaustive_category_ids"))


def _has_keypoints(item: Any) -> bool:
    """Whether any is marked: those that are not stand there as zeros."""
    points = item.get("keypoints") if isinstance(item, dict) else None
    return isinstance(points, list) and any(points)


def _parse_keypoint_names(categories: list[dict[str, Any]], annotations: list[Any]) -> list[str]:
    """Of the category with most keypoints; where none names any, '' for each of the annotation with most."""
    name_lists = [item.get("keypoints") for item in categories]
    longest = max((names for names in name_lists if isinstance(names, list)), key=len, default=[])
    return [str(name) for name in longest] or [""] * max(map(_count_keypoints, annotations), default=0)


def _count_keypoints(item: Any) -> int:
    points = item.get("keypoints") if isinstance(item, dict) else None
    return len(points) // 3 if isinstance(points, list) else 0


def _parse_keypoints(item: dict[str, Any], names: list[str], path: Path, number: int) -> tuple[Keypoint, ...]:
    """An object's keypoints, and after them the others of the file, so that all objects have as many.

    In COCO each is x, y and a visibility, for the names of its category.
    """
    triples = item.get("keypoints") or []
    numbers = [_parse_number(value) for value in triples] if isinstance(triples, list) else [None]
    if None in numbers or len(numbers) % 3 or len(numbers) > 3 * len(names):
        what = f"annotations[{number}]: keypoints are not up to {len(names)} times x, y and visibility"
        raise parsing.unexpected_json(_TOOL, path, f"{what}: {str(triples)[:80]}")
    coordinates = [float(value or 0) for value in numbers]
    rows = zip(coordinates[::3], coordinates[1::3], coordinates[2::3], names, strict=False)
    points = [Keypoint(x, y, max(int(visibility), 0), name) for x, y, visibility, name in rows]
    return keypoints.fill_missing(points, names)


def _parse_categories(items: Any, path: Path, problems: list[tuple[str, str]]) -> dict[str, str]:
    """Names by id."""
    if items is None:
        hint = "Add it: an id and a name for each class."
        raise AnnotationError(path, "has no list 'categories', which names the classes", hint)
    if not isinstance(items, list):
        raise parsing.unexpected_json(_TOOL, path, "'categories' is not a list")
    names: dict[str, str] = {}
    skipping = Skipping(problems)
    for number, item in enumerate(items):
        with skipping:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str | int) or "id" not in item:
                raise parsing.unexpected_json(_TOOL, path, f"categories[{number}] has no id or name")
            if names.setdefault(_parse_id(item["id"]), str(item["name"]).strip()) != str(item["name"]).strip():
                raise parsing.unexpected_json(_TOOL, path, f"two categories have id {item['id']}")
    problems += [("class_repeated", detail) for detail in parsing.describe_repeated_names(names)]
    return names


def _parse_images(
    items: list[Any], path: Path, problems: list[tuple[str, str]]
) -> tuple[dict[str, tuple[str, tuple[int, int] | None]], dict[str, str]]:
    """File names and declared sizes by id, and for each id that of the first entry with its file."""
    skipping = Skipping(problems)
    images: dict[str, tuple[str, tuple[int, int] | None]] = {}
    first: dict[str, str] = {}
    entries: dict[str, str] = {}
    for number, item in enumerate(items):
        with skipping:
            name = _parse_file_name(item) if isinstance(item, dict) else ""
            if not name or "id" not in item:
                raise parsing.unexpected_json(_TOOL, path, f"images[{number}] has no id or file_name")
            key = _parse_id(item["id"])
            if key in images and images[key][0] != name:
                raise parsing.unexpected_json(_TOOL, path, f"two images have id {key}: {images[key][0]} and {name}")
            entries[key] = first.setdefault(name, key)
            if entries[key] == key:
                images[key] = (name, _parse_size(item.get("width"), item.get("height")))
    return images, entries


def _parse_file_name(item: dict[str, Any]) -> str:
    """LVIS has addresses in place of names; the last two parts of one are folder and file."""
    if isinstance(name := item.get("file_name"), str):
        return name
    address = item.get("coco_url")
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) else ""


def _parse_size(width: Any, height: Any) -> tuple[int, int] | None:
    return values.parse_size(_parse_number(width), _parse_number(height))


def _parse_object(
    item: dict[str, Any], names: dict[str, str], path: Path, number: int, problems: list[tuple[str, str]]
) -> ObjectAnnotation | None:
    where = f"annotation {item.get('id', number)}"
    box = _parse_box(item, where, path)
    if box is None:
        problems.append(("box_missing", f"{where} has no bbox and no segmentation to take one from"))
        return None
    if item.get("category_id") is None:
        problems.append(("label_missing", f"{where} has no category_id"))
        return None
    label = names.get(_parse_id(item["category_id"]))
    if not label:
        what = f"{where} has category_id {item['category_id']}, which is not in 'categories'"
        raise faults.undefined_class(path, what)
    area = _parse_number(item.get("area"))
    return ObjectAnnotation(
        label,
        box,
        enclosed=not item.get("bbox"),
        is_crowd=item.get("iscrowd") is True or _parse_number(item.get("iscrowd")) == 1,
        area=area if area is not None and 0 < area < float("inf") else None,
    )


def _parse_box(item: dict[str, Any], where: str, path: Path) -> Box | None:
    """The bbox; without one that of the segmentation, as COCO's own tools make it."""
    bbox = item.get("bbox")
    if not bbox:
        outline = parse_coco(item.get("segmentation"))
        return masks.enclose_outline(outline) if outline else None
    numbers = [_parse_number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(numbers) != 4 or None in numbers:
        raise parsing.unexpected_json(_TOOL, path, f"{where}: bbox is not four numbers: {str(bbox)[:80]}")
    x, y, width, height = (float(value or 0) for value in numbers)
    return Box(x, y, x + width, y + height)


def _parse_number(value: Any) -> float | None:
    """Some writers have numbers as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return values.parse_number(value)


def _parse_id(value: Any) -> str:
    """Some writers give an id as a number in one place and as text in the other, or as 1.0 (pandas)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
