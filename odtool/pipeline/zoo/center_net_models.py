"""The zoo's CenterNet models: the templates and figures of each."""

from __future__ import annotations

from typing import Any

from odtool.pipeline.zoo.zoo_model import EVALUATION, ZooModel, checkpoint

_PARTS = ("coco.config", "padded_boxes.config", "center_net.config")
_AUGMENT_512 = ("augment_random_crop.config", "augment_colour.config", "augment_brightness.config")
_AUGMENT_1024 = ("augment_colour.config", "augment_brightness.config", "augment_square_crop.config")
_LEFT_RIGHT = "keypoint_flip_permutation: [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"
"""Key points of human_keypoints.config that change places in a mirror: eyes, ears and limbs."""
_ADAM_COSINE = {"learning_rate": 1e-3, "warmup_rate": 2.5e-4, "warmup_steps": 5000}


def center_net(name: str, extractor: str, size: int, steps: int, start: str = "") -> ZooModel:
    """Of this name, on this backbone.

    Args:
        start: name of the checkpoint that the API's config starts from; empty where it names a folder.
    """
    hourglass = extractor.startswith("hourglass")
    keypoints = "_kpts_" in name
    figures: dict[str, Any] = {
        **EVALUATION,
        **_ADAM_COSINE,
        "extractor": extractor,
        "size": size,
        "batch_size": 128,
        "steps": steps,
        "checkpoint": checkpoint(start).rstrip("/"),
        "checkpoint_type": "detection" if hourglass else "classification",
        "flip": _LEFT_RIGHT if keypoints else "",
    }
    parts = [*_PARTS, *(_AUGMENT_1024 if size == 1024 else (*_AUGMENT_512, "augment_padding.config"))]
    parts.append("adam_cosine.config" if keypoints or size == 1024 else "adam_manual_steps.config")
    parts += ["hourglass.config"] * hourglass
    if keypoints:
        parts.append("human_keypoints.config")
        # Upstream's hourglass at 512 px evaluates with the reader's defaults: shuffled, without an end.
        figures["eval_reader"] = (
            "num_keypoints: 17" if hourglass and size == 512 else ("shuffle: false num_epochs: 1 num_keypoints: 17")
        )
    outputs = ("boxes", "keypoints") if keypoints else ("boxes",)
    return ZooModel(name, "center_net", tuple(parts), figures, size, size, outputs)
