"""Everything a report says of one run, gathered: what the page shows and --json prints."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from odtool import __version__
from odtool.dataset import statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.detection.accuracy import Accuracy, CocoFigures, compute_coco_metrics
from odtool.errors import DataError, OdtoolError
from odtool.jobs import state
from odtool.pipeline import record_patterns
from odtool.pipeline.text import config
from odtool.reporting import confusion, drift, history, mistakes, score_thresholds, settings_diff
from odtool.reporting.confusion import Counting
from odtool.reporting.detections_file import Examination
from odtool.reporting.drift import Drift
from odtool.reporting.history import History
from odtool.reporting.mistakes import Verdict
from odtool.reporting.score_thresholds import OperatingPoint
from odtool.reporting.settings_diff import SettingsDiff
from odtool.workspace import TASKS, Dataset, Run

MASK_FIGURES = ("ap", "ap_50", "ap_75")
"""Figures of masks that are told."""
_PACKAGES = ("tensorflow", "tf-models-research-object-detection", "tf-keras", "numpy", "pycocotools")


@dataclass(frozen=True)
class Analysis:
    """What a checkpoint's detections show."""

    examination: Examination
    accuracy: Accuracy
    points: Mapping[int, OperatingPoint]
    """Best threshold of each class."""
    verdicts: tuple[Verdict, ...]
    """An image each, judged at these thresholds."""
    confusion: Counter[tuple[int, int]]
    """By true and detected class; 0 is background."""
    counting: Mapping[int, Counting]
    mask_accuracy: Accuracy | None = None
    """By the overlap of masks; None where evaluation does not score them."""

    @property
    def mistakes(self) -> dict[mistakes.Kind, int]:
        """How often each kind was made."""
        kinds = Counter(kind for verdict in self.verdicts for kind in verdict.kinds)
        kinds["missed"] = sum(verdict.objects.count("missed") for verdict in self.verdicts)
        return {kind: kinds[kind] for kind in mistakes.MISTAKES}

    def find_worst(self, count: int) -> list[Verdict]:
        """Images with the most mistakes, and among these with the fewest objects found."""
        ranked = sorted(self.verdicts, key=lambda verdict: (-verdict.mistakes, verdict.correct))
        return [verdict for verdict in ranked[:count] if verdict.mistakes]

    def find_finest(self, count: int) -> list[Verdict]:
        """Images with objects and without a mistake, those with the most objects first."""
        flawless = [verdict for verdict in self.verdicts if verdict.correct and not verdict.mistakes]
        return sorted(flawless, key=lambda verdict: -verdict.correct)[:count]


@dataclass(frozen=True)
class RunReport:
    """One run."""

    run: Run
    states: Mapping[str, str]
    """Of training and evaluation, each with its reason."""
    history: History
    settings: SettingsDiff
    dataset: DatasetSummary | None
    analysis: Analysis | None
    absence: str
    """Why there is no analysis."""
    versions: Mapping[str, str]
    """Of what is installed here, and of odtool as it made the records."""
    drift: Drift | None = None
    """Training and evaluation set side by side."""
    drift_absence: str = ""
    """Why there is none."""


def gather(run: Run, examination: Examination | None, absence: str) -> RunReport:
    """Reads and computes all of a run.

    Raises:
        ConfigError: the run's pipeline.config does not parse.
    """
    data = _load_dataset(run)
    difference, drift_absence = None, ""
    try:
        difference = drift.read(run)
    except OdtoolError as error:  # records that are gone or damaged: the rest of the page does without
        drift_absence = error.message
    return RunReport(
        run=run,
        states={task: _read_state(run, task) for task in TASKS},
        history=history.read(run.metrics),
        settings=settings_diff.compare_with_zoo(run),
        dataset=data,
        analysis=analyse(examination) if examination is not None else None,
        absence=absence,
        versions=_find_versions(data),
        drift=difference,
        drift_absence=drift_absence,
    )


def analyse(examination: Examination) -> Analysis:
    """Figures, thresholds and mistakes of a checkpoint's detections."""
    images = examination.images
    accuracy = compute_coco_metrics(
        [image.truth for image in images], [image.detections for image in images], examination.labels
    )
    points = score_thresholds.find_best_points(accuracy)
    by_class = score_thresholds.list_thresholds(points)
    verdicts = tuple(mistakes.judge(image, by_class) for image in images)
    counts = confusion.count_objects(verdicts, examination.labels)
    pairs = confusion.count_pairs(verdicts)
    return Analysis(examination, accuracy, points, verdicts, pairs, counts, _score_masks(examination))


