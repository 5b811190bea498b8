"""The checks of one image's boxes against its header."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from odtool.dataset.images import keypoints, repair
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Problem, Unit

_ROUNDING = 1e-5
"""Share of the image's width or height. What sticks out by less is the rounding of a text format with six
decimals (YOLO), not a problem."""
_LEAST_SIDE = 1.0
"""Pixels. A box that is neither as wide nor as high holds nothing to learn; most such are fractions read as pixels."""
_FEW_SHADES = 14
"""Bits in use below which an image of 16 bits has fewer than 64 shades when its low 8 bits are dropped."""
MOST_OBJECTS = 100
"""Objects an image that the API reads by default (max_number_of_boxes in its input_reader.proto)."""


@dataclass(frozen=True)
class Rules:
    """How closely images are looked at, and what is done about it."""

    full: bool = False
    """Decode every image, not only its header."""
    fix_images: bool = False
    """Repair images: turn, flatten, bring to RGB and 8 bits; their boxes follow."""
    min_box: float = 0.0
    """Boxes that are narrower or lower are left out, in pixels of the image."""


USUAL = Rules()


def check_image(image: AnnotatedImage, header: ImageHeader, rules: Rules = USUAL) -> tuple[CheckedImage, list[Problem]]:
    """The image with its boxes in pixels, within its true size, and what had to be done for that."""
    fixes = repair.list_repairs(header) if rules.fix_images else ()
    upright = header.orientation != 1 and _is_annotated_upright(image, header)
    problems = list(_check_header(image, header, fixes, upright=upright))
    width, height = repair.find_upright_size(header) if upright else (header.width, header.height)
    objects: dict[tuple[str, Box], ObjectAnnotation] = {}
    for number, item in enumerate(image.objects, start=1):
        box, kind = _fix_box(item.box, image.unit, (width, height), rules.min_box)
        if box is not None and (item.label, box) in objects:
            box, kind = None, "box_duplicate"
        if kind:
            problems.append(Problem(kind, image.source, _describe(image, number, item, (width, height))))
        if box is not None:
            objects[item.label, box] = item if box is item.box else replace(item, box=box)
    valid = tuple(objects.values())
    if image.unit == "fraction":
        valid = tuple([_scale_keypoints(item, width, height) if item.keypoints else item for item in valid])
    if header.orientation != 1:
        valid = _turn(valid, header, upright, bool(fixes))
    if not valid:
        problems.append(Problem("image_without_objects", image.shown_path, f"in {image.source}"))
    elif len(valid) > MOST_OBJECTS:
        problems.append(Problem("objects_crowded", image.source, f"{len(valid)} objects in {image.name}"))
    # Most images need nothing; a copy of each took longer than looking at its boxes.
    fixed_image = (
        image if image.unit == "pixel" and valid == image.objects else replace(image, objects=valid, unit="pixel")
    )
    if not fixes:
        return CheckedImage(fixed_image, header), problems
    width, height = repair.find_upright_size(header)
    return CheckedImage(fixed_image, replace(header, width=width, height=height), fixed=True), problems


def _is_annotated_upright(image: AnnotatedImage, header: ImageHeader) -> bool:
    """Whether the boxes are those of the image as viewers turn it, which the annotation's own size tells.

    It tells nothing where the turn keeps width and height, or where there is no size: then boxes that do not fit
    the stored image but fit the turned one tell. Where nothing tells, boxes are taken to be in stored pixels.
    """
    stored, upright = (header.width, header.height), repair.find_upright_size(header)
    if stored == upright:
        return False
    if image.declared_size in (stored, upright):
        return image.declared_size == upright
    if image.unit == "fraction" or not image.objects:
        return False
    right = max(max(item.box.xmin, item.box.xmax) for item in image.objects)
    bottom = max(max(item.box.ymin, item.box.ymax) for item in image.objects)
    return (right > stored[0] or bottom > stored[1]) and right <= upright[0] and bottom <= upright[1]


def _turn(
    objects: tuple[ObjectAnnotation, ...], header: ImageHeader, upright: bool, fixed: bool
) -> tuple[ObjectAnnotation, ...]:
    """The objects in the pixels that are written, be these the stored or the upright ones."""
    if upright == fixed:
        return objects
    if fixed:
        size = header.width, header.height
        turn = header.orientation
    else:
        size = repair.find_upright_size(header)
        turn = repair.invert_orientation(header.orientation)
    return tuple(
        replace(
            item,
            box=repair.turn_box(item.box, turn, *size),
            outline=item.outline and replace(item.outline, turn=turn),
            keypoints=keypoints.turn(item.keypoints, turn, *size),
        )
        for item in objects
    )


def _scale_keypoints(item: ObjectAnnotation, width: int, height: int) -> ObjectAnnotation:
    """The object with its keypoints in pixels, as its box is by now."""
    return replace(item, keypoints=keypoints.scale(item.keypoints, width, height))


def _fix_box(box: Box, unit: Unit, size: tuple[int, int], least: float) -> tuple[Box | None, str]:
    """The box to write, or None, and the kind of its problem, or ''."""
    width, height = size
    xmin, ymin, xmax, ymax = box.xmin, box.ymin, box.xmax, box.ymax
    if unit == "fraction":
        xmin, ymin, xmax, ymax = xmin * width, ymin * height, xmax * width, ymax * height
    solid = max(least, _LEAST_SIDE)
    if 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height and xmax - xmin >= solid and ymax - ymin >= solid:
        return (box if unit == "pixel" else Box(xmin, ymin, xmax, ymax)), ""
    if not (math.isfinite(xmin) and math.isfinite(ymin) and math.isfinite(xmax) and math.isfinite(ymax)):
        return None, "box_invalid"
    kind = ""
    if xmin > xmax or ymin > ymax:
        kind = "box_inverted"
        xmin, xmax = min(xmin, xmax), max(xmin, xmax)
        ymin, ymax = min(ymin, ymax), max(ymin, ymax)
    if xmin == xmax or ymin == ymax:
        return None, "box_zero"
    slack_x, slack_y = width * _ROUNDING, height * _ROUNDING
    if xmin < -slack_x or ymin < -slack_y or xmax > width + slack_x or ymax > height + slack_y:
        kind = kind or "box_outside"
    clipped = Box(max(xmin, 0.0), max(ymin, 0.0), min(xmax, float(width)), min(ymax, float(height)))
    across, down = clipped.xmax - clipped.xmin, clipped.ymax - clipped.ymin
    if across <= 0 or down <= 0:
        return None, "box_outside_entirely"
    if across < least or down < least:
        return None, "box_small"
    return clipped, kind or ("box_tiny" if max(across, down) < _LEAST_SIDE else "")


def _describe(image: AnnotatedImage, number: int, item: ObjectAnnotation, size: tuple[int, int]) -> str:
    box = item.box
    numbers = ", ".join(f"{value:.6g}" for value in (box.xmin, box.ymin, box.xmax, box.ymax))
    return f"object {number} ({item.label}) at [{numbers}] in {image.name}, {size[0]}x{size[1]}"


def _check_header(
    image: AnnotatedImage, header: ImageHeader, fixes: Sequence[str], *, upright: bool
) -> Iterator[Problem]:
    path = image.shown_path
    declared_size = image.declared_size
    if declared_size and declared_size != (header.width, header.height) and not upright:
        detail = (
            f"annotated as {declared_size[0]}x{declared_size[1]}, but {image.name} is {header.width}x{header.height}"
        )
        yield Problem("size_disagrees", image.source, detail)
    if header.orientation != 1:
        yield from _check_orientation(image, header, bool(fixes), upright)
    # What lies within a larger file is identified by its content alone; its name does not matter.
    if image.extent is None and not header.name_fits(path):
        yield Problem("extension_lies", path, f"it is {header.format.upper()} data")
    if not header.written_as_is:
        yield Problem("reencoded", path, f"the API's decoder takes JPEG and PNG, not {header.format.upper()}")
    for kind, detail in _check_colours(header, fixes):
        fixed = kind.replace("image_", "fixed_")
        yield Problem(fixed if fixed in fixes else kind, path, detail)


def _check_orientation(image: AnnotatedImage, header: ImageHeader, fixed: bool, upright: bool) -> Iterator[Problem]:
    path, detail = image.shown_path, f"EXIF orientation {header.orientation}"
    yield Problem("fixed_rotation" if fixed else "exif_rotation", path, detail)
    if upright and not fixed:
        yield Problem(
            "exif_annotated", image.source, f"{detail}, annotated as {image.declared_size or 'larger than stored'}"
        )
    stored = (header.width, header.height)
    is_decided = image.declared_size == stored != repair.find_upright_size(header)
    if image.objects and not upright and not is_decided:
        yield Problem("exif_undecided", image.source, f"{image.name} has {detail}")


def _check_colours(header: ImageHeader, fixes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Kind and detail. What is said of TensorFlow is measured, with decode_image(channels=3) of 2.20."""
    if header.format == "jpeg" and header.channels == 4:
        yield "image_cmyk", "four channels"
    elif header.channels in (2, 4):
        yield "image_alpha", f"{header.channels} channels"
    elif header.channels == 1:
        yield "image_gray", "one channel"
    if header.palette:
        yield "image_palette", "colours from a palette"
    if header.bits > 8:
        yield _check_depth(header, is_scaled="fixed_16bit" in fixes or not header.written_as_is)


def _check_depth(header: ImageHeader, *, is_scaled: bool) -> tuple[str, str]:
    low, high = header.values or (0, 0)
    if header.is_stretched:
        return "image_stretched", f"{'floats' if header.is_float else f'{header.bits} bits'} from {low:g} to {high:g}"
    detail = f"values up to {high:.0f}: {header.used_bits} of {header.bits} bits"
    if is_scaled and header.used_bits != 16:
        return "image_range", detail
    if not is_scaled and header.used_bits < _FEW_SHADES:
        return "image_dark", f"{detail}; {max(int(high) >> 8, 0) + 1} shades are left"
    return "image_16bit", f"{header.bits} bits a channel"
