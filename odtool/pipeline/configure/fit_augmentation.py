"""Data augmentation that follows the model's input size."""

from __future__ import annotations

from odtool.pipeline.text.draft import ConfigDraft

_SQUARE = "random_scale_crop_and_pad_to_square"


def follow_input_size(draft: ConfigDraft, before: tuple[int, int] | None) -> None:
    """Keeps the squares that training images are cut to as large as the model's input, where they were.

    Args:
        before: the model's input size before the user's changes; None where images kept sizes of their own.
    """
    after = draft.facts.input_size
    if before is None or after is None or after == before or after[0] != after[1]:
        return
    for index, option in enumerate(draft.message.train_config.data_augmentation_options):
        path = f"train_config.data_augmentation_options[{index}].{_SQUARE}.output_size"
        if option.WhichOneof("preprocessing_step") == _SQUARE and not draft.find_reason(path):
            step = getattr(option, _SQUARE)
            if before == (step.output_size, step.output_size):
                step.output_size = after[0]
                draft.give_reason("as large as the resizer makes every image", path)
