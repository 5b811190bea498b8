"""A trained model at work on images and videos."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from odtool import output_folder, temporary_folders
from odtool.api.requests import (
    Notify,
    RequestError,
    StrPath,
    choose_part,
    find_workspace,
    ignore,
    refuse_below,
    refuse_beside,
    refuse_unknown,
    split_names,
    takes,
)
from odtool.api.result import chosen_model
from odtool.api.tasks import engine_process
from odtool.api.tasks.device_claim import claim_device
from odtool.api.tasks.engine_tasks import PredictTask
from odtool.dataset.progress import Progress, silent
from odtool.errors import DataError
from odtool.parts import WorkPart
from odtool.pipeline import addresses
from odtool.workspace import Predictions, Run

_FOR_JOINING = ("sources", "join", "out", "workspace", "progress", "notify")
_HIGHEST_PORT = 65535
FORMATS = ("coco", "voc", "yolo", "csv", "labelme")
WITH_MASKS = ("coco", "labelme")
"""Those that hold the masks of objects, as polygons."""

Scores: TypeAlias = float | str | Mapping[str, float] | Sequence[str]
"""The lowest score of all classes, of single ones, "best", or texts such as "0.4" and "car=0.3"."""


@dataclass(frozen=True)
class PredictRequest:
    """What `odtool predict` is asked for."""

    TAKES_ADDRESSES: ClassVar = ("sources",)
    """Streams, and images on the web, are read here."""
    sources: StrPath | Sequence[StrPath] = ()
    """Images, videos, folders of them, or patterns; a camera's number; addresses of images, videos and streams (http,
    https, rtsp); "-" for a list of them on standard input; with `join`, folders of parts."""
    _: KW_ONLY
    model: StrPath | Run | None = None
    """A run, an exported or saved model, a .tflite or .onnx file; the newest run by default."""
    label_map: StrPath | None = None
    """Names of the classes, for a model that does not carry them."""
    out: StrPath = "predictions"
    """Folder to write; earlier predictions there are replaced unless somebody has changed them."""
    min_score: Scores = ()
    """Lowest score, 0.5 by default; "best" takes for each class the one that odtool report has found."""
    save_as: str | Sequence[str] = ()
    """Annotations to correct: any of coco, voc, yolo, csv, labelme."""
    count: bool = False
    """Count objects by class and image, in counts.csv."""
    pictures: bool = True
    """Draw the boxes on copies of images and videos."""
    tile: int | None = None
    """Look at larger images in tiles of this side, in pixels."""
    overlap: int | None = None
    """Pixels that tiles share; by default a fifth of `tile`."""
    every: int = 1
    """Look at one of this many frames of a video."""
    batch_size: int = 8
    """Images, frames or tiles that the model gets at once."""
    track_objects: bool = False
    """Follow objects through videos, number them and count distinct ones; needs odtool[tracking]."""
    count_line: str | None = None
    """Count objects that cross a line, "x1,y1,x2,y2" in pixels of the video, to either side; with `track_objects`."""
    show_port: int | None = None
    """Show what is looked at on a page of this machine, http://127.0.0.1:PORT; 0 for any port."""
    part: str | None = None
    """Look at one of several parts of the sources, as "2/16". "auto" is the one that Slurm or Kubernetes says,
    "auto/16" where it does not say how many there are, "none" is everything. By default the part of the task in a Slurm
    step of several, else everything."""
    join: bool = False
    """Join the parts in the folders named, by default those of `out`, to what one machine would have written."""
    gpu: str | int | None = "cpu"
    """"cpu", or the number of a GPU that has room."""
    gpu_memory: str | None = None
    """Of the GPU: "grow" as needed, at most a size such as "8GB" or "40%", or "all", the default."""
    workspace: StrPath = "."
    progress: Progress = field(default=silent, compare=False, repr=False)
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.join:
            refuse_beside(self, "join", _FOR_JOINING)
        elif not self.list_sources():
            raise RequestError("sources", "is missing: images, videos or folders", "Such as: odtool predict photos")
        if self.overlap is not None and self.tile is None:
            raise RequestError("overlap", "means nothing without --tile")
        for name, least in (("tile", 32), ("overlap", 0), ("every", 1), ("batch_size", 1)):
            refuse_below(name, getattr(self, name), least)
        if self.save_as != ():
            refuse_unknown("save_as", split_names(self.save_as), FORMATS)
        refuse_below("show_port", self.show_port, 0)
        if self.show_port is not None and self.show_port > _HIGHEST_PORT:
            raise RequestError("show_port", f"{self.show_port} is not {_HIGHEST_PORT} or less")
        self._check_line()
        self._check_scores()

    def _check_line(self) -> None:
        from odtool.detection.streams import object_counts

        if self.count_line is None:
            return
        if not self.track_objects:
            raise RequestError("count_line", "means nothing without --track-objects")
        try:
            object_counts.parse_line(self.count_line)
        except DataError as error:
            raise RequestError("count_line", error.message, error.hint) from None

    def has_streams(self) -> bool:
        """Whether cameras or addresses are among the sources."""
        from odtool.detection.streams import stream_sources

        return any(stream_sources.parse(source) for source in self.list_sources())

    def list_sources(self) -> list[str]:
        """As they were named."""
        named = self.sources
        return [str(source) for source in ([named] if isinstance(named, (str, os.PathLike)) else named)]

    def _check_scores(self) -> None:
        """Before seconds of loading."""
        from odtool.detection import thresholds

        try:
            thresholds.parse(self.score_texts())
        except DataError as error:
            raise RequestError("min_score", error.message, error.hint) from None

    def score_texts(self) -> tuple[str, ...]:
        """Each as the command line has it."""
        if isinstance(self.min_score, Mapping):
            return tuple(f"{label}={score}" for label, score in self.min_score.items())
        return (str(self.min_score),) if isinstance(self.min_score, (int, float, str)) else tuple(self.min_score)


