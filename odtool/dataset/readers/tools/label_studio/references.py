"""Which image a task of Label Studio is about: its path or URL, and what its file may be called."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.image_lists import list_spellings

_IMAGE_KEYS = ("image", "img", "image_url", "imageurl", "url", "picture", "photo")
"""Names that templates give the image in `data`, the likeliest first; any other that holds an image's path will do."""
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""


def find_reference(data: dict[str, Any]) -> str | None:
    """The image's path or URL: under a usual name, else under any that holds something like an image's."""
    texts = {key: value.strip() for key, value in data.items() if isinstance(value, str) and value.strip()}
    by_key = [texts[key] for key in _IMAGE_KEYS if key in texts]
    by_ending = [text for text in texts.values() if text.partition("?")[0].lower().endswith(EXTENSIONS)]
    by_scheme = [text for text in texts.values() if text.startswith(("/data/", "s3://", "gs://", "azure-blob://"))]
    reference = next(iter([*by_key, *by_ending, *by_scheme]), None)
    return texts.get("file_upload", "embedded image") if reference and reference.startswith("data:") else reference


def has_several_images(data: dict[str, Any]) -> bool:
    lists = [value for value in data.values() if isinstance(value, list)]
    items = [item for value in lists for item in value]
    texts = [text for item in items for text in (item.values() if isinstance(item, dict) else (item,))]
    return any(isinstance(text, str) and text.partition("?")[0].lower().endswith(EXTENSIONS) for text in texts)


def list_names(reference: str, upload: Any) -> tuple[str, ...]:
    """What the file may be called, with the path that the server has it under and with the upload's prefix or not."""
    names = []
    try:
        parts = urlsplit(reference)
        local_files = parse_qs(parts.query).get("d", []) if parts.path.endswith("/data/local-files/") else []
    except ValueError:  # a bracket in the wrong place, as in a host name
        local_files = []
    candidates = [*local_files, *(list_spellings(reference) if not local_files else ())]
    for name in [*candidates, *([upload] if isinstance(upload, str) else [])]:
        names.append(name)
        folder, _, last = name.rpartition("/")
        if (bare := _UPLOAD_PREFIX.sub("", last)) != last:
            names += [last, f"{folder}/{bare}" if folder and not folder.startswith("/data/upload") else bare]
    return tuple(dict.fromkeys(names)) or (reference,)
