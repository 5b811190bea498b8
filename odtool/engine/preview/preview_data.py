"""Training data with what it was made of: batches beside their records, and one record after each augmentation."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from object_detection import inputs
from object_detection.core.standard_fields import InputDataFields

from odtool.engine.input import dataset_builder, input_pipelines, transforms
from odtool.engine.input.record_files import require_files
from odtool.engine.model import Configs
from odtool.engine.tracing import trace_without_autograph
from odtool.errors import ConfigError

DRAWS = 3
"""Times that each augmentation is also applied to the record's own image."""
_SHUFFLED = 256
"""Records of which the images are taken. Training shuffles 2,048 by default, which takes seconds to read."""
_PLACES = 10_000
"""More than a config has crops, each of them seeded by itself."""
_KEPT = (
    InputDataFields.image,
    InputDataFields.groundtruth_boxes,
    InputDataFields.groundtruth_classes,
    InputDataFields.groundtruth_instance_masks,
    InputDataFields.groundtruth_keypoints,
)
"""What is looked at of an image between two augmentations."""

Tensors = dict[str, Any]
Stages = tuple[tuple[Tensors, tuple[Tensors, ...]], ...]
"""An image after each augmentation in turn, and each time what the augmentation makes of the image in the record."""


def read_reader(configs: Configs) -> Any:
    """The reader of the training records.

    Raises:
        ConfigError: it reads sequences of images.
        DataError: there are no records.
    """
    reader = copy.deepcopy(configs["train_input_config"])
    if reader.input_type == type(reader).DESCRIPTOR.fields_by_name["input_type"].enum_type.values_by_name[
        "TF_SEQUENCE_EXAMPLE"
    ].number:  # fmt: skip
        raise ConfigError(
            "train_input_reader.input_type: records of image sequences cannot be previewed",
            "Preview a run whose records are tf.train.Examples, as odtool prepare writes them.",
        )
    input_pipelines.bound_memory(reader, require_files(reader))
    return reader


def build_batches(configs: Configs, model: Any, *, images: int) -> Any:
    """An endless data set of features, labels and serialized records, by the pipeline that training reads.

    Args:
        images: how many will be looked at; a batch has no more.
    """
    reader, settings = read_reader(configs), copy.deepcopy(configs["train_config"])
    reader.shuffle_buffer_size = min(reader.shuffle_buffer_size, max(_SHUFFLED, images))
    reader.num_readers = 1  # several give records in the order in which they are done, which is another one each time
    settings.batch_size = max(min(settings.batch_size, images), 1)

    def build() -> Any:
        with dataset_builder.replacing_builder(keep_records=True):
            return inputs.train_input(settings, reader, configs["model"], model=model).repeat()

    return trace_without_autograph(build)


def run_stages(configs: Configs, model: Any, record: bytes) -> tuple[Any, Stages]:
    """What the pipeline gives of one record, and what the image was like after each augmentation on the way."""
    stages: list[tuple[Tensors, tuple[Tensors, ...]]] = []

    def augment(tensors: Tensors, data_augmentation_options: list[Any]) -> Tensors:
        first = dict(tensors)
        for option in data_augmentation_options:
            alone = tuple(_pick(transforms.augment(dict(first), [option])) for _ in range(DRAWS))
            tensors = transforms.augment(dict(tensors), [option])
            stages.append((_pick(tensors), alone))
        return tensors

    def build_one(reader: Any, *, transform_input_data_fn: Callable[[Any], Any], **_: Any) -> Any:
        decoder = dataset_builder.build_decoder(reader)

        def transform(serialized: Any) -> Any:
            stages.clear()  # tracing may begin again, with AutoGraph
            given = transform_input_data_fn(decoder.decode(serialized))
            return given, tuple(stages)

        return tf.data.Dataset.from_tensors(record).map(transform)

    with _replacing_builder(build_one), transforms.replacing(inputs, "augment_input_data", augment):
        data = trace_without_autograph(
            lambda: inputs.train_input(
                configs["train_config"], read_reader(configs), configs["model"], model=model
            )
        )  # fmt: skip
    given, walked = next(iter(data))
    return given, walked


def decode(reader: Any, record: bytes) -> Tensors:
    """The image and its objects as the API's decoder reads them."""
    return _pick(dataset_builder.build_decoder(reader).decode(tf.constant(record)))


@contextmanager
def seeding(seed: int) -> Iterator[None]:
    """While this lasts, data sets are traced whose chances are the same each time for the same seed.

    TensorFlow's own seed is not heeded by the operation that places crops, which so gets one for each place it is used.
    """
    tf.random.set_seed(seed)
    place, seeds = tf.compat.v1.image.sample_distorted_bounding_box, itertools.count(_PLACES * seed + 1)

    def place_with_seed(*arguments: Any, **settings: Any) -> Any:
        return place(*arguments, **{**settings, "seed": next(seeds)})

    with transforms.replacing(tf.compat.v1.image, "sample_distorted_bounding_box", place_with_seed):
        yield


@contextmanager
def _replacing_builder(build: Callable[..., Any]) -> Iterator[None]:
    seam = inputs.INPUT_BUILDER_UTIL_MAP
    before = seam["dataset_build"]
    seam["dataset_build"] = build
    try:
        yield
    finally:
        seam["dataset_build"] = before


def _pick(tensors: Tensors) -> Tensors:
    return {name: tensors[name] for name in _KEPT if name in tensors}
