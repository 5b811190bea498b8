"""The training and evaluation data sets: the API's own input pipelines, with their memory kept within bounds."""

from __future__ import annotations

import copy
import logging
import struct
from collections.abc import Iterator
from typing import Any

import psutil
import tensorflow as tf
from object_detection import inputs

from odtool.engine.input.dataset_builder import replacing_builder
from odtool.engine.input.record_cache import RecordCache
from odtool.engine.input.record_files import require_files
from odtool.engine.model import Configs
from odtool.engine.tracing import trace_without_autograph
from odtool.parts import WorkPart

SHUFFLE_SHARE = 1 / 16
"""Share of the memory available at start that encoded records waiting in the shuffle buffer may take."""
MAX_READERS = 16
"""Files read at once. The API's default of 64 holds 8 MB for each of up to 64 shards and is no faster."""
_SAMPLE = 200
"""Records measured to estimate their mean size."""

log = logging.getLogger("odtool.engine")


def build_training_data(configs: Configs, model: Any, strategy: Any, *, cache: RecordCache | None = None) -> Any:
    """The endless training data set, distributed over the strategy's replicas.

    Args:
        cache: keeps the encoded records in memory, as many as fit.
    """
    reader = copy.deepcopy(configs["train_input_config"])
    bound_memory(reader, require_files(reader))

    def build(context: Any) -> Any:
        with replacing_builder(cache):
            data = inputs.train_input(
                train_config=configs["train_config"],
                train_input_config=reader,
                model_config=configs["model"],
                model=model,
                input_context=context,
            )
        return data.repeat().with_options(_untuned())

    return trace_without_autograph(lambda: strategy.distribute_datasets_from_function(build))


def build_evaluation_data(
    configs: Configs, reader: Any, model: Any, *, sample: int, batch: int = 1, part: WorkPart | None = None
) -> Any:
    """One pass over an evaluation set, or over 1 of `sample` of its images, as `eval_continuously` reads it.

    Except for images at the end that fill no batch: they are kept whatever drop_remainder says, true by default.

    Args:
        sample: of the images that the config lets through, which may itself take 1 of several.
        batch: images in a batch; 1 leaves it to the config.
        part: only every so manieth batch, those of one of several processes, which all read in the same order.
    """
    reader, settings = copy.deepcopy(reader), copy.deepcopy(configs["eval_config"])
    if batch > 1:
        settings.batch_size = batch
    # One image fills a batch: nothing is dropped, and the model's graph knows the batch's size.
    reader.drop_remainder = settings.batch_size == 1
    require_files(reader)
    reader.num_epochs = 1
    if part is not None and reader.shuffle:
        log.info("the evaluation set is not shuffled, so that its parts are the same for all processes")
        reader.shuffle = False
    reader.sample_1_of_n_examples = sample * max(reader.sample_1_of_n_examples, 1)

    def build() -> Any:
        with replacing_builder(part=part):
            data = inputs.eval_input(
                eval_config=settings, eval_input_config=reader, model_config=configs["model"], model=model
            )
        return data.with_options(_untuned())

    return trace_without_autograph(build)


def _untuned() -> Any:
    """As many images at once as there are processors, from the first on, with nothing measured and adjusted meanwhile.

    tf.data's autotuning sleeps for longer and longer, up to a minute, and often misses that it is to end: the callbacks
    that wake it are called before it is marked as cancelled (CancellationManager::StartCancel). An iterator then takes
    as long to end as it has lived, up to a minute, at the end of training and of each checkpoint's evaluation.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def bound_memory(reader: Any, files: list[str], *, budget: int | None = None) -> None:
    """Lowers the shuffle buffer and the number of readers where they would take much memory; says so.

    Args:
        reader: an InputReader message; changed in place.
        budget: bytes for the shuffle buffer; by default a share of the memory available now.
    """
    reader.num_readers = min(reader.num_readers, MAX_READERS)
    if not reader.shuffle:
        return
    budget = budget if budget is not None else int(psutil.virtual_memory().available * SHUFFLE_SHARE)
    fitting = max(budget // max(_measure_mean_record(files), 1), 1)
    if fitting < reader.shuffle_buffer_size:
        log.info(
            "shuffle buffer: %d records instead of %d, to keep within %d MB",
            fitting,
            reader.shuffle_buffer_size,
            budget // 2**20,
        )
        reader.shuffle_buffer_size = fitting


def _measure_mean_record(files: list[str]) -> int:
    sizes = [size for file in files[:4] for size in _read_record_sizes(file, _SAMPLE // 4)]
    return sum(sizes) // max(len(sizes), 1)


def _read_record_sizes(file: str, count: int) -> Iterator[int]:
    """Sizes in bytes of a TFRecord file's first records: a little-endian uint64 before each, a CRC on either side."""
    with tf.io.gfile.GFile(file, "rb") as stream:
        for _ in range(count):
            header = stream.read(12)
            if len(header) < 12:
                return
            size = struct.unpack("<Q", header[:8])[0]
            yield size
            stream.seek(stream.tell() + size + 4)
