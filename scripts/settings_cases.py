"""try_settings.py's cases: small runs of each architecture, and every value and alternative of their configs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from odtool.pipeline.text import fields, messages
from odtool.pipeline.text.config import PipelineConfig

SIDE = 96
"""Pixels of the drawn images, and of what the models see of them."""


@dataclass(frozen=True)
class Base:
    """A small config, and the part of it whose settings are tried with it."""

    model: str
    """Of the zoo."""
    assignments: tuple[str, ...]
    roots: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One value of one field."""

    path: str
    value: str
    companions: tuple[str, ...] = ()
    """Assignments that the part of the config needs which the field is of, where the base has no such part."""

    @property
    def assignments(self) -> tuple[str, ...]:
        return (*self.companions, f"{self.path}={self.value}")


_SMALL = (
    "train_config.batch_size=2",
    "train_config.num_steps=1",
    "train_config.max_number_of_boxes=10",
    "eval_config.num_visualizations=1",
)
_SSD = "model.ssd"
_SSD_SMALL = (
    f"{_SSD}.image_resizer.fixed_shape_resizer={{height: {SIDE} width: {SIDE}}}",
    f"{_SSD}.post_processing.batch_non_max_suppression.max_detections_per_class=5",
    f"{_SSD}.post_processing.batch_non_max_suppression.max_total_detections=5",
)
_RCNN = "model.faster_rcnn"
_RCNN_SMALL = (
    f"{_RCNN}.image_resizer=",
    f"{_RCNN}.image_resizer.fixed_shape_resizer={{height: {SIDE} width: {SIDE}}}",
    f"{_RCNN}.first_stage_max_proposals=8",
    f"{_RCNN}.second_stage_batch_size=8",
    f"{_RCNN}.second_stage_post_processing.batch_non_max_suppression.max_detections_per_class=5",
    f"{_RCNN}.second_stage_post_processing.batch_non_max_suppression.max_total_detections=5",
)
_CENTER = "model.center_net"
_CENTER_SMALL = (
    f"{_CENTER}.feature_extractor.type=mobilenet_v2_fpn_sep_conv",
    f"{_CENTER}.image_resizer.keep_aspect_ratio_resizer="
    f"{{min_dimension: {SIDE} max_dimension: {SIDE} pad_to_max_dimension: true}}",
    f"{_CENTER}.object_center_params.max_box_predictions=5",
    f"{_CENTER}.keypoint_label_map_path=drawn/keypoints.pbtxt",
    "train_config.data_augmentation_options=",
    "train_input_reader.num_keypoints=2",
    *(
        f"{reader}.{setting}"
        for reader in ("train_input_reader", "eval_input_reader[0]")
        for setting in ("load_instance_masks=true", "mask_type=PNG_MASKS")
    ),
    "eval_input_reader[0].num_keypoints=2",
)
BASES = {
    "ssd": Base(
        "demo_ssd",
        (*_SMALL, *_SSD_SMALL, f"{_SSD}.feature_extractor.type=ssd_mobilenet_v2_fpn_keras"),
        ("model.ssd", "train_config", "train_input_reader", "eval_config", "eval_input_reader", "graph_rewriter"),
    ),
    "ssd_convolutional": Base(
        "ssd_mobilenet_v2_320x320",
        (*_SMALL, *_SSD_SMALL, f"{_SSD}.loss.classification_loss.weighted_sigmoid={{}}"),
        tuple(f"{_SSD}.{part}" for part in ("box_predictor", "anchor_generator", "feature_extractor", "loss")),
    ),
    "efficientdet": Base(
        "ssd_efficientdet_d0_512x512",
        (
            *_SMALL,
            f"{_SSD}.image_resizer.keep_aspect_ratio_resizer="
            "{min_dimension: 256 max_dimension: 256 pad_to_max_dimension: true}",
            *_SSD_SMALL[1:],
        ),
        (f"{_SSD}.image_resizer", f"{_SSD}.box_predictor.weight_shared_convolutional_box_predictor"),
    ),
    "faster_rcnn": Base("faster_rcnn_resnet50_v1_640x640", (*_SMALL, *_RCNN_SMALL), ("model.faster_rcnn",)),
    "mask_rcnn": Base(
        "mask_rcnn_inception_resnet_v2_1024x1024",
        (*_SMALL, *_RCNN_SMALL, f"{_RCNN}.feature_extractor.type=faster_rcnn_resnet50_keras"),
        (f"{_RCNN}.second_stage_box_predictor", f"{_RCNN}.resize_masks", f"{_RCNN}.use_static_shapes",
         "train_input_reader", "eval_config.eval_instance_masks"),
    ),
    "center_net": Base("centernet_resnet101_v1_fpn_512x512", (*_SMALL, *_CENTER_SMALL), ("model.center_net",)),
}  # fmt: skip
COMPANIONS = {
    "keep_aspect_ratio_resizer": f"{{min_dimension: {SIDE} max_dimension: {SIDE} pad_to_max_dimension: true}}",
    "fixed_shape_resizer": f"{{height: {SIDE} width: {SIDE}}}",
    "conditional_shape_resizer": f"{{condition: GREATER size_threshold: {SIDE}}}",
    "pad_to_multiple_resizer": "{multiple: 32}",
    "resize_image": f"{{new_height: {SIDE} new_width: {SIDE}}}",
    "random_jitter_boxes": "{ratio: 0.05}",
    "ssd_random_crop_pad": "{operations {min_object_covered: 0.1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 "
    "min_area: 0.1 max_area: 1 overlap_thresh: 0.1 min_padded_size_ratio: [1, 1] max_padded_size_ratio: [2, 2] "
    "pad_color_r: 1 pad_color_g: 1 pad_color_b: 1}}",
    "exponential_decay_learning_rate": "{initial_learning_rate: 0.01}",
    "manual_step_learning_rate": "{initial_learning_rate: 0.01 schedule {step: 1 learning_rate: 0.005}}",
    "variance_scaling_initializer": "{}",
    "temperature_scaling_calibration": "{scaler: 2}",
    "function_approximation": "{x_y_pairs {x_y_pair {x: 0 y: 0} x_y_pair {x: 1 y: 1}}}",
    "densepose_estimation_task": "{loss {localization_loss {l1_localization_loss {}} "
    "classification_loss {weighted_softmax {}}}}",
    "track_estimation_task": "{classification_loss {weighted_softmax {}}}",
    "temporal_offset_task": "{localization_loss {l1_localization_loss {}}}",
    "deepmac_mask_estimation": "{classification_loss {weighted_sigmoid {}}}",
    "mask_estimation_task": "{task_loss_weight: 1 classification_loss {weighted_sigmoid {}}}",
    "keypoint_estimation_task": "{task_name: 'p' task_loss_weight: 1 keypoint_class_name: 'disc' "
    "loss {localization_loss {l1_localization_loss {}} classification_loss {penalty_reduced_logistic_focal_loss {}}} "
    "keypoint_label_to_std {key: 'head' value: 0.8} keypoint_label_to_std {key: 'tail' value: 0.8}}",
    "flexible_grid_anchor_generator": "{anchor_grid {base_sizes: 16 aspect_ratios: 1 height_stride: 8 width_stride: 8} "
    "anchor_grid {base_sizes: 32 aspect_ratios: 1 height_stride: 16 width_stride: 16} "
    "anchor_grid {base_sizes: 64 aspect_ratios: 1 height_stride: 32 width_stride: 32}}",
    "ssd_anchor_generator": "{num_layers: 3 aspect_ratios: [1, 2]}",
    "multiscale_anchor_generator": "{min_level: 3 max_level: 5 anchor_scale: 4 aspect_ratios: 1}",
    "convolutional_box_predictor": "{kernel_size: 3 conv_hyperparams {regularizer {l2_regularizer {}} "
    "initializer {truncated_normal_initializer {}}}}",
    "hard_example_miner": "{num_hard_examples: 10 iou_threshold: 0.7 max_negatives_per_positive: 3}",
}
"""Values that parts need before one of their settings can be tried."""


