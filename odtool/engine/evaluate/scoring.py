"""A model's results over an evaluation set, batch by batch, as `eval_continuously` computes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from object_detection import inputs, model_lib, model_lib_v2
from object_detection.core.standard_fields import DetectionResultFields, InputDataFields
from object_detection.utils import visualization_utils

from odtool.engine.evaluate import batched_prediction
from odtool.engine.evaluate.set_metrics import BatchResult, Score, SetMetrics
from odtool.engine.input.input_pipelines import build_evaluation_data
from odtool.engine.model import Configs
from odtool.engine.outcome import StopSignal
from odtool.engine.tracing import TracedFunction
from odtool.parts import WorkPart


class Scorer:
    """One evaluation set and the graph that runs the model over it, both built once for all checkpoints."""

    def __init__(
        self,
        configs: Configs,
        reader: Any,
        model: Any,
        *,
        sample: int,
        batch_limit: int | None = None,
        part: WorkPart | None = None,
    ) -> None:
        """
        Args:
            reader: the set's InputReader message.
            model: the detection model, whose variables may change between calls of `score`.
            sample: 1 of this many images is used.
            batch_limit: images predicted together; see `batched_prediction.choose_batch_size`.
            part: of several processes that share the set, which one this is; all get whole batches, in turn.
        """
        self.metrics = SetMetrics(configs, reader)
        self._eval_config = configs["eval_config"]
        self._train_config = configs["train_config"]
        self._model = model
        self._part = part
        self._at_once = batched_prediction.choose_batch_size(configs, reader, model, limit=batch_limit)
        self._data = build_evaluation_data(configs, reader, model, sample=sample, batch=self._at_once, part=part)
        self._run_batch = TracedFunction(self._batch)
        # Drawn op by op a picture takes half a second, as long as running the model over ten images.
        self._run_pictures = TracedFunction(self._pictures)

    @property
    def element(self) -> Any:
        """TensorSpecs of a batch."""
        if self._at_once == 1:
            return self._data.element_spec
        return tf.nest.map_structure(
            lambda spec: tf.TensorSpec([self._at_once, *spec.shape[1:]], spec.dtype), self._data.element_spec
        )

    def score(self, stop: StopSignal) -> Score:
        """One pass with the model's present variables. An exception in a batch ends it; nothing is left out.

        Raises:
            Stopped: between two batches, when a stop was asked for.
            DataError: the set has no images.
        """
        start = time.monotonic()
        return self.metrics.compute(self.run(stop), lambda: time.monotonic() - start)

    def run(self, stop: StopSignal) -> Iterator[BatchResult]:
        """The model's results batch by batch. Raises as `score` does, but for a set without images."""
        self._model._is_training = False
        tf.keras.backend.set_learning_phase(False)
        count, first = (self._part.count, self._part.number - 1) if self._part else (1, 0)
        for place, (features, labels) in enumerate(self._data):
            stop.check()
            block = place * count + first
            losses, values = self._predict_batch(features, labels)
            has_pixels = InputDataFields.original_image in features
            pictures = dict(self._draw(block * self._at_once, values)) if has_pixels else {}
            yield BatchResult(block, losses, values, pictures)

    def _predict_batch(
        self, features: dict[str, Any], labels: dict[str, Any]
    ) -> tuple[dict[str, list[float]], dict[str, Any]]:
        """Losses, one for each image or for the batch, and what the evaluators read of a batch of any size."""
        count = len(features[inputs.HASH_KEY])
        if count < self._at_once:
            features, labels = batched_prediction.fill_batch((features, labels), self._at_once)
        losses, batch = self._run_batch(features, labels)
        if count < self._at_once:
            losses, batch = tf.nest.map_structure(lambda value: value[:count], (losses, batch))
        return {name: np.ravel(value).tolist() for name, value in losses.items()}, batch

    def _batch(self, features: dict[str, Any], labels: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Losses, and what the evaluators read, for one batch."""
        if self._at_once == 1:
            return self._judge(self._model, features, labels)
        return batched_prediction.postprocess_one_by_one(
            self._model, features, labels, self._judge, autograph=self._run_batch.autograph
        )

    def _judge(
        self, model: Any, features: dict[str, Any], labels: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a model says of a batch, as `model_lib_v2.eager_eval_loop` computes it.

        There, prepare_eval_dict runs outside the graph, op by op, which took a third of the time of evaluation.
        """
        boxes = labels[InputDataFields.groundtruth_boxes].shape
        unpad = boxes[1] is not None and self._eval_config.batch_size == 1
        losses, predicted = model_lib_v2._compute_losses_and_predictions_dicts(
            model,
            features,
            model_lib.unstack_batch(labels, unpad_groundtruth_tensors=unpad),
            training_step=None,
            add_regularization_loss=self._train_config.add_regularization_loss,
        )
        detections = model.postprocess(predicted, features[InputDataFields.true_image_shape])
        self.metrics.class_agnostic = DetectionResultFields.detection_classes not in detections
        used = (
            InputDataFields.image,
            InputDataFields.original_image,
            InputDataFields.original_image_spatial_shape,
            InputDataFields.true_image_shape,
            inputs.HASH_KEY,
        )
        used_features = {name: features[name] for name in used if name in features}
        batch, _ = model_lib_v2.prepare_eval_dict(detections, dict(labels), used_features)
        return losses, batch

    def _draw(self, first: int, batch: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Pictures of a batch as far as the config asks for them; `first` is its first step of the stock loop."""
        for step, part in enumerate(self._split_into_steps(batch), first):
            if step >= self._eval_config.num_visualizations:
                return
            for position, picture in enumerate(self._run_pictures(part)):
                yield f"eval_side_by_side_{step}_{position}", picture

    def _split_into_steps(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The batch as the stock loop would meet it: image by image, where it is our own batch."""
        if self._at_once == 1:
            yield batch
            return
        for index in range(len(batch[InputDataFields.key])):
            yield {name: value[index : index + 1] for name, value in batch.items()}

    def _pictures(self, batch: dict[str, Any]) -> list[Any]:
        pictures = visualization_utils.draw_side_by_side_evaluation_image(
            batch,
            category_index=self.metrics.build_category_index(),
            max_boxes_to_draw=self._eval_config.max_num_boxes_to_visualize,
            min_score_thresh=self._eval_config.min_score_threshold,
            use_normalized_coordinates=False,
            keypoint_edges=[(edge.start, edge.end) for edge in self._eval_config.keypoint_edge] or None,
        )
        return list(pictures)
