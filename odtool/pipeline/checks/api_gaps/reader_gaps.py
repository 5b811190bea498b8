"""Checks of what records are read for: features that the API cannot read, or that prepared records do not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.text.facts import ConfigFacts, RecordReader

_DECODED = "TF_EXAMPLE"
_MASKS = "PNG_MASKS"


def check_reader_features(facts: ConfigFacts) -> Iterator[Finding]:
    """builders/decoder_builder.py and inputs.py."""
    for reader in facts.readers:
        here, kind = reader.path, _name_value(reader.message, "input_type")
        if kind == "INPUT_DEFAULT" or (kind != _DECODED and reader.prepared):
            yield report_error(
                f"{here}.input_type is {kind}, "
                + (
                    "which the API does not read"
                    if kind == "INPUT_DEFAULT"
                    else "but the records hold tf.train.Examples"
                ),
                f"--set {here}.input_type={_DECODED}",
            )
        if reader.message.load_dense_pose:
            yield report_error(
                f"{here}.load_dense_pose: the API's package lacks the table of symmetries that reading them takes",
                f"--set {here}.load_dense_pose=false",
            )
        if reader.path == "train_input_reader" and not reader.message.drop_remainder:
            # model_lib.unstack_batch asks for the number of images, which a batch that may be smaller does not say.
            yield report_error(
                f"{reader.path}.drop_remainder is false, but the API trains on whole batches only",
                f"--set {reader.path}.drop_remainder=true. Nothing is left out: the records are read again and again.",
            )
        yield from _check_context(facts, reader)
        yield from _check_mask_type(reader)


def _check_context(facts: ConfigFacts, reader: RecordReader) -> Iterator[Finding]:
    """How many there are stands in Context R-CNN's context_config."""
    if reader.message.load_context_features and facts.architecture != "context_rcnn":
        yield report_error(
            f"{reader.path}.load_context_features: only Context R-CNN uses them, and this is a {facts.architecture}",
            f"--set {reader.path}.load_context_features=false",
        )


def check_context(facts: ConfigFacts) -> Iterator[Finding]:
    """meta_architectures/context_rcnn_meta_arch.py attends to features of other images, which a record holds."""
    reader = facts.readers[0]
    if facts.architecture != "context_rcnn":
        return
    if reader.prepared or not reader.message.load_context_features:
        where = "the records hold none" if reader.prepared else f"{reader.path} does not load them"
        yield report_error(
            f"{facts.model_path}.context_config: Context R-CNN is trained with features of other images, but {where}",
            f"--set {facts.model_path}.context_config=, which makes it a Faster R-CNN."
            if reader.prepared
            else f"--set {reader.path}.load_context_features=true",
        )


def _check_mask_type(reader: RecordReader) -> Iterator[Finding]:
    """What prepare writes are PNGs; the API says of others that data types do not match."""
    kind = _name_value(reader.message, "mask_type")
    if reader.message.load_instance_masks and kind != _MASKS and any(summary.masks for _, summary in reader.prepared):
        yield report_error(
            f"{reader.path}.mask_type is {kind}, but the records hold masks as PNGs",
            f"--set {reader.path}.mask_type={_MASKS}",
        )


def check_multiclass_scores(facts: ConfigFacts) -> Iterator[Finding]:
    """inputs.py takes the classes from scores, which no record that prepare wrote has."""
    here = "train_config.use_multiclass_scores"
    if facts.message.train_config.use_multiclass_scores and (
        facts.readers[0].prepared or not facts.readers[0].message.load_multiclass_scores
    ):
        where = "the records hold none" if facts.readers[0].prepared else "train_input_reader does not load them"
        yield report_error(f"{here} is true, but {where}", f"--set {here}=false")


def _name_value(message: Any, field: str) -> str:
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(values[getattr(message, field)].name)