def list_cases(config: PipelineConfig, roots: tuple[str, ...]) -> list[Case]:
    """Of every enum and boolean below `roots` each value that the config does not have, in its parts and in those
    that could be added or take another's place, and these themselves."""
    cases = _walk(config.message, "", (), {config.message.DESCRIPTOR.full_name})
    return [case for case in cases if any(f"{case.path}.".startswith((f"{root}.", f"{root}[")) for root in roots)]


def _walk(message: Any, above: str, companions: tuple[str, ...], seen: set[str]) -> Iterator[Case]:
    new = bool(companions)
    for field in message.DESCRIPTOR.fields:
        here = f"{above}{field.name}"
        repeated = messages.is_repeated(field)
        if field.type in (field.TYPE_ENUM, field.TYPE_BOOL):
            for value in _list_values(field):
                text = f"[{value}]" if repeated else value
                if repeated or new or value != _show(field, getattr(message, field.name)):
                    yield Case(here, text, companions)
        elif field.message_type is None or messages.is_map(field) or field.message_type.full_name in seen:
            continue
        elif repeated:
            elements = getattr(message, field.name)
            part, more = (
                (elements[0], ()) if elements else (_make(field), (f"{here}[+]={_find_companion(field.name)}",))
            )
            yield from _walk(part, f"{here}[0].", (*companions, *more), seen | {field.message_type.full_name})
        else:
            present = message.HasField(field.name)
            part = getattr(message, field.name) if present else _make(field)
            if not present and field.containing_oneof is not None:
                yield Case(here, _find_companion(field.name), companions)
            more = () if present else (f"{here}={_find_companion(field.name)}",)
            yield from _walk(part, f"{here}.", (*companions, *more), seen | {field.message_type.full_name})


