"""Checks of the label maps and record files that a config names."""

from __future__ import annotations

from collections.abc import Iterator

from odtool.dataset import statistics
from odtool.errors import DataError
from odtool.pipeline import record_patterns
from odtool.pipeline.checks.finding import Finding, convert_error
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import ConfigFacts, RecordReader
from odtool.pipeline.text.workspace_paths import LeftAlone

_AGAIN = "Run odtool prepare, then odtool configure."


def check_train_records(facts: ConfigFacts) -> Iterator[Finding]:
    yield from _check_reader("train records", facts.readers[0], facts.config)


def check_eval_records(facts: ConfigFacts) -> Iterator[Finding]:
    if len(facts.readers) == 1:
        yield Finding("error", "eval records", "no eval_input_reader", "Write the config again: odtool configure")
    for reader in facts.readers[1:]:
        yield from _check_reader("eval records", reader, facts.config)


def _check_reader(subject: str, reader: RecordReader, config: PipelineConfig) -> Iterator[Finding]:
    if not reader.has_remote_map and (reader.label_map is None or not reader.label_map.is_file()):
        message = f"{reader.path}.label_map_path: no such file: {reader.label_map or '(empty)'}"
        yield Finding("error", subject, message, _find_fix(config) or _AGAIN)
    try:
        record_patterns.require_files(reader.message)
    except DataError as error:
        yield Finding("error", subject, f"{reader.path}.{error.message}", _find_fix(config) or error.hint)
        return
    if reader.has_remote_records and not reader.files:
        return  # the engine looks at them
    # TensorFlow would look for a first record in them for ever.
    if not any(file.stat().st_size for file in reader.files):
        message = f"{reader.path}.tf_record_input_reader.input_path: the files are empty, such as {reader.files[0]}"
        yield Finding("error", subject, message, "Prepare the data again: odtool prepare")
        return
    for dataset, summary in reader.prepared:
        for split, written in summary.splits.items():
            try:
                if not set(reader.files).isdisjoint(dataset.shards(split)):
                    statistics.refuse_cut_short(dataset, split, written)
            except DataError as error:
                yield convert_error(subject, error, reader.path)


def _find_fix(config: PipelineConfig) -> str:
    """What to do where files are missing as the paths lead to where a workspace was; '' where that is not why."""
    return config.move.fix if isinstance(config.move, LeftAlone) else ""
