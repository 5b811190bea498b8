"""Detectors that TensorFlow runs: a run's checkpoint, and SavedModels of the API's exporter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from odtool import state_files
from odtool.detection import image_arrays
from odtool.detection.class_labels import require_labels
from odtool.detection.detector import Detections, ImageSource
from odtool.detection.image_arrays import to_list
from odtool.detection.runtimes.model_description import LARGEST, NAME, ModelDescription
from odtool.detection.runtimes.outputs import MASKS, NAMES, build_detections
from odtool.engine import checkpoints
from odtool.engine.export.trained_model import TrainedModel
from odtool.engine.tracing import TracedFunction
from odtool.errors import DataError, first_line
from odtool.state_files import StateError

log = logging.getLogger("odtool.engine")
_ANY = (None, None, 3)
"""Shape of an image of any size."""
Prepare: TypeAlias = Callable[[Any], Any]
"""From an image, [height, width, 3] uint8, to what the model takes, [1, …], and its true shape, [1, 3]."""
Find: TypeAlias = Callable[[Any, Any], Any]
"""From a batch of these to boxes, classes, scores and numbers, as `NAMES` has them, and masks where there are any."""


class CheckpointDetector:
    """A run's model with the variables of one checkpoint, several images at a time where its resizer allows."""

    def __init__(
        self, prepare: Prepare, find: Find, labels: Mapping[int, str], thresholds: Mapping[str, float] | None = None
    ) -> None:
        """Traces what prepares an image; what finds objects is traced for the sizes that come.

        Args:
            labels: class names by the ids of the label map.
            thresholds: the best scores by these names.
        """
        self.labels = labels
        self.thresholds: Mapping[str, float] = thresholds or {}
        self.takes_batches = True
        self._prepare = TracedFunction(prepare)
        self._prepare.trace(tf.TensorSpec([None, None, 3], tf.uint8))
        self._find = TracedFunction(find)
        self._traced: set[tuple[int | None, ...]] = set()

    @classmethod
    def from_trained_model(cls, source: TrainedModel, labels: Mapping[int, str] | None = None) -> CheckpointDetector:
        """The detector of a model that is filled; with the run's class names where no others are given."""
        model = source.detector

        def prepare(image: Any) -> Any:
            return model.preprocess(tf.cast(image, tf.float32)[tf.newaxis])

        def find(pixels: Any, shapes: Any) -> Any:
            outputs = model.postprocess(model.predict(pixels, shapes), shapes)
            return [outputs[name] for name in (*NAMES, MASKS) if name in outputs]

        # The masks of CenterNet are int32, and its loop over a batch of any size takes uint8 alone.
        has_own_masks = bool(source.config.message.model.center_net.HasField("mask_estimation_task"))
        detector = cls(prepare, find, dict(labels or source.labels), source.thresholds)
        detector.takes_batches = not has_own_masks
        return detector

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        """Finds the objects in each image; see `Detector`."""
        sizes, prepared = [], []
        for source in to_list(images):
            image = _decode_pixels(source)
            sizes.append(image.shape[:2])
            prepared.append(self._prepare(tf.constant(image)))
        results: list[Detections] = []
        for _, group in groupby(range(len(prepared)), key=lambda index: tuple(prepared[index][0].shape)):
            members = list(group)
            pixels, shapes = (tf.concat([prepared[index][part] for index in members], 0) for part in (0, 1))
            values = self._run(pixels, shapes)
            for place, index in enumerate(members):
                # Models count classes from 0, label maps from 1.
                results.append(_read_detections(values, place, sizes[index], min_score, first_class=1))
        return results

    def _run(self, pixels: Any, shapes: Any) -> list[NDArray[Any]]:
        """What the model gives for a batch of images of one size."""
        graph = self._graph_for(pixels)
        if self.takes_batches:
            return [value.numpy() for value in graph(pixels, shapes)]
        outputs = [graph(pixels[place : place + 1], shapes[place : place + 1]) for place in range(len(pixels))]
        return [np.concatenate([value.numpy() for value in values]) for values in zip(*outputs, strict=True)]

    def _graph_for(self, pixels: Any) -> TracedFunction:
        """The graph, traced for batches of any size of such images; from the second size on, for images of any size."""
        shape = tuple(pixels.shape[1:])
        if not self._traced & {shape, _ANY}:
            # Another trace for each size would take seconds and memory for each; only some resizers give several.
            shape = _ANY if self._traced else shape
            self._trace(shape)
            self._traced.add(shape)
        return self._find

    def _trace(self, shape: tuple[int | None, ...]) -> None:
        """For batches of any size, or, where the model has to know it, for single images.

        The pyramids of Faster and Mask R-CNN crop proposals from several levels by a shape that has the batch's size,
        and CenterNet counts the images whose keypoints it puts together.
        """
        if self.takes_batches:
            try:
                self._find.trace(tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None, 3], tf.int32))
            except (TypeError, ValueError) as error:
                log.info("one image at a time: %s", first_line(error))
                self.takes_batches = False
            else:
                return
        self._find.trace(tf.TensorSpec([1, *shape], tf.float32), tf.TensorSpec([1, 3], tf.int32))