def _list_values(field: Any) -> list[str]:
    if field.type == field.TYPE_BOOL:
        return ["true", "false"]
    return [value.name for value in field.enum_type.values]


def _show(field: Any, value: Any) -> str:
    return str(value).lower() if field.type == field.TYPE_BOOL else str(field.enum_type.values_by_number[value].name)


def _make(field: Any) -> Any:
    """A message of the field's type, as its companion makes it."""
    from google.protobuf import message_factory, text_format

    made = message_factory.GetMessageClass(field.message_type)()
    text_format.Parse(_find_companion(field.name)[1:-1], made)
    return made


def _find_companion(name: str) -> str:
    return COMPANIONS.get(name, "{}")


def apply(config: PipelineConfig, cases: list[Case]) -> PipelineConfig:
    """A copy of the config with the cases' settings."""
    changed = config.copy()
    for assignment in dict.fromkeys(line for case in cases for line in case.assignments):
        fields.assign(changed, assignment)
    return changed


def set_value(config: PipelineConfig, case: Case) -> PipelineConfig:
    """A copy of the config with the case's value alone: the part that it is of is there already."""
    changed = config.copy()
    fields.assign(changed, f"{case.path}={case.value}")
    return changed


def draw_images(folder: Path, count: int) -> Path:
    """Images of squares and discs, with boxes, masks and two keypoints an object, as COCO; a label map of keypoints."""
    chance = random.Random(0)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(count):
        image = Image.new("RGB", (SIDE, SIDE), (60, 60, 60 + 10 * number))
        side = chance.randint(30, 50)
        left, top, kind = chance.randint(1, 40), chance.randint(1, 40), number % 2
        corners = (left, top, left + side, top + side)
        pen = ImageDraw.Draw(image)
        (pen.ellipse if kind else pen.rectangle)(corners, fill="red" if kind else "blue")
        image.save(folder / "images" / f"{number}.jpg")
        images.append({"id": number, "file_name": f"{number}.jpg", "width": SIDE, "height": SIDE})
        polygon = [left, top, left + side, top, left + side, top + side, left, top + side]
        annotations.append(
            {"id": number, "image_id": number, "category_id": kind + 1, "bbox": [left, top, side, side],
             "area": side * side, "iscrowd": 0, "segmentation": [polygon],
             "keypoints": [left + 5, top + 5, 2, left + 15, top + 20, 2], "num_keypoints": 2}
        )  # fmt: skip
    points = {"keypoints": ["head", "tail"], "skeleton": [[1, 2]]}
    categories = [{"id": 1, "name": "square", **points}, {"id": 2, "name": "disc", **points}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(coco))
    (folder / "keypoints.pbtxt").write_text(
        "item { id: 1 name: 'square' }\n"
        "item { id: 2 name: 'disc' keypoints { id: 0 label: 'head' } keypoints { id: 1 label: 'tail' } }\n"
    )
    return folder
