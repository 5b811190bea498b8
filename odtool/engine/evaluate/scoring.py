"""Scoring a model on an evaluation set with the API's own evaluators, the numbers of `eval_continuously`."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from object_detection import eval_util, inputs, model_lib, model_lib_v2
from object_detection.core.standard_fields import DetectionResultFields, InputDataFields
from object_detection.utils import label_map_util, visualization_utils

from odtool.detection.metric_names import MAP_50_OF_CLASS, MAP_OF_CLASS
from odtool.engine.evaluate import batched_prediction
from odtool.engine.input.input_pipelines import build_evaluation_data
from odtool.engine.model import Configs
from odtool.engine.outcome import StopSignal
from odtool.engine.tracing import TracedFunction
from odtool.errors import DataError
from odtool.metrics import score_or_none

BY_CLASS = (MAP_OF_CLASS, MAP_50_OF_CLASS)
"""What the API calls one class's mAP@[.5:.95] and mAP@.5; the class's name follows."""

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class Score:
    """What one pass over an evaluation set gave."""

    metrics: dict[str, float]
    """Every metric and loss that the config asks for, under the API's names."""
    by_class: dict[str, float]
    """mAP@[.5:.95] and mAP@.5 of each class, under the API's names; -1 for a class that the set does not contain."""
    images: int
    seconds: float
    pictures: dict[str, Any]
    """Images for TensorBoard by tag: detected and true boxes side by side, [1, height, width, 3] uint8."""


class Scorer:
    """One evaluation set and the graph that runs the model over it, both built once for all checkpoints."""

    def __init__(
        self, configs: Configs, reader: Any, model: Any, *, sample: int, batch_limit: int | None = None
    ) -> None:
        """
        Args:
            reader: the set's InputReader message.
            model: the detection model, whose variables may change between calls of `score`.
            sample: 1 of this many images is used.
            batch_limit: images predicted together; see `batched_prediction.choose_batch_size`.
        """
        self.name = str(reader.name)
        self._eval_config = configs["eval_config"]
        self._train_config = configs["train_config"]
        self._categories = label_map_util.create_category_index_from_labelmap(reader.label_map_path)
        self._model = model
        self._at_once = batched_prediction.choose_batch_size(configs, reader, model, limit=batch_limit)
        self._data = build_evaluation_data(configs, reader, model, sample=sample, batch=self._at_once)
        self._run_batch = TracedFunction(self._batch)
        # Drawn op by op a picture takes half a second, as long as running the model over ten images.
        self._run_pictures = TracedFunction(self._pictures)
        self._class_agnostic = False
        self.absent: tuple[str, ...] = ()

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
        self._model._is_training = False
        tf.keras.backend.set_learning_phase(False)
        start = time.monotonic()
        evaluators: list[Any] = []
        losses: dict[str, list[float]] = {}
        pictures: dict[str, Any] = {}
        images = steps = 0
        for features, labels in self._data:
            stop.check()
            batch_losses, batch = self._predict_batch(features, labels)
            evaluators = evaluators or self._build_evaluators()
            for evaluator in evaluators:
                evaluator.add_eval_dict(batch)
            for name, loss in batch_losses.items():
                losses.setdefault(name, []).extend(loss)
            if InputDataFields.original_image in features:
                pictures.update(self._draw(steps, batch))
            images += len(batch[InputDataFields.key])
            steps += self._at_once
        if not images:
            raise DataError(
                "the evaluation set has no images", "Prepare it with a validation share: odtool prepare --val 0.1"
            )
        figures = self._evaluate(evaluators)
        figures.update({name: sum(values) / len(values) for name, values in losses.items()})
        metrics, by_class = self._split_by_class(figures)
        return Score(metrics, by_class, images, time.monotonic() - start, pictures)

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
        self._class_agnostic = DetectionResultFields.detection_classes not in detections
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

    def _build_evaluators(self) -> list[Any]:
        options = eval_util.evaluator_options_from_eval_config(self._eval_config)
        for name in ("coco_detection_metrics",):
            by_category = {"include_metrics_per_category": True, "all_metrics_per_category": True}
            options[name] = {**options.get(name, {}), **by_category}
        return list(eval_util.get_evaluators(self._eval_config, list(self._build_category_index().values()), options))

    def _build_category_index(self) -> dict[int, Any]:
        agnostic = label_map_util.create_class_agnostic_category_index()
        return dict(agnostic if self._class_agnostic else self._categories)

    def _evaluate(self, evaluators: list[Any]) -> dict[str, float]:
        figures: dict[str, float] = {}
        # pycocotools prints its tables, which would bury the lines of our own log.
        with contextlib.redirect_stdout(io.StringIO()):
            for evaluator in evaluators:
                figures.update({str(name): float(value) for name, value in evaluator.evaluate().items()})
        return figures

    def _split_by_class(self, figures: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """What the config asks for, and the figures by class, which are computed in any case."""
        by_class = {name: value for name, value in figures.items() if name.startswith(BY_CLASS)}
        requested = {name: value for name, value in figures.items() if self._is_requested(name)}
        absent = tuple(
            name.removeprefix(BY_CLASS[0])
            for name, value in by_class.items()
            if name.startswith(BY_CLASS[0]) and score_or_none(value) is None
        )
        if absent != self.absent:
            log.warning(
                "not in the evaluation set%s and so not part of its mAP: %s",
                f" {self.name}" if self.name else "",
                ", ".join(absent),
            )
            self.absent = absent
        return requested, by_class

    def _is_requested(self, name: str) -> bool:
        if name.startswith("DetectionBoxes_PerformanceByCategory/"):
            return bool(self._eval_config.include_metrics_per_category)
        if name.startswith("DetectionBoxes_") and " ByCategory/" in name:
            return bool(self._eval_config.include_metrics_per_category and self._eval_config.all_metrics_per_category)
        return True

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
            category_index=self._build_category_index(),
            max_boxes_to_draw=self._eval_config.max_num_boxes_to_visualize,
            min_score_thresh=self._eval_config.min_score_threshold,
            use_normalized_coordinates=False,
            keypoint_edges=[(edge.start, edge.end) for edge in self._eval_config.keypoint_edge] or None,
        )
        return list(pictures)
