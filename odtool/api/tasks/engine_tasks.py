"""What each task of the engine is asked: one frozen type a task, whose fields are its command line's arguments.

`python -m odtool.engine train RUN_DIR --cpu-devices 2` is `TrainTask(run=Run(RUN_DIR), cpu_devices=2)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from odtool.api.tasks.arguments import argument
from odtool.workspace import ExportedModel, Predictions, Run

_RUN = argument("train/<run>", "RUN_DIR", positional=True)
FORMATS = ("savedmodel", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "int8")
STEP_PRECISIONS = ("float32", "bfloat16")
INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")


def _precision() -> Any:
    what = f"of the networks' arithmetic: {' or '.join(STEP_PRECISIONS)}"
    return field(default="float32", metadata=argument(what, "NAME"))


@dataclass(frozen=True, kw_only=True)
class TrainTask:
    """Train a run up to its number of steps."""

    NAME: ClassVar = "train"
    run: Run = field(metadata=_RUN)
    checkpoint_every: int = field(default=1000, metadata=argument("steps between checkpoints", "N", least=1))
    keep_checkpoints: int = field(default=5, metadata=argument("newest checkpoints to keep", "N", least=1))
    cache_memory: int | Literal["auto"] | None = field(
        default=None, metadata=argument("keep records in memory, up to this much", "BYTES|auto", least=1)
    )
    early_stop: int | None = field(
        default=None, metadata=argument("end after N evaluations without improvement", "N", least=1)
    )
    deadline: float | None = field(default=None, metadata=argument("Unix time at which to save and end", "TIME"))
    """A moment and not a duration, so that a restart after a failure does not begin it anew."""
    precision: str = _precision()
    cpu_devices: int | None = field(
        default=None, metadata=argument("split the CPU in N, to try several devices out", "N", least=1)
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateTask:
    """Score checkpoints of a run until there are no more to come."""

    NAME: ClassVar = "eval"
    run: Run = field(metadata=_RUN)
    checkpoint: str = field(default="all", metadata=argument("what to score", "all|latest|best|PREFIX"))
    sample: int = field(default=1, metadata=argument("use 1 of N images", "N", least=1))
    best: str | None = field(
        default=None, metadata=argument("by which the best is chosen: mAP, AR, or a metric's name", "METRIC")
    )
    latest: bool = field(default=False, metadata=argument("of several that wait, score only the newest"))
    batch_size: int | None = field(default=None, metadata=argument("images predicted together, at most", "N", least=1))
    part: str | None = field(default=None, metadata=argument("write the results of this part only", "K/N"))
    join: bool = field(default=False, metadata=argument("score a checkpoint from the parts of its results"))

    @property
    def job(self) -> str:
        """Under which name it keeps its log, its lock and its record: parts run beside one another."""
        return f"eval-part{self.part.replace('/', '-of-')}" if self.part else self.NAME


@dataclass(frozen=True, kw_only=True)
class DetectTask:
    """Run a trained model over images of the evaluation records."""

    NAME: ClassVar = "detect"
    run: Run = field(metadata=_RUN)
    images: int = field(default=8, metadata=argument("images, in order of reading", "N", least=1))
    output: Path = field(metadata=argument("JSON file; images beside it", "FILE"))


@dataclass(frozen=True, kw_only=True)
class DetectionsTask:
    """Write all detections of a checkpoint in the evaluation records, as JSON."""

    NAME: ClassVar = "detections"
    run: Run = field(metadata=_RUN)
    checkpoint: Path = field(metadata=argument("its path without .index", "PREFIX"))
    output: Path = field(metadata=argument("a line of JSON for each image", "FILE"))
    header: dict[str, Any] = field(default_factory=dict, metadata=argument("for the file's first line", "JSON"))


@dataclass(frozen=True, kw_only=True)
class ExportTask:
    """Write a run's model in other formats; answers in JSON lines on stdout."""

    NAME: ClassVar = "export"
    run: Run = field(metadata=_RUN)
    checkpoint: Path = field(metadata=argument("prefix of the checkpoint, wherever it lies", "PREFIX"))
    folder: Path = field(metadata=argument("empty folder to fill", "DIR"))
    formats: tuple[str, ...] = field(
        default=("savedmodel",), metadata=argument(f"of {', '.join(FORMATS)}", "NAME,NAME")
    )
    precisions: tuple[str, ...] = field(
        default=("float32",), metadata=argument(f"of the TFLite files, of {', '.join(PRECISIONS)}", "NAME,NAME")
    )
    input_type: str = field(
        default="image_tensor", metadata=argument("of the SavedModel, as the API's exporter names it", "TYPE")
    )
    max_detections: int | None = field(
        default=None, metadata=argument("in an image, of a TFLite file; as the config says by default", "N", least=1)
    )
    fast_nms: bool = field(default=False, metadata=argument("a TFLite file suppresses across classes"))
    """As the API's exporter does by default."""
    representative_images: int = field(
        default=100, metadata=argument("training images from which int8 learns the range of each tensor", "N", least=1)
    )
    verify_images: int = field(default=50, metadata=argument("to compare with the checkpoint on", "N", least=1))
    min_agreement: float = field(
        default=0.9, metadata=argument("below which an export with float weights has failed", "SHARE")
    )

    @property
    def target(self) -> ExportedModel:
        return ExportedModel(self.folder)


