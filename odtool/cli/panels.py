"""The panels of --help: which options of a command serve one purpose, in the order in which one thinks of them."""

from __future__ import annotations

from collections.abc import Mapping

_READ = ("format_name", "columns", "images", "coordinates", "annotated_size")
_CLASSES = ("label_map", "rename", "only", "drop")

PANELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "inspect": {
        "What is read": _READ,
        "Classes": _CLASSES,
        "What is looked at": ("verify", "fix_images", "min_box", "similar", "balance", "workers"),
        "The page": ("html", "samples", "seed"),
    },
    "prepare": {
        "What is read": _READ,
        "Classes": _CLASSES,
        "Splits": ("val", "test", "seed", "resplit", "group_by", "similar", "folds", "fraction", "balance"),
        "Images and boxes": (
            "fix_images",
            "max_side",
            "min_box",
            "masks",
            "keypoints",
            "tile",
            "overlap",
            "min_visible",
            "empty_tiles",
        ),
        "Problems": ("verify", "strict", "skip_missing", "skip_broken"),
        "What is written, and by whom": ("out", "shards", "workers", "beam"),
    },
    "configure": {
        "From what": ("model", "pipeline", "like_trial", "checkpoint", "data"),
        "Training": ("steps", "epochs", "batch_size", "memory", "gpu", "precision", "assignments"),
        "What is written": ("run", "force", "dry_run", "every_field"),
    },
    "train": {
        "Device and memory": ("gpu", "gpu_memory", "precision", "cache", "cache_memory", "recover"),
        "Checkpoints": ("checkpoint_every", "keep_checkpoints"),
        "Evaluation beside it": ("evaluate", "best", "early_stop"),
        "The job": ("time_limit", "foreground"),
        "Who is told": ("notify_target", "track", "track_artifacts"),
    },
    "tune": {
        "The search": ("trials", "time_limit", "space", "seed", "notify_target", "restart"),
        "A trial": ("steps", "evaluations", "best", "pruner"),
        "Device and memory": ("gpu", "gpu_memory", "precision", "cache", "cache_memory"),
    },
    "eval": {
        "What is scored": ("checkpoint", "sample", "best", "latest"),
        "Over several machines": ("part", "join"),
        "Device and memory": ("gpu", "gpu_memory", "batch_size"),
        "The job": ("foreground", "notify_target"),
    },
    "export": {
        "What is exported": ("checkpoint", "formats", "tflite", "out"),
        "Models": ("input_type", "max_detections", "fast_nms", "representative_images"),
        "Comparison with the checkpoint": ("verify_images", "min_agreement"),
        "Device and memory": ("gpu", "gpu_memory"),
    },
    "predict": {
        "The model": ("model", "label_map", "min_score"),
        "What is looked at": ("tile", "overlap", "every"),
        "Videos and streams": ("track_objects", "count_line", "show_port"),
        "What is written": ("out", "save_as", "count", "pictures"),
        "Over several machines": ("part", "join"),
        "Device and memory": ("gpu", "gpu_memory", "batch_size"),
    },
}
"""By command, then by the panel's title: the options by the names of the function's parameters."""


def find_panel(command: str, option: str) -> str | None:
    """The title of the panel in which an option of a command stands; None where the command has too few for panels."""
    for title, options in PANELS.get(command, {}).items():
        if option in options:
            return title
    return None


def find_place(command: str, option: str) -> int:
    """The place of an option among those of its command's panels; those in no panel keep theirs, behind all others."""
    order = [name for options in PANELS.get(command, {}).values() for name in options]
    return order.index(option) if option in order else len(order)
