"""Our stand-in for the API's dataset builder: the same records in the same order, decoded by fewer threads at once.

The API (builders/dataset_builder.py) maps each record twice, with as many calls at a time as eight batches have images:
64 decoded images wait in memory for a batch of 8. Here one map decodes and transforms, with as many calls as there is
work for. It is put in through the API's own seam, `inputs.INPUT_BUILDER_UTIL_MAP`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from object_detection import inputs
from object_detection.builders import dataset_builder, decoder_builder
from object_detection.protos import input_reader_pb2

from odtool.engine.input import record_sharding
from odtool.engine.input.record_cache import RecordCache
from odtool.engine.input.transforms import replacing_transforms
from odtool.errors import ConfigError
from odtool.parts import WorkPart

_READ_BUFFER = 8_000_000
"""Bytes of a file that a reader holds, as in the API."""


@contextmanager
def replacing_builder(
    cache: RecordCache | None = None, part: WorkPart | None = None, *, keep_records: bool = False
) -> Iterator[None]:
    """While this lasts, `inputs.train_input` and `eval_input` build their data sets here, as `build` has it."""
    seam = inputs.INPUT_BUILDER_UTIL_MAP
    before = seam["dataset_build"]
    seam["dataset_build"] = functools.partial(build, cache=cache, part=part, keep_records=keep_records)
    try:
        with replacing_transforms():
            yield
    finally:
        seam["dataset_build"] = before


def build(
    reader: Any,
    *,
    batch_size: int,
    transform_input_data_fn: Callable[[Any], Any],
    input_context: Any = None,
    reduce_to_frame_fn: Any = None,
    cache: RecordCache | None = None,
    part: WorkPart | None = None,
    keep_records: bool = False,
) -> Any:
    """A data set of batches, as `dataset_builder.build` makes it.

    Args:
        reader: an InputReader message.
        batch_size: over all replicas; a replica's share of it is used where there is an `input_context`.
        transform_input_data_fn: from a decoded record to features and labels.
        input_context: tf.distribute.InputContext of a process, which gets its own part of the records.
        reduce_to_frame_fn: used for sequence examples only, which are left to the API.
        cache: keeps records in memory.
        part: only the batches, dealt out in turn, of one of several processes that evaluate together.
        keep_records: give the serialized records beside what was made of them, in a third tensor. They are worked on
            one after the other, so that the same seed has the same chances for the same record.
    """
    if reader.input_type == input_reader_pb2.InputType.Value("TF_SEQUENCE_EXAMPLE"):
        if part is not None:
            raise ConfigError("sequence examples cannot be evaluated by parts", "Evaluate them without --part.")
        return dataset_builder.build(reader, batch_size, transform_input_data_fn, input_context, reduce_to_frame_fn)
    if input_context is not None:
        batch_size = input_context.get_per_replica_batch_size(batch_size)
    plainly = functools.partial(tf.data.TFRecordDataset, buffer_size=_READ_BUFFER)
    read_file: record_sharding.FileReader = cache.records if cache else plainly
    if input_context is not None and (count := input_context.num_input_pipelines) > 1:
        reader, read_file = record_sharding.assign_part(
            reader, read_file, count=count, index=input_context.input_pipeline_id
        )
    records = dataset_builder.read_dataset(read_file, list(reader.tf_record_input_reader.input_path), reader)
    if reader.sample_1_of_n_examples > 1:
        records = records.shard(reader.sample_1_of_n_examples, 0)
    if part is not None:
        records = records.batch(batch_size).shard(part.count, part.number - 1).unbatch()
    decoder = build_decoder(reader)

    def transform(record: Any) -> Any:
        example = transform_input_data_fn(decoder.decode(record))
        return (*example, record) if keep_records else example

    examples = records.map(transform, None if keep_records else tf.data.AUTOTUNE)
    batches = examples.batch(batch_size, drop_remainder=reader.drop_remainder).prefetch(reader.num_prefetch_batches)
    return batches.with_options(_limit_threads())


def _limit_threads() -> Any:
    """Many images are worked on at a time; to split each among threads as well only moves it between cores."""
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    return options


def build_decoder(reader: Any) -> Any:
    """The API's decoder for an InputReader message.

    Lists of a record are parsed straight to tensors: the API makes some twenty sparse ones of each and converts them.
    Its handlers take either; a list that a record lacks is an empty one both ways.
    """
    decoder = decoder_builder.build(reader)
    decoder.keys_to_features = {
        key: tf.io.FixedLenSequenceFeature([], feature.dtype, allow_missing=True)
        if isinstance(feature, tf.io.VarLenFeature)
        else feature
        for key, feature in decoder.keys_to_features.items()
    }
    return decoder