@dataclass(frozen=True)
class Predicted:
    """What was written."""

    out: Predictions
    model: Path | None
    """None where parts were joined."""
    device: str
    """For people: 'cpu', 'GPU 0 (NVIDIA H100)'; empty where parts were joined."""
    summary: Mapping[str, Any]
    """Of what was looked at: images, videos, frames, objects by class, problems, and the speed."""
    save_as: tuple[str, ...]
    """Formats of the annotations that were written."""
    other_outputs: str
    """What the model is trained to find and nothing is written of, such as keypoints; empty where there is none."""
    part: str | None = None
    """Which part of the sources this is, as '2/16'; None for everything."""
    joined: int | None = None
    """Of how many parts it was put together."""

    @property
    def boxes_only(self) -> tuple[str, ...]:
        """The annotations that were asked for and cannot hold the masks that were found."""
        return tuple(name for name in self.save_as if name not in WITH_MASKS) if self.summary["masks"] else ()


@takes(PredictRequest)
def predict(request: PredictRequest) -> Predicted:
    """Detects objects in images and videos; writes pictures, detections.jsonl, counts and annotations.

    What cannot be read is named, counted and left out.

    Raises:
        OdtoolError: there is no such model, nothing can be read, or the folder is not ours to replace.
    """
    space = find_workspace(request.workspace)
    out = Predictions(Path(os.path.abspath(request.out)))  # noqa: PTH100 - without '..', but links as they are named
    if not out.path.name:
        raise RequestError("out", f"is {out.path}, which cannot be replaced as a whole", "Name a folder below it.")
    if request.join:
        _refuse_addresses(request)
        return _join(request, out)
    part = choose_part(request.part, request.notify)
    if part is not None:
        request.notify(f"part {part} of what is to be looked at")
        out = out.part(part.file_stem)
    _refuse_addresses(request)
    if part is not None and request.has_streams():
        raise RequestError(
            "part", "means nothing with cameras and addresses", "Look at each with a command of its own."
        )
    model = chosen_model.find(space, request.model)
    _refuse_unusable(request, model)
    if move := chosen_model.describe_move_of_run(model):
        request.notify(move)
    choice = claim_device(request.gpu, request.gpu_memory)
    with (
        _listing(request) as source_list,
        output_folder.replacing(out.path, command="odtool predict", refuse=_refuse_foreign) as folder,
    ):
        task = _make_task(request, folder, model, part, source_list)
        summary = engine_process.ask_with_progress(
            task,
            environment=choice.environment,
            label="pictures",
            progress=request.progress,
            notify=request.notify,
            ends_when_told=request.has_streams(),
        )
    others = chosen_model.name_other_outputs(model)
    return Predicted(out, model, choice.label, summary, task.save_as, others, str(part) if part else None)


