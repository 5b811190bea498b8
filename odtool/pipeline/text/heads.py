"""Heads that predict more than boxes, and the annotations that they are trained with."""

from __future__ import annotations

from odtool.pipeline.text.facts import ConfigFacts

MASKS, KEYPOINTS = "masks", "keypoints"
CENTER_NET_TASKS = {
    "keypoint_estimation_task": KEYPOINTS,
    "keypoint_label_map_path": KEYPOINTS,
    "mask_estimation_task": MASKS,
    "deepmac_mask_estimation": MASKS,
    "densepose_estimation_task": "DensePose points",
    "track_estimation_task": "tracks",
    "temporal_offset_task": "tracks",
}
"""Fields of a CenterNet by the annotations that they need."""


def find_learned(facts: ConfigFacts) -> dict[str, str]:
    """'masks' and 'keypoints' where the model is trained to predict them, each with the field that says so."""
    if facts.architecture == "mask_rcnn":
        return {MASKS: "model.faster_rcnn.number_of_stages: 3"}
    if facts.architecture != "center_net":
        return {}
    tasks = [field.name for field, _ in facts.model.ListFields() if field.name != "keypoint_label_map_path"]
    return {
        CENTER_NET_TASKS[task]: f"model.center_net.{task}"
        for task in tasks
        if CENTER_NET_TASKS.get(task) in (MASKS, KEYPOINTS)
    }