class SavedModelDetector:
    """A SavedModel of the API's exporter, whatever its input type."""

    def __init__(self, folder: Path, labels: Mapping[int, str] | None = None) -> None:
        """Loads it.

        Args:
            folder: which holds saved_model.pb.
            labels: class names by the ids of the label map; those that odtool export wrote into it by default.

        Raises:
            DataError: it is not such a model, or it does not name its classes.
        """
        described = _load_description(folder)
        self.labels = require_labels(labels or (described.labels if described else {}), folder)
        self.thresholds: Mapping[str, float] = described.thresholds if described else {}
        try:
            self._model = tf.saved_model.load(checkpoints.to_readable_prefix(folder))
            self._run = self._model.signatures["serving_default"]
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{folder} is not a SavedModel that can be run: {error}", "Export it: odtool export"
            ) from None
        inputs = self._run.structured_input_signature[1]
        if len(inputs) != 1 or not set(NAMES) <= set(self._run.structured_outputs):
            raise DataError(
                f"{folder} does not take an image and return {', '.join(NAMES)}",
                "Use a SavedModel of the API's exporter, as odtool export writes.",
            )
        ((self._name, self._input),) = inputs.items()
        self._outputs = [*NAMES, MASKS] if MASKS in self._run.structured_outputs else [*NAMES]
        self.takes_batches = self._input.shape[0] is None
        self._takes_examples = self._input.dtype == tf.string and _takes_examples(self._run)

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        """Finds the objects in each image; see `Detector`."""
        decoded = [_decode_pixels(image) for image in to_list(images)]
        results: list[Detections] = []
        for group in _group_equal(decoded) if self.takes_batches else [[image] for image in decoded]:
            outputs = self._run(**{self._name: self._batch(group)})
            values = [outputs[name].numpy() for name in self._outputs]
            results += [
                _read_detections(values, place, image.shape[:2], min_score, first_class=0)
                for place, image in enumerate(group)
            ]
        return results

    def _batch(self, group: Sequence[NDArray[np.uint8]]) -> Any:
        if self._input.dtype != tf.string:
            return tf.constant(np.stack(group), self._input.dtype)
        encode: Callable[[NDArray[np.uint8]], bytes] = (
            _encode_example if self._takes_examples else image_arrays.encode_png
        )
        return tf.constant([encode(image) for image in group])


def _decode_pixels(image: ImageSource) -> NDArray[np.uint8]:
    return image_arrays.read_pixels(image)


def _group_equal(decoded: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[np.uint8]]]:
    """Neighbours of the same size together."""
    return [list(group) for _, group in groupby(decoded, key=lambda image: image.shape)]


def _takes_examples(run: Any) -> bool:
    """Whether strings are tf.train.Examples: the stock exporter names its input alike for these and for images."""
    graph = run.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any(node.op.startswith("Parse") and "Example" in node.op for node in nodes)


def _encode_example(image: NDArray[np.uint8]) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image_arrays.encode_png(image)]))
    example = tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature}))
    return bytes(example.SerializeToString())


def _read_detections(
    values: Sequence[NDArray[Any]], place: int, size: tuple[int, ...], min_score: float, *, first_class: int
) -> Detections:
    boxes, classes, scores, number, *masks = (value[place] for value in values)
    count = int(number)
    return build_detections(
        boxes[:count],
        np.rint(classes[:count]).astype(np.int64) + first_class,
        scores[:count],
        width=size[1],
        height=size[0],
        min_score=min_score,
        masks=masks[0][:count] if masks else None,
    )


def _load_description(folder: Path) -> ModelDescription | None:
    """What odtool export wrote into it."""
    path = folder / "assets.extra" / NAME
    try:
        return state_files.read(path, ModelDescription, largest=LARGEST)
    except FileNotFoundError:
        return None
    except StateError as error:
        raise DataError(
            f"{path}: its description of the model is damaged: {error}", "Export it again: odtool export"
        ) from None