@dataclass(frozen=True, kw_only=True)
class PredictTask:
    """Write what any model detects in images and videos, as files in a folder."""

    NAME: ClassVar = "predict"
    folder: Path = field(metadata=argument("empty folder to fill", "DIR"))
    model: Path = field(metadata=argument("what load_detector takes", "PATH"))
    batch_size: int = field(default=8, metadata=argument("pictures at a time", "N", least=1))
    every: int = field(default=1, metadata=argument("look at one of N frames of a video", "N", least=1))
    label_map: Path | None = field(default=None, metadata=argument("names of a foreign model's classes", "FILE"))
    min_score: tuple[str, ...] = field(
        default=(),
        metadata=argument("lowest score, of all or of one class, or best", "SCORE|CLASS=SCORE|best", repeated=True),
    )
    tile: int | None = field(default=None, metadata=argument("cut larger images", "PIXELS", least=1))
    overlap: int | None = field(default=None, metadata=argument("that tiles share", "PIXELS", least=0))
    save_as: tuple[str, ...] = field(default=(), metadata=argument("annotations", "FORMAT,FORMAT"))
    count: bool = field(default=False, metadata=argument("write counts.csv"))
    pictures: bool = field(default=True, metadata=argument("draw nothing"))
    part: str | None = field(default=None, metadata=argument("look at this part of the sources only", "K/N"))
    track_objects: bool = field(default=False, metadata=argument("follow objects through videos"))
    count_line: str | None = field(default=None, metadata=argument("count objects across a line", "X1,Y1,X2,Y2"))
    show_port: int | None = field(default=None, metadata=argument("serve a page that shows it", "PORT", least=0))
    source_list: Path | None = field(default=None, metadata=argument("further sources, a line each", "FILE"))
    sources: tuple[str, ...] = field(
        default=(), metadata=argument("images, videos, folders, patterns, addresses", "SOURCE", positional=True)
    )

    @property
    def target(self) -> Predictions:
        return Predictions(self.folder)


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    """Time and score one model on one device; answers in JSON lines on stdout."""

    NAME: ClassVar = "benchmark"
    model: Path = field(metadata=argument("what load_detector takes", "PATH"))
    threads: int | None = field(default=None, metadata=argument("processors to use; all by default", "N", least=1))
    on_gpu: bool = field(default=False, metadata=argument("fail where it would run on the CPU"))
    batches: tuple[str, ...] = field(default=(), metadata=argument("images at once, beside one alone", "N,N"))
    images: int = field(default=100, metadata=argument("images of the records, the first ones", "N", least=1))
    repeats: int = field(default=50, metadata=argument("timed calls", "N", least=1))
    score: bool = field(default=False, metadata=argument("compute the mAP on these images"))
    records: tuple[str, ...] = field(metadata=argument("TFRecord files", "FILE", positional=True))


@dataclass(frozen=True, kw_only=True)
class DoctorTask:
    """Say what works here, as JSON on stdout."""

    NAME: ClassVar = "doctor"


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """Say what a run's fine-tune checkpoint gives its model, as JSON on stdout."""

    NAME: ClassVar = "check"
    run: Run = field(metadata=_RUN)


@dataclass(frozen=True, kw_only=True)
class FetchTask:
    """Copy what a config names by addresses, label maps and records, into a folder."""

    NAME: ClassVar = "fetch"
    run: Run = field(metadata=_RUN)
    folder: Path = field(metadata=argument("folder to fill", "DIR"))
    sample: int | None = field(default=None, metadata=argument("records of each set; all by default", "N", least=1))


@dataclass(frozen=True, kw_only=True)
class MeasureTask:
    """Measure the memory that training takes at a batch size, as JSON on stdout."""

    NAME: ClassVar = "measure"
    run: Run = field(metadata=_RUN)
    batch_size: int = field(metadata=argument("images a step", "N", least=1))
    precision: str = _precision()


@dataclass(frozen=True, kw_only=True)
class PreviewTask:
    """Write what the model is given to train on: batches after augmentation and resizing, beside their originals."""

    NAME: ClassVar = "preview"
    run: Run = field(metadata=_RUN)
    folder: Path = field(metadata=argument("empty folder to fill", "DIR"))
    images: int = field(default=12, metadata=argument("images", "N", least=1))
    seed: int = field(default=0, metadata=argument("of shuffling and augmentation", "N"))
    step_by_step: bool = field(default=False, metadata=argument("the first image after each augmentation, too"))


@dataclass(frozen=True, kw_only=True)
class RecoverTask:
    """Rewrite a run's config for half the batch, after it ran out of memory."""

    NAME: ClassVar = "recover"
    run: Run = field(metadata=_RUN)
    devices: int = field(default=1, metadata=argument("devices that share a batch", "N", least=1))
    cause: str | None = field(
        default=None, metadata=argument("noted in metrics.jsonl as the cause", "CAUSE", positional=True)
    )
    """None where the supervisor is to append it."""


EngineTask: TypeAlias = (
    TrainTask
    | EvaluateTask
    | DetectTask
    | DetectionsTask
    | ExportTask
    | PredictTask
    | BenchmarkTask
    | DoctorTask
    | CheckTask
    | FetchTask
    | MeasureTask
    | PreviewTask
    | RecoverTask
)
