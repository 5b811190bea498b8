"""XML without an object that could be read: whether it holds boxes all the same, so that its image is no background."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

_PLACE = re.compile(
    r"x|y|w|h|[xyc][xy]?[_-]?(?:min|max|center|centre|tl|br|\d)?|(?:min|max)[_-]?[xy]|left|top|right|bottom|width|height|"
    r"points?|pts?|\w*box(?:es)?|rect\w*|poly\w*|coord\w*|vert\w*|corner\w*|regions?|shapes?|area",
    re.IGNORECASE,
)
"""Names of tags and attributes that say where something is."""
_NOT_PLACES = ("size", "imagesize", "source", "owner", "imageinfo", "image_info")
"""Elements about the image as a whole."""
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_FEWEST = 4
"""Numbers that a box has."""
_MOST_TAGS = 6
"""Tags that are named."""


def find_unread_boxes(root: _Element) -> str | None:
    """Why a document of which no object was read is no background: what in it could be boxes; None where nothing is."""
    if objects := [element for element in root.iterchildren("object") if len(element)]:
        tags = _join(str(child.tag) for child in objects[0].iterchildren())
        return f"{len(objects)} objects, none with a <name> and a <bndbox>; the first has {tags}"
    places = list(_count_places(root))
    if sum(count for _, count in places) < _FEWEST:
        return None
    return f"no <object> right below the root, but numbers in {_join(tag for tag, _ in places)}"


def _join(tags: Iterable[str]) -> str:
    return ", ".join(f"<{tag}>" for tag in islice(dict.fromkeys(tags), _MOST_TAGS))


def _count_places(root: _Element) -> Iterator[tuple[str, int]]:
    """Tag and number of the numbers of each element that says where something is, by its own name or an outer one's."""
    pending = [(child, False) for child in root.iterchildren() if len(child) or child.attrib]
    while pending:
        element, is_inside = pending.pop()
        tag = str(element.tag)
        if tag.lower() in _NOT_PLACES:
            continue
        is_inside = is_inside or bool(_PLACE.fullmatch(tag))
        texts = [str(value) for key, value in element.items() if _PLACE.fullmatch(str(key))]
        count = sum(bool(_NUMBER.fullmatch(text.strip())) for text in texts)
        if is_inside and element.text:
            count += len(_NUMBER.findall(element.text))
        if count:
            yield tag, count
        pending += [(child, is_inside) for child in element.iterchildren(reversed=True)]
