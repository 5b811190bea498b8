"""COCO JSON as data: images with their boxes, and what is wrong with them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from odtool.dataset.images import keypoints, masks
from odtool.dataset.images.masks import parse_coco
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import ObjectGroups
from odtool.dataset.types import Box, Keypoint, ObjectAnnotation

_TOOL = "COCO"


KEYS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class CocoImage:
    """One entry of `images` with its annotations."""

    id: str
    file_name: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]


class CocoFile:
    """What one JSON file says: its images at once, their objects when they are asked for.

    Each image takes some hundred bytes of memory; objects are brought together on disk where they are many.

    Raises:
        AnnotationError: a list is not there. Entries that contradict the format are problems.
    """

    def __init__(
        self,
        document: JsonDocument,
        objects: ObjectGroups[ObjectAnnotation],
        *,
        with_outlines: bool = False,
        with_points: bool = False,
    ) -> None:
        self._document, self._objects, self._path = document, objects, document.path
        self._with_outlines, self._with_points = with_outlines, with_points
        self.skip = _find_reason_to_skip(document)
        """Why there is nothing to be read from it, or ''."""
        self.used: set[str] = set()
        """Classes of its objects, once the problems are known."""
        self._problems: list[tuple[str, str]] = []
        """What was met before the annotations."""
        self._lost_images: set[int] = set()
        """Images of which an annotation is broken."""
        if self.skip:
            return
        self._names, point_names = _parse_categories(document.read("categories"), self._path, self._problems)
        self._point_names = _choose_point_names(point_names, document) if with_points else []
        self.images = _parse_images(document.iterate("images"), self._path, self._problems)
        """File names, declared sizes and ids of the images."""

    @property
    def unused(self) -> set[str]:
        """Classes without an object in this file, such as Roboflow's dummy root category."""
        return set(self._names.values()) - self.used

    def collect_objects(self) -> Iterator[tuple[str, str]]:
        """Reads the annotations; yields kind and detail of each problem of the file."""
        yield from self._problems
        problems: list[tuple[str, str]] = []
        skipping, count, with_points = Skipping(problems), 0, 0
        for number, item in enumerate(self._document.iterate("annotations")):
            count, with_points = count + 1, with_points + _has_keypoints(item)
            image, is_whole = None, False
            with skipping:
                image = _find_image(item, self.images.positions, self._path, number)
                self._add_object(image, item, number, problems)
                is_whole = True
            if not is_whole and image is not None:
                self._lost_images.add(image)
            yield from problems
            problems.clear()
        if with_points and not self._with_points:
            yield "keypoints_dropped", f"{with_points} of {count} annotations have keypoints"
        if self.images.partly_annotated:
            where = f"not_exhaustive_category_ids of {self.images.partly_annotated} images"
            yield "entry_ignored", f"{where}, in which some objects are not annotated (LVIS)"

    def __iter__(self) -> Iterator[CocoImage]:
        """The images with their objects, but for those that lost all of them to faults: they are no background."""
        groups = chain(self._objects, [(-1, list[ObjectAnnotation]())])
        position, objects = next(groups)
        for number, image_id, name, size in self.images:
            if number == position:
                yield CocoImage(image_id, name, size, tuple(objects))
                position, objects = next(groups)
            elif number not in self._lost_images:
                yield CocoImage(image_id, name, size, ())

    def _add_object(
        self, image: int | None, item: dict[str, Any], number: int, problems: list[tuple[str, str]]
    ) -> None:
        annotation = _parse_annotation(
            item,
            self._path,
            number,
            problems,
            names=self._names,
            point_names=self._point_names,
            with_outlines=self._with_outlines,
        )
        if annotation is None:
            return
        if image is None:
            problems.append(("image_missing", _describe_orphan(item, number)))
            return
        self.used.add(annotation.label)
        self._objects.add(image, annotation)


