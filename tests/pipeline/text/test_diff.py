"""What changed, and why."""

from __future__ import annotations

from odtool.pipeline.text import config, diff
from odtool.pipeline.text.diff import Change
from odtool.pipeline.text.draft import ConfigDraft

OLD = """
model { ssd { num_classes: 90 anchor_generator { ssd_anchor_generator {} } } }
train_config { batch_size: 4 fine_tune_checkpoint: "a" }
eval_config { metrics_set: "m" super_categories { key: "k" value: "v" } }
graph_rewriter { [an.extension]: 1 }
"""


def test_fields_are_shown_with_old_new_and_the_nearest_reason() -> None:
    old = config.parse(OLD, "f")
    draft = ConfigDraft(old.copy())
    draft.message.train_config.batch_size = 8
    draft.message.train_config.ClearField("fine_tune_checkpoint")
    draft.message.model.ssd.num_classes = 2
    draft.message.eval_config.metrics_set.append("n")
    draft.give_reason("in general", "train_config")
    draft.give_reason("asked for", "train_config.batch_size")
    assert diff.compare(old, draft.config, draft.reasons) == [
        Change("model.ssd.num_classes", "90", "2", ""),
        Change("train_config.batch_size", "4", "8", "asked for"),
        Change("train_config.fine_tune_checkpoint", '"a"', None, "in general"),
        Change("eval_config.metrics_set[1]", None, '"n"', ""),
    ]


def test_a_later_reason_takes_the_place_of_earlier_ones_below_it() -> None:
    draft = ConfigDraft(config.parse("", "f"))
    draft.give_reason("scaled", "train_config.optimizer.adam_optimizer.epsilon")
    draft.give_reason("replaced", "train_config.optimizer")
    assert draft.reasons == {"train_config.optimizer": "replaced"}


def test_empty_messages_maps_and_extensions_have_paths_too() -> None:
    flat = diff.flatten(config.parse(OLD, "f"))
    assert flat["model.ssd.anchor_generator.ssd_anchor_generator"] == "{}"
    assert flat["eval_config.super_categories[k]"] == '"v"'
    assert flat["graph_rewriter.[an.extension]"] == "[an.extension]: 1"


def test_an_extension_that_went_is_shown() -> None:
    old = config.parse(OLD, "f")
    new = old.copy()
    new.message.ClearField("graph_rewriter")
    assert diff.compare(old, new, {}) == [
        Change("graph_rewriter", "{}", None, ""),
        Change("graph_rewriter.[an.extension]", "[an.extension]: 1", None, ""),
    ]


def test_a_part_that_went_as_a_whole_is_one_line() -> None:
    edges = "".join(f"keypoint_edge {{ start: {number} end: 7 }} " for number in range(5))
    old = config.parse(
        f"eval_config {{ num_examples: 3 {edges} metrics_set: 'm' }} train_config {{ batch_size: 4 }}", "f"
    )
    draft = ConfigDraft(old.copy())
    draft.message.eval_config.ClearField("keypoint_edge")
    draft.message.eval_config.ClearField("metrics_set")
    draft.give_reason("not needed", "eval_config.keypoint_edge")
    changes = diff.compare(old, draft.config, draft.reasons)
    assert len(changes) == 11
    assert diff.shorten(changes, draft.config) == [
        Change("eval_config.metrics_set[0]", '"m"', None, ""),
        Change("eval_config.keypoint_edge", "10 fields", None, "not needed"),
    ]


def test_what_went_from_a_part_that_stays_is_shown_field_by_field() -> None:
    old = config.parse(
        f"train_config {{ {' '.join(f'update_trainable_variables: {chr(34)}{n}{chr(34)}' for n in range(9))} }}", "f"
    )
    draft = ConfigDraft(old.copy())
    del draft.message.train_config.update_trainable_variables[1:]
    changes = diff.compare(old, draft.config, draft.reasons)
    assert diff.shorten(changes, draft.config) == changes
    assert len(changes) == 8
