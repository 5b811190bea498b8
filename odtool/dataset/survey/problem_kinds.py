"""The catalogue of problems: each kind, how grave it is, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass

from odtool.dataset.types import Level


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