class CocoImages:
    """The entries of `images`, one for each file; those that follow for the same file are the first one."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        """Number of an image by each of its ids."""
        self.names: list[str] = []
        self.partly_annotated = 0
        """How many say themselves that objects of some classes are not annotated."""
        self._by_name: dict[str, int] = {}
        self._ids: list[str] = []
        self._sizes = array("q")

    def __iter__(self) -> Iterator[tuple[int, str, str, tuple[int, int] | None]]:
        """Number, id, file name and declared size of each."""
        for number, (image_id, name) in enumerate(zip(self._ids, self.names, strict=True)):
            yield number, image_id, name, self._get_size(number)

    def get_size(self, name: str) -> tuple[int, int] | None:
        """The size that is declared of a file."""
        return self._get_size(self._by_name[name])

    def add(self, image_id: str, name: str, size: tuple[int, int] | None) -> str:
        """Takes an entry up; returns the file name of another one with its id, or ''."""
        position = self.positions.get(image_id)
        if position is not None and self.names[position] != name:
            return self.names[position]
        known = self._by_name.setdefault(name, len(self.names))
        self.positions[image_id] = known
        width, height = size or (0, 0)
        if known == len(self.names):
            self.names.append(name)
            self._ids.append(image_id)
            self._sizes.extend((width, height))
        elif self._ids[known] == image_id:
            self._sizes[2 * known : 2 * known + 2] = array("q", (width, height))
        return ""

    def _get_size(self, number: int) -> tuple[int, int] | None:
        width, height = self._sizes[2 * number : 2 * number + 2]
        return (width, height) if width else None


def _find_reason_to_skip(document: JsonDocument) -> str:
    if not document.is_list("images"):
        raise parsing.unexpected_json(_TOOL, document.path, "has no list 'images'")
    if "annotations" not in document:
        return f"has no list 'annotations', but {', '.join(document.first_keys)[:80]}"
    if not document.is_list("annotations"):
        raise parsing.unexpected_json(_TOOL, document.path, "'annotations' is not a list")
    if document.is_empty("annotations"):
        return "" if document.read("categories") else "has neither annotations nor categories"
    if not any(isinstance(item, dict) and _has_box(item) for item in document.iterate("annotations")):
        return "has no boxes (captions, labels or panoptic segments)"
    return ""


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


def _find_image(item: Any, positions: Mapping[str, int], path: Path, number: int) -> int | None:
    if not isinstance(item, dict):
        raise parsing.unexpected_json(_TOOL, path, f"annotations[{number}] is not an object")
    return positions.get(_parse_id(item.get("image_id")))


def _describe_orphan(item: dict[str, Any], number: int) -> str:
    return f"annotation {item.get('id', number)} belongs to image {item.get('image_id')}, which is not in 'images'"


def _has_box(item: dict[str, Any]) -> bool:
    return bool(item.get("bbox") or item.get("segmentation"))


def _is_partly_annotated(item: Any) -> bool:
    return isinstance(item, dict) and bool(item.get("not_exhaustive_category_ids"))


def _has_keypoints(item: Any) -> bool:
    """Whether any is marked: those that are not stand there as zeros."""
    points = item.get("keypoints") if isinstance(item, dict) else None
    return isinstance(points, list) and any(points)


def _choose_point_names(names: list[str], document: JsonDocument) -> list[str]:
    """Those that a category has; where none names any, '' for each of the annotation with most."""
    return names or [""] * max(map(_count_keypoints, document.iterate("annotations")), default=0)


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


def _parse_categories(items: Any, path: Path, problems: list[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Names by id, and the names of the keypoints of the category with most."""
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
    name_lists = [item.get("keypoints") for item in items if isinstance(item, dict)]
    longest = max((points for points in name_lists if isinstance(points, list)), key=len, default=[])
    return names, [str(point) for point in longest]


def _parse_images(items: Iterable[Any], path: Path, problems: list[tuple[str, str]]) -> CocoImages:
    skipping, images = Skipping(problems), CocoImages()
    for number, item in enumerate(items):
        images.partly_annotated += _is_partly_annotated(item)
        with skipping:
            name = _parse_file_name(item) if isinstance(item, dict) else ""
            if not name or "id" not in item:
                raise parsing.unexpected_json(_TOOL, path, f"images[{number}] has no id or file_name")
            key = _parse_id(item["id"])
            if other := images.add(key, name, _parse_size(item.get("width"), item.get("height"))):
                raise parsing.unexpected_json(_TOOL, path, f"two images have id {key}: {other} and {name}")
    return images


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