def _refuse_unusable(request: PredictRequest, model: Path) -> None:
    """What can be known before the model is loaded."""
    from odtool.detection import best_thresholds

    best_thresholds.require(model, request.score_texts())
    if request.show_port is not None:
        from odtool.detection.streams import live_view

        live_view.refuse_taken(request.show_port)


def _make_task(
    request: PredictRequest, folder: Path, model: Path, part: WorkPart | None, source_list: Path | None
) -> PredictTask:
    return PredictTask(
        folder=folder,
        model=model,
        batch_size=request.batch_size,
        every=request.every,
        label_map=Path(request.label_map) if request.label_map else None,
        min_score=request.score_texts(),
        tile=request.tile,
        overlap=_overlap(request),
        save_as=split_names(request.save_as),
        count=request.count,
        pictures=request.pictures,
        part=str(part) if part else None,
        track_objects=request.track_objects,
        count_line=request.count_line,
        show_port=request.show_port,
        source_list=source_list,
        sources=tuple(source for source in request.list_sources() if source != "-"),
    )


def _refuse_addresses(request: PredictRequest) -> None:
    """Those that are not looked at, such as gs://bucket."""
    from odtool.detection.streams import stream_sources

    for source in request.list_sources():
        if stream_sources.parse(source) is None:
            addresses.refuse("", source)


@contextmanager
def _listing(request: PredictRequest) -> Iterator[Path | None]:
    """What standard input names, in a file for the engine, where `-` is among the sources."""
    if "-" not in request.list_sources():
        yield None
        return
    with temporary_folders.make() as folder:
        listing = folder / "standard-input"
        with listing.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield listing


def _join(request: PredictRequest, out: Predictions) -> Predicted:
    from odtool.detection.predict import joining

    stored = joining.find_parts([Path(place).absolute() for place in request.list_sources()] or [out.parts])
    with (
        output_folder.replacing(out.path, command="odtool predict", refuse=_refuse_foreign) as folder,
        request.progress("pictures", None) as report,
    ):
        summary = joining.join(stored, Predictions(folder), tell=lambda done: report(done, 0))
    return Predicted(out, None, "", summary, (), "", joined=len(stored))


def _overlap(request: PredictRequest) -> int | None:
    if request.tile is None:
        return None
    return request.tile // 5 if request.overlap is None else request.overlap


def _refuse_foreign(out: Path) -> None:
    earlier = Predictions(out)
    output_folder.refuse_foreign(out, earlier.summary.name)
    if changed := _changed_since(earlier):
        raise DataError(
            f"{changed}: was added or changed after odtool predicted into {out}, and would be lost",
            "Write elsewhere with --out, or move the folder away.",
        )


def _changed_since(earlier: Predictions) -> Path | None:
    """A file that is newer than the summary, which odtool writes last: such as an annotation corrected by hand."""
    if not earlier.summary.is_file():
        return None
    written = earlier.summary.stat().st_mtime_ns
    paths = (Path(folder) / name for folder, _, names in os.walk(earlier.path) for name in names)
    return next((path for path in paths if path.lstat().st_mtime_ns > written), None)
