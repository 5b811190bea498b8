"""A checked image: what the survey hands to the writer of records."""

from __future__ import annotations

from dataclasses import dataclass

from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.tiles import Tile
from odtool.dataset.pickling import by_position
from odtool.dataset.types import AnnotatedImage


@by_position
@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image ready to be written: boxes in pixels within its true size, `source_id` unique in the set."""

    image: AnnotatedImage
    header: ImageHeader
    fixed: bool = False
    """The image is turned upright and flattened when it is written; boxes and size are already those of then."""
    tiles: tuple[Tile, ...] = ()
    """The pieces that are written in place of the whole, where it is to be cut."""
    shrunk: tuple[int, int] | None = None
    """Width and height that it is written with where it is to be made smaller; boxes and size are those before."""
