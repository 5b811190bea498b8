"""What the API's own evaluators make of a model's results: the metrics and losses of one evaluation set."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from object_detection import eval_util
from object_detection.core.standard_fields import InputDataFields
from object_detection.utils import label_map_util

from odtool.detection.metric_names import MAP_50_OF_CLASS, MAP_OF_CLASS
from odtool.engine.model import Configs
from odtool.errors import DataError
from odtool.metrics import score_or_none

BY_CLASS = (MAP_OF_CLASS, MAP_50_OF_CLASS)
"""What the API calls one class's mAP@[.5:.95] and mAP@.5; the class's name follows."""

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class BatchResult:
    """What a model says of one batch."""

    block: int
    """The batch's place in the set, from 0."""
    losses: dict[str, list[float]]
    """One of each kind for each image, or for the batch."""
    values: dict[str, Any]
    """What the evaluators read, under the API's names."""
    pictures: dict[str, Any]
    """Images for TensorBoard by tag."""


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


class SetMetrics:
    """The evaluators of one set, made anew for each pass over it."""

    def __init__(self, configs: Configs, reader: Any) -> None:
        """
        Args:
            reader: the set's InputReader message.
        """
        self.name = str(reader.name)
        self.categories = label_map_util.create_category_index_from_labelmap(reader.label_map_path)
        self.class_agnostic = False
        """Whether the model finds objects without telling their class; to be set before the first batch is added."""
        self._eval_config = configs["eval_config"]
        self._absent: tuple[str, ...] = ()

    def compute(self, results: Iterable[BatchResult], clock: Callable[[], float]) -> Score:
        """Takes one batch after the other, in the order of the set.

        Args:
            clock: seconds that the pass has taken, asked at its end.

        Raises:
            DataError: the set has no images.
        """
        evaluators: list[Any] = []
        losses: dict[str, list[float]] = {}
        pictures: dict[str, Any] = {}
        images = 0
        for result in results:
            evaluators = evaluators or self._build_evaluators()
            for evaluator in evaluators:
                evaluator.add_eval_dict(result.values)
            for name, loss in result.losses.items():
                losses.setdefault(name, []).extend(loss)
            pictures.update(result.pictures)
            images += len(result.values[InputDataFields.key])
        refuse_empty(images)
        figures = self._evaluate(evaluators)
        figures.update({name: sum(values) / len(values) for name, values in losses.items()})
        metrics, by_class = self._split_by_class(figures)
        return Score(metrics, by_class, images, clock(), pictures)

    def _build_evaluators(self) -> list[Any]:
        options = eval_util.evaluator_options_from_eval_config(self._eval_config)
        for name in ("coco_detection_metrics",):
            by_category = {"include_metrics_per_category": True, "all_metrics_per_category": True}
            options[name] = {**options.get(name, {}), **by_category}
        return list(eval_util.get_evaluators(self._eval_config, list(self.build_category_index().values()), options))

    def build_category_index(self) -> dict[int, Any]:
        """Categories by the numbers that detections have."""
        agnostic = label_map_util.create_class_agnostic_category_index()
        return dict(agnostic if self.class_agnostic else self.categories)

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
        if absent != self._absent:
            log.warning(
                "not in the evaluation set%s and so not part of its mAP: %s",
                f" {self.name}" if self.name else "",
                ", ".join(absent),
            )
            self._absent = absent
        return requested, by_class

    def _is_requested(self, name: str) -> bool:
        if name.startswith("DetectionBoxes_PerformanceByCategory/"):
            return bool(self._eval_config.include_metrics_per_category)
        if name.startswith("DetectionBoxes_") and " ByCategory/" in name:
            return bool(self._eval_config.include_metrics_per_category and self._eval_config.all_metrics_per_category)
        return True


def refuse_empty(images: int) -> None:
    """Raises DataError where an evaluation set has no images."""
    if not images:
        raise DataError(
            "the evaluation set has no images", "Prepare it with a validation share: odtool prepare --val 0.1"
        )