def _score_masks(examination: Examination) -> Accuracy | None:
    images = examination.images
    masks = [
        (image.true_masks, image.masks) for image in images if image.true_masks is not None and image.masks is not None
    ]
    if not images or len(masks) < len(images):
        return None
    return compute_coco_metrics(
        [image.truth for image in images], [image.detections for image in images], examination.labels, masks=masks
    )


def _read_state(run: Run, task: str) -> str:
    job = state.read(run, task)
    return f"{job.state}: {job.reason}" if job.reason else job.state


def _load_dataset(run: Run) -> DatasetSummary | None:
    """dataset.json beside the run's records; None where odtool did not make them."""
    message = config.load(run.pipeline_config).message
    paths = record_patterns.find_files(message.train_input_reader, *message.eval_input_reader)
    folders = dict.fromkeys(path.parent for path in paths)
    for folder in folders:
        try:
            return statistics.load(Dataset(folder))
        except DataError:
            continue  # records of other tools have none
    return None


def _find_versions(data: DatasetSummary | None) -> dict[str, str]:
    packages = {"odtool": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            packages[package] = "not installed"
    return {**packages, **({"odtool that made the records": data.odtool} if data else {})}


def to_json(report: RunReport) -> dict[str, Any]:
    """The figures as --json has them; classes by their names."""
    past = asdict(report.history)
    data = report.dataset
    return {
        "run": report.run.name,
        "states": dict(report.states),
        "history": past,
        "settings": {**asdict(report.settings), "changes": [change.as_json() for change in report.settings.changes]},
        "dataset": None if data is None else asdict(data),
        "checkpoint": report.analysis.examination.checkpoint if report.analysis else None,
        "analysis": _analysis_to_json(report.analysis) if report.analysis else None,
        "absence": report.absence,
        "versions": dict(report.versions),
        "drift": None if report.drift is None else drift.to_json(report.drift),
    }


def _analysis_to_json(analysis: Analysis) -> dict[str, Any]:
    labels = {confusion.BACKGROUND: "background", **analysis.examination.labels}
    return {
        "step": analysis.examination.step,
        "images": len(analysis.examination.images),
        "repeated": analysis.examination.repeated,
        "figures": asdict(analysis.accuracy.figures),
        "mask_figures": _list_mask_figures(analysis.mask_accuracy.figures) if analysis.mask_accuracy else None,
        "mistakes": analysis.mistakes,
        "confusion": [
            {"true": labels.get(true, str(true)), "detected": labels.get(detected, str(detected)), "count": count}
            for (true, detected), count in sorted(analysis.confusion.items())
        ],
        "classes": [_class_to_json(analysis, number, label) for number, label in analysis.examination.labels.items()],
        "images_with_most_mistakes": [_image_to_json(verdict) for verdict in analysis.find_worst(20)],
    }


def _class_to_json(analysis: Analysis, number: int, label: str) -> dict[str, Any]:
    item, counting = analysis.accuracy.by_class[number], analysis.counting[number]
    masks = analysis.mask_accuracy
    return {
        "class": label,
        "id": number,
        "objects": item.objects,
        "images": item.images,
        "figures": asdict(item.figures),
        "mask_figures": _list_mask_figures(masks.by_class[number].figures) if masks else None,
        "best_threshold": asdict(analysis.points[number]),
        "count_mean_absolute_error": counting.mean_absolute_error,
        "count_bias": counting.bias,
    }


def _list_mask_figures(figures: CocoFigures) -> dict[str, float | None]:
    """Those that do not depend on how large an object is."""
    return {name: getattr(figures, name) for name in MASK_FIGURES}


def _image_to_json(verdict: Verdict) -> dict[str, Any]:
    kinds: Counter[str] = Counter(kind for kind in verdict.kinds if kind in mistakes.MISTAKES)
    missed = verdict.objects.count("missed")
    return {
        "source_id": verdict.image.source_id,
        "objects": len(verdict.image.truth),
        "mistakes": {**kinds, **({"missed": missed} if missed else {})},
    }


def are_comparable(reports: Sequence[RunReport]) -> bool:
    """Whether the runs were examined on the same images."""
    conditions = {
        frozenset(image.key for image in report.analysis.examination.images) for report in reports if report.analysis
    }
    return len(conditions) <= 1
