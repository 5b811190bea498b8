"""A run's model in other formats, each file verified against its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import checkpoint_choice, output_folder
from odtool.api.requests import (
    CheckpointName,
    Notify,
    RunName,
    StrPath,
    find_run,
    ignore,
    refuse_below,
    refuse_unknown,
    split_names,
    takes,
)
from odtool.api.tasks import engine_process
from odtool.api.tasks.device_claim import claim_device
from odtool.api.tasks.engine_tasks import FORMATS, INPUT_TYPES, PRECISIONS, ExportTask
from odtool.errors import DataError, JobError, OdtoolError
from odtool.workspace import ExportedModel, Run

if TYPE_CHECKING:
    from odtool.pipeline.text.config import PipelineConfig


class DisagreementError(OdtoolError):
    """A file with float weights does not do what the checkpoint does, so that nothing was put in place."""

    def __init__(self, target: ExportedModel, record: Mapping[str, Any]) -> None:
        failed = [file["file"] for file in record["files"] if not file["accepted"]]
        super().__init__(
            f"{', '.join(failed)}: agrees with {record['checkpoint']} less than {record['min_agreement']:.0%}, "
            f"so nothing is written to {target.path}",
            "To have the files all the same, for a look: --min-agreement 0",
        )
        self.record = record
        """What export.json would hold."""


@dataclass(frozen=True)
class ExportRequest:
    """What `odtool export` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    checkpoint: CheckpointName | None = None
    """"best", "latest", or a checkpoint's path. The best by default, where there is one."""
    formats: str | Sequence[str] = "savedmodel"
    """Any of savedmodel, tflite and onnx."""
    precisions: str | Sequence[str] = "float32"
    """Of TFLite files: any of float32, float16 and int8."""
    input_type: str = "image_tensor"
    """What the SavedModel takes: one of INPUT_TYPES."""
    max_detections: int | None = None
    """Most detections in an image of a TFLite file. By default as the config says."""
    fast_nms: bool = False
    """In TFLite files of SSD models, let boxes suppress each other whatever their classes: faster with many classes,
    but not what the checkpoint does."""
    representative_images: int = 100
    """Training images from which int8 learns the range of each tensor."""
    verify_images: int = 50
    """Evaluation images on which each file is compared with the checkpoint."""
    min_agreement: float = 0.9
    """Agreement that a file with float weights needs; 0 takes any."""
    out: StrPath | None = None
    """Folder to write, instead of exported-models/<run>."""
    gpu: str | int | None = "cpu"
    """"cpu", or the number of a GPU to run the checkpoint on."""
    gpu_memory: str | None = None
    """Of the GPU: "grow" as needed, at most a size such as "8GB" or "40%", or "all", the default."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse_unknown("formats", split_names(self.formats), FORMATS)
        refuse_unknown("precisions", split_names(self.precisions), PRECISIONS)
        refuse_unknown("input_type", (self.input_type,), INPUT_TYPES)
        for name in ("max_detections", "representative_images", "verify_images"):
            refuse_below(name, getattr(self, name), 1)
        refuse_below("min_agreement", self.min_agreement, 0)


@dataclass(frozen=True)
class Exported:
    """What was put in place."""

    model: ExportedModel
    record: Mapping[str, Any]
    """What export.json holds."""
    gone: tuple[str, ...]
    """What an earlier export there held and this one does not."""


@takes(ExportRequest)
def export(request: ExportRequest) -> Exported:
    """Exports a run's model; each file is run in its own runtime and compared with the checkpoint.

    Raises:
        DisagreementError: a file with float weights does not agree with the checkpoint; nothing is put in place.
        OdtoolError: there is no such run or checkpoint, or it cannot be exported.
    """
    chosen = find_run(request.workspace, request.run, request.notify)
    run = chosen.run
    target = ExportedModel(Path(request.out).absolute()) if request.out else chosen.space.exported(run)
    # In an order of their own, whatever the order of asking.
    formats = tuple(name for name in FORMATS if name in split_names(request.formats))
    precisions = tuple(name for name in PRECISIONS if name in split_names(request.precisions))
    checkpoint = checkpoint_choice.find(run, request.checkpoint)
    _check_before(run, formats, precisions)
    environment = claim_device(request.gpu, request.gpu_memory).environment
    earlier = sorted(path.name for path in target.path.iterdir()) if target.path.is_dir() else []
    with output_folder.replacing(target.path, command="odtool export", refuse=_refuse_foreign) as folder:
        task = ExportTask(
            run=run,
            checkpoint=checkpoint,
            folder=folder,
            formats=formats,
            precisions=precisions,
            input_type=request.input_type,
            max_detections=request.max_detections,
            fast_nms=request.fast_nms,
            representative_images=request.representative_images,
            verify_images=request.verify_images,
            min_agreement=request.min_agreement,
        )
        record = engine_process.ask(task, environment=environment, notify=request.notify)
        if not record["accepted"]:
            raise DisagreementError(target, record)
        gone = tuple(name for name in earlier if not (folder / name).exists())
    return Exported(target, record, gone)


def _refuse_foreign(out: Path) -> None:
    output_folder.refuse_foreign(out, ExportedModel(out).record.name)


def _check_before(run: Run, formats: tuple[str, ...], precisions: tuple[str, ...]) -> None:
    """Raises OdtoolError for what cannot be exported, before the engine has spent a minute on it."""
    from odtool.pipeline.checks import exportable
    from odtool.pipeline.text.facts import read_facts

    facts = read_facts(run.pipeline_config)
    exportable.refuse(facts, formats, precisions)
    _check_records(facts.config, run, integers="tflite" in formats and "int8" in precisions)
    missing = [name for name in ("tf2onnx", "onnxruntime") if "onnx" in formats and find_spec(name) is None]
    if missing:
        raise JobError(f"--format onnx: {missing[0]} is not installed", "Install it: pip install 'odtool[onnx]'")


def _check_records(loaded: PipelineConfig, run: Run, *, integers: bool) -> None:
    from odtool.pipeline import record_patterns

    def any_in(readers: Iterable[Any]) -> bool:
        readers = list(readers)
        if any(map(record_patterns.is_remote, readers)):
            return True  # the engine says so, where there are none
        return any(file.stat().st_size for file in record_patterns.find_files(*readers))

    hint = "Make them with odtool prepare; the config names where they are looked for."
    training = any_in([loaded.message.train_input_reader])
    if integers and not training:
        message = (
            f"{run.pipeline_config}: no training records, from which --tflite int8 learns the range of each tensor"
        )
        raise DataError(message, hint)
    if not training and not any_in(loaded.message.eval_input_reader[:1]):
        raise DataError(f"{run.pipeline_config}: no records to verify the export on", hint)
