"""The catalogue of problems, and the checks of one image's boxes against its header."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from odtool.dataset.images import keypoints, repair
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.types import AnnotatedImage, Box, Level, ObjectAnnotation, Problem, Unit

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
class Check:
    """What is done about one kind of problem."""

    level: Level
    """'info': nothing to fix. 'warning': something was changed or left out, or will mislead the training or its
    evaluation. 'error': an image was left out, or nothing can be written. --strict refuses all but 'info'."""
    action: str


CATALOGUE: dict[str, Check] = {
    "annotation_agrees": Check("info", "counted once: another annotation says the same of the image"),
    "annotation_broken": Check(
        "error", "what cannot be read of the file is left out; prepare refuses without --skip-broken"
    ),
    "annotation_empty": Check("warning", "another annotation of the image is used, which has objects"),
    "annotation_missing": Check("info", "left out: listed, but without an annotation"),
    "annotation_superseded": Check("info", "another annotation of the image is used"),
    "annotations_differ": Check("error", "refused by prepare; correct one of the two, or choose one by --format"),
    "box_duplicate": Check("warning", "only the first is kept"),
    "box_invalid": Check("warning", "left out"),
    "box_inverted": Check("warning", "corners put in order"),
    "box_missing": Check("warning", "left out"),
    "box_outside": Check("warning", "clipped to the image"),
    "box_outside_entirely": Check("warning", "left out"),
    "box_small": Check("warning", "left out; --min-box sets the limit"),
    "box_tiny": Check("warning", "kept; smaller than a pixel: are the numbers fractions? --min-box 1 leaves it out"),
    "box_zero": Check("warning", "left out"),
    "class_absent": Check("warning", "all objects called 'object'; --rename gives them another name"),
    "class_alike": Check("info", "kept apart; --rename merges them"),
    "class_attribute": Check("info", "the others are not read"),
    "class_missing": Check("info", "kept; its scores in that split mean nothing"),
    "class_rare": Check("info", "kept; too few to learn or measure well"),
    "class_repeated": Check("info", "one class in the records, as its name is the same"),
    "class_undefined": Check("error", "the object is left out; prepare refuses without --skip-broken"),
    "class_unknown": Check("error", "refused by prepare; name it in the label map, or --drop it"),
    "class_unnamed": Check("info", "kept under its id"),
    "class_untrained": Check("warning", "kept; it cannot be learnt"),
    "class_unused": Check("info", "not in the label map"),
    "coordinates_chosen": Check("warning", "read as nearly all boxes fit their images; --coordinates decides"),
    "entry_ignored": Check("info", "not read"),
    "exif_annotated": Check("warning", "annotated upright: boxes turned to the stored pixels"),
    "exif_rotation": Check("warning", "kept as stored, as TensorFlow sees it; --fix-images turns it"),
    "exif_undecided": Check("warning", "boxes taken to be in the stored pixels; no declared size says otherwise"),
    "extension_lies": Check("info", "read by its content"),
    "file_skipped": Check("info", "not read"),
    "file_unread": Check("warning", "not read, though it looks like annotations"),
    "filename_mismatch": Check("info", "found by the annotation file's name"),
    "fixed_16bit": Check("info", "brought to 8 bits"),
    "fixed_alpha": Check("info", "flattened onto white"),
    "fixed_cmyk": Check("info", "converted to RGB"),
    "fixed_rotation": Check("info", "turned upright, the boxes with it"),
    "group_unmatched": Check("info", "a group of its own: --group-by does not match its path"),
    "header_wrong": Check("info", "columns read in the order in which boxes are not inverted"),
    "image_16bit": Check("info", "kept or re-encoded: 8 bits are left, as TensorFlow decodes it"),
    "image_alpha": Check("info", "kept; TensorFlow drops it; --fix-images flattens onto white"),
    "image_cmyk": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_dark": Check("warning", "kept; TensorFlow drops the low 8 bits; --fix-images drops those not needed"),
    "image_duplicate": Check("info", "kept; it counts more than once"),
    "image_elsewhere": Check("info", "found by name outside the nearest folder"),
    "image_gray": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_missing": Check("error", "image left out"),
    "image_namesakes": Check("info", "not used: annotations mean files of the same names in another folder"),
    "image_palette": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_range": Check("warning", "brought to 8 bits by the bits that its values use, or it would be nearly black"),
    "image_repeated": Check("error", "only the first annotation of the image is kept"),
    "image_shrunk": Check("info", "made smaller by --max-side and encoded again, the boxes with it"),
    "image_similar": Check("info", "kept; --group-by similar keeps such images in one split"),
    "image_straddles": Check("warning", "kept in both splits; evaluation results will be too good"),
    "image_stretched": Check("info", "brought to 8 bits: its least value is black, its largest white"),
    "image_too_large": Check(
        "error", "image left out: its pixels take more memory to decode than is free, or are too many"
    ),
    "image_truncated": Check("error", "image left out"),
    "image_turned": Check("info", "boxes taken in the image as it is stored, as Label Studio writes them"),
    "image_uncompared": Check("warning", "kept; not compared with other images"),
    "image_unreadable": Check("error", "image left out"),
    "image_without_objects": Check("info", "kept as background"),
    "images_unlisted": Check("warning", "left out: they have labels, but the data set's own file does not name them"),
    "key_dropped": Check("warning", "not carried over"),
    "keypoints_differ": Check("warning", "kept; the API expects the same number of keypoints for all objects"),
    "keypoints_dropped": Check("info", "left out, their boxes kept; --keypoints writes those of COCO"),
    "keypoints_unsaid": Check("warning", "read as polygons; if they are keypoints, set kpt_shape in a data.yaml"),
    "label_map_renumbered": Check("info", "read; classes are numbered anew from 1, unless --label-map names a map"),
    "label_map_unread": Check("warning", "not needed: the records' class texts are used"),
    "label_missing": Check("warning", "object left out"),
    "label_shared": Check("warning", "its objects are given to each of its images"),
    "labels_several": Check("info", "one object for each class"),
    "labels_unused": Check("warning", "not read"),
    "layout_unused": Check("warning", "not read; name it as the source, or keep only one"),
    "list_unused": Check("info", "not read"),
    "lists_overlap": Check("warning", "used once, in the last of train, val and test"),
    "mask_missing": Check("warning", "its box is used as its mask"),
    "not_in_split": Check("info", "left out: the data set's own lists do not name it"),
    "object_ignored": Check("info", "left out: the data set marks it as not to be used"),
    "objects_crowded": Check("info", "kept; odtool configure raises max_number_of_boxes"),
    "path_outside": Check("warning", "looked for by its base name"),
    "record_broken": Check("error", "the row or object is left out; prepare refuses without --skip-broken"),
    "record_repeated": Check("info", "left out: a repetition that --balance wrote"),
    "reencoded": Check("info", "re-encoded as PNG"),
    "shape_skipped": Check("warning", "left out: not an area"),
    "shapes_joined": Check("info", "joined into one object"),
    "shard_missing": Check("warning", "not read"),
    "shrunk_tiny": Check("warning", "kept; smaller than a pixel after --max-side: a larger one keeps it visible"),
    "similar_straddles": Check("warning", "kept in both splits; --group-by similar, with --resplit, parts them"),
    "size_disagrees": Check("warning", "boxes taken as pixels of the image; --annotated-size annotation scales them"),
    "size_scaled": Check("warning", "resized since: boxes scaled to the image; --annotated-size file leaves them"),
    "source_broken": Check("error", "refused by prepare: what depends on it is not read"),
    "source_id_repeated": Check("info", "a number is added to it"),
    "split_merged": Check("info", "dealt to the folds, with the images of train"),
    "split_missing": Check("warning", "not read"),
    "split_repeated": Check("warning", "used only by the first entry that names them"),
    "split_undeclared": Check("info", "used for training; --resplit splits all images again"),
    "split_uneven": Check("info", "kept: groups of images that stay together are too large for the share asked for"),
    "split_unused": Check("warning", "not read: the images are split at random"),
    "splits_differ": Check("warning", "the split by the annotation that is used counts"),
    "task_skipped": Check("warning", "left out: a task of several images is not read"),
    "tile_box_cut": Check("info", "left out of those tiles; --min-visible sets the limit"),
    "tile_empty": Check("info", "left out; --empty-tiles sets how many are kept"),
    "tile_keypoints_cut": Check("info", "not labelled in those tiles: they lie outside"),
    "tile_object_lost": Check("warning", "left out: no tile shows enough of it"),
    "track_open": Check("info", "kept as it is up to the last frame, as CVAT shows it"),
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
