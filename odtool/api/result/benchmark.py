"""Every file of exports side by side: latency, throughput, memory, size and mAP, each measured by itself."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from pathlib import Path
from typing import Any

from odtool.api.requests import (
    Notify,
    RequestError,
    StrPath,
    find_workspace,
    ignore,
    refuse_below,
    split_names,
    takes,
)
from odtool.api.tasks import engine_process
from odtool.api.tasks.device_claim import claim_device
from odtool.api.tasks.engine_tasks import PRECISIONS, BenchmarkTask
from odtool.errors import DataError, OdtoolError
from odtool.workspace import ExportedModel

ALL = "all"
_CPU_WITHOUT_GPU = "cpu"


@dataclass(frozen=True)
class BenchmarkRequest:
    """What `odtool benchmark` is asked for."""

    exports: StrPath | Sequence[StrPath] = ()
    """Folders that odtool export wrote, single files in them, or runs by their names; the newest run by default."""
    _: KW_ONLY
    threads: str | Sequence[str] = "1,2,all"
    """Processors that each file may use, one after the other; "all" are those that this process may."""
    batches: str | Sequence[str] = "1,4,8"
    """Images at once, for files that take several."""
    images: int = 100
    """Images of the evaluation records on which the mAP is computed; the first 16 are timed."""
    repeats: int = 50
    """Timed calls."""
    gpu: str | int | None = None
    """A GPU's number, to measure there, too."""
    record: bool = True
    """Write the figures into export.json and the model card."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("images", "repeats"):
            refuse_below(name, getattr(self, name), 1)
        for name, words in (("threads", {ALL}), ("batches", set())):
            values = split_names(getattr(self, name))
            for value in values:
                if value not in words and not (value.isascii() and value.isdecimal() and 0 < int(value) <= 2**15):
                    raise RequestError(name, f"'{value}' is not a whole number from 1 on{' or all' if words else ''}")
            if not values:
                raise RequestError(name, "names none")

    def list_threads(self) -> list[int]:
        """Numbers of processors that there are, each once, in order."""
        available = len(os.sched_getaffinity(0))
        wanted = [available if word == ALL else int(word) for word in split_names(self.threads)]
        return sorted({min(count, available) for count in wanted})


@dataclass(frozen=True)
class DeviceMeasurement:
    """A file on one device."""

    device: str
    """For people: '1 thread', '8 threads', 'GPU 0 (NVIDIA H100)'."""
    threads: int | None
    """None on a GPU."""
    problem: str
    """Why it could not be measured; empty where it was."""
    milliseconds: float | None = None
    """Median time of one image, its scaling included, its decoding not."""
    milliseconds_p95: float | None = None
    images_per_second: Mapping[int, float] = field(default_factory=dict)
    """By images at once; by 1 alone where a file takes one at a time."""
    peak_bytes: int | None = None
    """Memory of the process at its highest, runtime and model included."""


@dataclass(frozen=True)
class FileBenchmark:
    """One file of an export."""

    folder: Path
    file: str
    bytes: int
    ap: float | None
    """mAP@[.5:.95] on the evaluation images; None where nothing could be measured."""
    images: int
    measurements: tuple[DeviceMeasurement, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "file": self.file,
            "bytes": self.bytes,
            "mAP": self.ap,
            "images": self.images,
            "measurements": [asdict(one) for one in self.measurements],
        }


@dataclass(frozen=True)
class Benchmark:
    """All files of all exports."""

    machine: str
    created: str
    """Time of day in UTC, as 2026-01-31T12:00:00Z."""
    files: tuple[FileBenchmark, ...]

    def as_json(self) -> dict[str, Any]:
        """As `odtool benchmark --json` gives it."""
        return {"machine": self.machine, "created": self.created, "files": [file.as_json() for file in self.files]}


@takes(BenchmarkRequest)
def benchmark(request: BenchmarkRequest) -> Benchmark:
    """Measures every file of exports, each on each device in a process of its own.

    A file that a device cannot run is named, and the others are measured.

    Raises:
        OdtoolError: there is no such export, it has no evaluation records, or nothing at all could be measured.
    """
    targets = list(_find_targets(request))
    devices = list(_list_devices(request))
    records = {model: _find_records(model, request.notify) for model in dict.fromkeys(model for model, _ in targets)}
    measured = tuple(_measure_file(model, path, records[model], devices, request) for model, path in targets)
    problems = [one.problem for file in measured for one in file.measurements if one.problem]
    if all(one.problem for file in measured for one in file.measurements):
        raise OdtoolError(f"nothing could be measured: {problems[0]}", "Export the model again: odtool export")
    done = Benchmark(_describe_machine(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), measured)
    if request.record:
        _record(done, request.notify)
    return done


@dataclass(frozen=True)
class _Device:
    label: str
    threads: int | None
    environment: Mapping[str, str]


def _list_devices(request: BenchmarkRequest) -> Iterator[_Device]:
    """CPU threads, most first, as the one with most computes the mAP; then the GPU."""
    environment = claim_device(_CPU_WITHOUT_GPU).environment
    for count in request.list_threads():
        yield _Device(f"{count} thread{'s' if count > 1 else ''}", count, environment)
    if request.gpu is not None and str(request.gpu) != _CPU_WITHOUT_GPU:
        choice = claim_device(request.gpu)
        yield _Device(choice.label, None, choice.environment)


def _find_targets(request: BenchmarkRequest) -> Iterator[tuple[ExportedModel, Path]]:
    """Each file to measure, with its export; each once.

    Raises:
        OdtoolError: there is no such export.
    """
    named, space = request.exports, find_workspace(request.workspace)
    places = [named] if isinstance(named, (str, os.PathLike)) else list(named)
    by_run = {run.name: space.exported(run).path for run in space.runs()}
    places = [by_run.get(str(place), place) if not Path(place).exists() else place for place in places]
    if not places:
        places = [space.exported(space.find_run(None)).path]
    found = dict.fromkeys(target for place in places for target in _list_files(Path(place).absolute()))
    yield from found


def _list_files(place: Path) -> list[tuple[ExportedModel, Path]]:
    for folder in (place, place.parent):
        model = ExportedModel(folder)
        if model.record.is_file():
            present = [path for path in _list_models(model) if path.exists() and place in (folder, path)]
            if present:
                return [(model, path) for path in present]
    if not place.exists():
        raise DataError(f"{place}: no such file or folder", "Name what odtool export wrote, or a model in it.")
    raise DataError(
        f"{place}: not a folder that odtool export wrote, nor a model in one",
        "Export the run first: odtool export RUN --format savedmodel,tflite,onnx",
    )


def _list_models(model: ExportedModel) -> list[Path]:
    return [model.saved_model, *map(model.tflite, PRECISIONS), model.onnx]


def _find_records(model: ExportedModel, notify: Notify) -> list[Path]:
    """Files of the first evaluation set of the config that the export carries.

    Raises:
        DataError: there are none.
    """
    from odtool.pipeline import record_patterns
    from odtool.pipeline.text import config

    loaded = config.load(model.pipeline_config)
    if loaded.move:
        notify(loaded.move.describe())
    readers = loaded.message.eval_input_reader
    if found := record_patterns.find_files(*readers[:1]):
        return found
    raise DataError(
        f"{model.pipeline_config}: its evaluation records are not there, or it names none",
        "They are where the config was made; put them back, or set eval_input_reader in this file.",
    )


def _measure_file(
    model: ExportedModel, path: Path, records: Sequence[Path], devices: Sequence[_Device], request: BenchmarkRequest
) -> FileBenchmark:
    answers: list[tuple[_Device, Mapping[str, Any]]] = []
    scored: Mapping[str, Any] = {}
    # The first to compute the mAP is that with most threads: it does not depend on them.
    for device in sorted(devices, key=lambda one: -(one.threads or 0)):
        if device.threads is None and path.suffix == ".tflite":
            continue  # LiteRT's Python package runs on the CPU alone
        answer = _ask(path, records, device, request, score=not scored)
        answers.append((device, answer))
        scored = scored or ({} if "problem" in answer else answer)
    answers.sort(key=lambda pair: devices.index(pair[0]))
    size = sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    measurements = tuple(_build_measurement(device, answer) for device, answer in answers)
    return FileBenchmark(model.path, path.name, size, scored.get("ap"), scored.get("images", 0), measurements)


def _ask(
    path: Path, records: Sequence[Path], device: _Device, request: BenchmarkRequest, *, score: bool
) -> Mapping[str, Any]:
    """What a process of its own answers, or `problem`."""
    request.notify(f"{path.parent.name}/{path.name} on {device.label}")
    task = BenchmarkTask(
        model=path,
        threads=device.threads,
        on_gpu=device.threads is None,
        batches=split_names(request.batches),
        images=request.images,
        repeats=request.repeats,
        score=score,
        records=tuple(map(str, records)),
    )
    try:
        return engine_process.ask(task, environment=device.environment)
    except OdtoolError as error:
        return {"problem": error.message}


def _build_measurement(device: _Device, answer: Mapping[str, Any]) -> DeviceMeasurement:
    if "problem" in answer:
        return DeviceMeasurement(device.label, device.threads, answer["problem"])
    return DeviceMeasurement(
        device.label,
        device.threads,
        "",
        answer["milliseconds"],
        answer["milliseconds_p95"],
        {int(size): rate for size, rate in answer["images_per_second"].items()},
        answer["peak_bytes"],
    )


def _describe_machine() -> str:
    """The processor, and how many of its threads there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or 'CPU'}, {os.cpu_count()} threads"


def _record(done: Benchmark, notify: Notify) -> None:
    """In each export; one that somebody else wrote is left as it is, and that is said."""
    from odtool.detection.benchmark import model_speed

    for folder in dict.fromkeys(file.folder for file in done.files):
        content = done.as_json()
        content["files"] = [entry for entry in content["files"] if entry["folder"] == str(folder)]
        try:
            model_speed.record(ExportedModel(folder), content)
        except OSError as error:
            notify(f"{folder}: the figures are not written there: {error.strerror}")
