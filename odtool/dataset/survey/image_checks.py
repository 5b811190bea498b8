"""The catalogue of problems, and the checks of one image's boxes against its header."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from odtool.dataset.images import keypoints, repair
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.records.record_writer import CheckedImage
from odtool.dataset.types import AnnotatedImage, Box, Level, ObjectAnnotation, Problem, Unit

_ROUNDING = 1e-5
"""Share of the image's width or height. What sticks out by less is the rounding of a text format with six
decimals (YOLO), not a problem."""
_LEAST_SIDE = 1.0
"""Pixels. A box that is neither as wide nor as high holds nothing to learn; most such are fractions read as pixels."""
MOST_OBJECTS = 100
"""Objects an image that the API reads unless told otherwise (max_number_of_boxes in its input_reader.proto)."""


@dataclass(frozen=True)
class Check:
    """What is done about one kind of problem."""

    level: Level
    """'info': nothing to mend. 'warning': something was changed or left out, or will mislead the training or its
    evaluation. 'error': an image was left out, or nothing can be written. --strict refuses all but 'info'."""
    action: str


CATALOGUE: dict[str, Check] = {
    "anchor_guessed": Check("warning", "read as the numbers show"),
    "annotation_missing": Check("info", "left out: listed, but without annotation"),
    "annotation_superseded": Check("info", "another annotation of the image is used"),
    "box_duplicate": Check("warning", "only the first kept"),
    "box_invalid": Check("warning", "left out"),
    "box_inverted": Check("warning", "corners put in order"),
    "box_missing": Check("warning", "left out"),
    "box_outside": Check("warning", "clipped to the image"),
    "box_outside_entirely": Check("warning", "left out"),
    "box_small": Check("warning", "left out; --min-box sets the limit"),
    "box_tiny": Check("warning", "kept; smaller than a pixel: are the numbers fractions? --min-box 1 leaves it out"),
    "box_zero": Check("warning", "left out"),
    "class_absent": Check("warning", "all objects called 'object'; --rename gives them another name"),
    "class_alike": Check("info", "kept apart; --rename makes them one"),
    "class_attribute": Check("info", "the others are not read"),
    "class_missing": Check("info", "kept; its scores in that split mean nothing"),
    "class_rare": Check("info", "kept; too few to learn or to measure well"),
    "class_unknown": Check("error", "refused by prepare; name it in the label map, or --drop it"),
    "class_unnamed": Check("info", "kept under its id"),
    "class_untrained": Check("warning", "kept; it cannot be learnt"),
    "class_unused": Check("info", "not in the label map"),
    "entry_ignored": Check("info", "not read"),
    "exif_annotated": Check("warning", "annotated upright: boxes turned to the stored pixels"),
    "exif_rotation": Check("warning", "kept as stored, as TensorFlow sees it; --fix-images turns it"),
    "exif_undecided": Check("warning", "boxes taken to be in the stored pixels; no size tells"),
    "extension_lies": Check("info", "read by its content"),
    "file_skipped": Check("info", "not read"),
    "filename_mismatch": Check("info", "found by the annotation file's name"),
    "fixed_16bit": Check("info", "brought to 8 bits"),
    "fixed_alpha": Check("info", "flattened onto white"),
    "fixed_cmyk": Check("info", "converted to RGB"),
    "fixed_rotation": Check("info", "turned upright, the boxes with it"),
    "group_unmatched": Check("info", "a group of its own: --group-by does not match its path"),
    "image_16bit": Check("info", "kept; TensorFlow decodes it to 8 bits"),
    "image_alpha": Check("info", "kept; TensorFlow drops it; --fix-images flattens onto white"),
    "image_cmyk": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_duplicate": Check("info", "kept; it counts more than once"),
    "image_elsewhere": Check("info", "found by its name in another folder than the nearest"),
    "image_gray": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_missing": Check("error", "image left out"),
    "image_palette": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_repeated": Check("error", "only the first annotation of the image kept"),
    "image_straddles": Check("warning", "kept in both splits; evaluation will flatter"),
    "image_too_large": Check("error", "image left out: too many pixels to be cut into tiles"),
    "image_truncated": Check("error", "image left out"),
    "image_unreadable": Check("error", "image left out"),
    "image_without_objects": Check("info", "kept as background"),
    "images_unlisted": Check("warning", "left out: they have labels, but the data set's own file does not name them"),
    "key_dropped": Check("warning", "not carried over"),
    "keypoints_differ": Check("warning", "kept; the API reads one number of key points for all objects"),
    "keypoints_dropped": Check("info", "left out, their boxes kept; --keypoints writes those of COCO"),
    "keypoints_unsaid": Check("warning", "read as polygons; if they are key points, name kpt_shape in a data.yaml"),
    "label_missing": Check("warning", "object left out"),
    "label_shared": Check("warning", "its objects given to each of its images"),
    "labels_several": Check("info", "one object for each class"),
    "layout_unused": Check("warning", "not read; name it as the source, or keep only one"),
    "mask_missing": Check("warning", "its box is its mask"),
    "not_in_split": Check("info", "left out: the data set's own lists do not name it"),
    "object_ignored": Check("info", "left out: the data set itself marks it as not to be used"),
    "objects_crowded": Check("info", "kept; odtool configure raises max_number_of_boxes"),
    "path_outside": Check("warning", "looked for by its base name"),
    "reencoded": Check("info", "re-encoded as PNG"),
    "shape_skipped": Check("warning", "left out: not an area"),
    "shapes_joined": Check("info", "one object, of which these are the parts"),
    "shard_missing": Check("warning", "not read"),
    "size_disagrees": Check("warning", "the image's own size is used"),
    "source_id_repeated": Check("info", "given a number of its own"),
    "split_missing": Check("warning", "not read"),
    "split_repeated": Check("warning", "left to the entry that names them first"),
    "split_undeclared": Check("info", "among those to train on; --resplit splits all images anew"),
    "tile_box_cut": Check("info", "left out of those tiles; --min-visible sets the limit"),
    "tile_empty": Check("info", "left out; --empty-tiles sets how many are kept"),
    "tile_keypoints_cut": Check("info", "not labelled in those tiles: they lie outside"),
    "tile_object_lost": Check("warning", "left out: in no tile enough of it is visible"),
}
"""Kind → level and action. Readers and checks name their problems with these."""


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
    fixes = repair.fixes(header) if rules.fix_images else ()
    upright = header.orientation != 1 and _annotated_upright(image, header)
    problems = list(_of_header(image, header, fixes, upright=upright))
    width, height = repair.upright_size(header) if upright else (header.width, header.height)
    objects: dict[tuple[str, Box], ObjectAnnotation] = {}
    for number, item in enumerate(image.objects, start=1):
        box, kind = _mended(item.box, image.unit, (width, height), rules.min_box)
        if box is not None and (item.label, box) in objects:
            box, kind = None, "box_duplicate"
        if kind:
            problems.append(Problem(kind, image.source, _describe(image, number, item, (width, height))))
        if box is not None:
            objects[item.label, box] = item if box is item.box else replace(item, box=box)
    kept = tuple(objects.values())
    if image.unit == "fraction":
        kept = tuple([_scaled(item, width, height) if item.keypoints else item for item in kept])
    if header.orientation != 1:
        kept = _turned(kept, header, upright, bool(fixes))
    if not kept:
        problems.append(Problem("image_without_objects", image.path, f"in {image.source}"))
    elif len(kept) > MOST_OBJECTS:
        problems.append(Problem("objects_crowded", image.source, f"{len(kept)} objects in {image.name}"))
    # Most images need nothing; a copy of each took longer than looking at its boxes.
    made = image if image.unit == "pixel" and kept == image.objects else replace(image, objects=kept, unit="pixel")
    if not fixes:
        return CheckedImage(made, header), problems
    width, height = repair.upright_size(header)
    return CheckedImage(made, replace(header, width=width, height=height), fixed=True), problems


def _annotated_upright(image: AnnotatedImage, header: ImageHeader) -> bool:
    """Whether the boxes are those of the image as viewers turn it, which the annotation's own size tells.

    It tells nothing where the turn keeps width and height, or where there is no size: then boxes that do not fit
    the stored image but fit the turned one tell. Where nothing tells, boxes are taken to be in stored pixels.
    """
    stored, upright = (header.width, header.height), repair.upright_size(header)
    if stored == upright:
        return False
    if image.declared_size in (stored, upright):
        return image.declared_size == upright
    if image.unit == "fraction" or not image.objects:
        return False
    right = max(max(item.box.xmin, item.box.xmax) for item in image.objects)
    bottom = max(max(item.box.ymin, item.box.ymax) for item in image.objects)
    return (right > stored[0] or bottom > stored[1]) and right <= upright[0] and bottom <= upright[1]


def _turned(
    objects: tuple[ObjectAnnotation, ...], header: ImageHeader, upright: bool, fixed: bool
) -> tuple[ObjectAnnotation, ...]:
    """The objects in the pixels that are written, be these the stored or the upright ones."""
    if upright == fixed:
        return objects
    if fixed:
        size = header.width, header.height
        turn = header.orientation
    else:
        size = repair.upright_size(header)
        turn = repair.undone_by(header.orientation)
    return tuple(
        replace(
            item,
            box=repair.turned(item.box, turn, *size),
            outline=item.outline and replace(item.outline, turn=turn),
            keypoints=keypoints.turned(item.keypoints, turn, *size),
        )
        for item in objects
    )


def _scaled(item: ObjectAnnotation, width: int, height: int) -> ObjectAnnotation:
    """The object with its key points in pixels, as its box is by now."""
    return replace(item, keypoints=keypoints.scaled(item.keypoints, width, height))


def _mended(box: Box, unit: Unit, size: tuple[int, int], least: float) -> tuple[Box | None, str]:
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


def _of_header(image: AnnotatedImage, header: ImageHeader, fixes: Sequence[str], *, upright: bool) -> Iterator[Problem]:
    path = image.path
    declared = image.declared_size
    if declared and declared != (header.width, header.height) and not upright:
        detail = f"annotated as {declared[0]}x{declared[1]}, {image.name} is {header.width}x{header.height}"
        yield Problem("size_disagrees", image.source, detail)
    if header.orientation != 1:
        yield from _of_orientation(image, header, bool(fixes), upright)
    # What lies within a larger file is told by its content alone; nobody goes by its name.
    if image.extent is None and not header.name_fits(path):
        yield Problem("extension_lies", path, f"it is {header.format.upper()} data")
    if not header.written_as_is:
        yield Problem("reencoded", path, f"{header.format.upper()} is not for TensorFlow's decoder")
    for kind, detail in _of_colours(header):
        fixed = kind.replace("image_", "fixed_")
        yield Problem(fixed if fixed in fixes else kind, path, detail)


def _of_orientation(image: AnnotatedImage, header: ImageHeader, fixed: bool, upright: bool) -> Iterator[Problem]:
    path, detail = image.path, f"EXIF orientation {header.orientation}"
    yield Problem("fixed_rotation" if fixed else "exif_rotation", path, detail)
    if upright and not fixed:
        yield Problem(
            "exif_annotated", image.source, f"{detail}, annotated as {image.declared_size or 'larger than stored'}"
        )
    stored = (header.width, header.height)
    told = image.declared_size == stored != repair.upright_size(header)
    if image.objects and not upright and not told:
        yield Problem("exif_undecided", image.source, f"{image.name} has {detail}")


def _of_colours(header: ImageHeader) -> Iterator[tuple[str, str]]:
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
        yield "image_16bit", f"{header.bits} bits a channel"
