"""An evaluation that several machines share: each writes what evaluators are to read of its part, and one joins them.

A metric such as mAP ranks the detections of all images, so that figures of parts cannot be averaged. Each part
therefore holds results, batch by batch, and the evaluators get all of them in the order in which one machine has them.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import resource
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
from object_detection.core.standard_fields import InputDataFields

from odtool import __version__, checkpoint_choice, files, state_files
from odtool.engine import best_checkpoint, model
from odtool.engine.evaluate.evaluation import read_evaluation_configs
from odtool.engine.evaluate.score_book import ScoreBook
from odtool.engine.evaluate.scoring import Scorer
from odtool.engine.evaluate.set_metrics import BatchResult, Score, SetMetrics
from odtool.engine.outcome import Ending, StopSignal
from odtool.errors import DataError
from odtool.parts import WorkPart, refuse_incomplete
from odtool.state_files import Count, Range, StateError
from odtool.workspace import Run

_PIXELS = {InputDataFields.image, InputDataFields.original_image}
"""Of what evaluators are given, what none of them reads, and what fills most of the memory."""
_Positive = Annotated[int, Range(1, 2**31 - 1)]
log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class SetPart:
    """One evaluation set in a part."""

    batches: Count
    images: Count
    class_agnostic: bool


@dataclass(frozen=True)
class EvaluationPart:
    """The record of a part: 00002-of-00016.json, beside its results, written last."""

    number: Count
    count: Count
    step: int
    seconds: float
    settings: dict[str, Any]
    """All that the results depend on."""
    sets: tuple[SetPart, ...]


def score_part(
    run: Run, *, which: str, sample: int, part: WorkPart, stop: StopSignal, batch_size: int | None
) -> Ending:
    """Writes one part of the results of one checkpoint.

    Args:
        which: "latest", "best" or a checkpoint's path or name.

    Raises:
        OdtoolError: there is no such checkpoint, or config, records or the checkpoint cannot be used.
        Stopped: nothing is written.
    """
    prefix = checkpoint_choice.find(run, which)
    configs = read_evaluation_configs(run, batch_size)
    detector = model.build_model(configs["model"])
    scorers = [
        Scorer(configs, reader, detector, sample=sample, batch_limit=batch_size, part=part)
        for reader in configs["eval_input_configs"]
    ]
    step = model.build_restorable(configs, detector, scorers[0].element).restore(prefix)
    stop.defer()
    folder = _folder_of(run, prefix)
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / f"{part.file_stem}.tfrecord"
    record = results.with_suffix(".json")
    record.unlink(missing_ok=True)  # of an earlier try, which is not to speak for these results
    start = time.monotonic()
    with files.replacing(results) as unfinished, tf.io.TFRecordWriter(str(unfinished)) as writer:
        sets = tuple(_write_set(writer, index, scorer, stop) for index, scorer in enumerate(scorers))
    settings = _list_settings(run, prefix, sample, batch_size)
    written = EvaluationPart(part.number, part.count, step, time.monotonic() - start, settings, sets)
    files.write_atomically(record, json.dumps(asdict(written), indent=1) + "\n")
    images = sum(part.images for part in sets)
    log.info("part %s of %s: %d images", part, prefix.name, images)
    return Ending("finished", f"part {part} of {prefix.name}: {images} images; odtool eval --join when all are there")


def join_parts(run: Run, *, which: str, best: str | None) -> Ending:
    """Scores a checkpoint from its parts, as one machine would have.

    Args:
        which: as for `score_part`; "all" is the one checkpoint of which there are parts.
        best: the metric by which the best is chosen.

    Raises:
        DataError: a part is missing, there twice, damaged, or not of the same evaluation.
    """
    best_checkpoint.recover(run)
    folder = _find_folder(run) if which == "all" else _folder_of(run, checkpoint_choice.find(run, which))
    parts = _load_parts(folder)
    settings = parts[0][1].settings
    prefix = _find_prefix(run, settings)
    configs = read_evaluation_configs(run, settings["--batch-size"])
    sets = [SetMetrics(configs, reader) for reader in configs["eval_input_configs"]]
    if len(sets) != len(parts[0][1].sets):
        raise DataError(f"{folder}: has {len(parts[0][1].sets)} sets, the config {len(sets)}", "Evaluate again.")
    seconds = sum(record.seconds for _, record in parts)
    _allow_open_files(len(parts))
    streams = [_read_batches(path.with_suffix(".tfrecord")) for path, _ in parts]
    scores: list[Score] = []
    for index, metrics in enumerate(sets):
        metrics.class_agnostic = parts[0][1].sets[index].class_agnostic
        batches = _merge(index, parts, streams)
        scores.append(metrics.compute(batches, lambda: seconds / len(sets)))
    for (path, _), stream in zip(parts, streams, strict=True):
        if next(stream, None) is not None:
            raise _damaged(path.with_suffix(".tfrecord"), "it has more batches than its record says")
    book = ScoreBook(run, settings["--sample"], best, [metrics.name for metrics in sets])
    book.write(prefix, parts[0][1].step, scores)
    return Ending("finished", f"scored {prefix} from {len(parts)} parts")


def _folder_of(run: Run, prefix: Path) -> Path:
    """The run's own checkpoints by their names, of which best/ has copies; any other with its place."""
    if prefix.parent in (run.path, run.best):
        return run.evaluation_parts / prefix.name
    return run.evaluation_parts / f"{prefix.name}-{hashlib.sha256(os.fsencode(prefix)).hexdigest()[:8]}"


def _list_settings(run: Run, prefix: Path, sample: int, batch_size: int | None) -> dict[str, Any]:
    own = prefix.parent in (run.path, run.best)
    return {
        "the checkpoint": prefix.name if own else str(prefix),
        # A checkpoint's index holds a checksum of each of its tensors.
        "the checkpoint's content": _digest(Path(f"{prefix}.index")),
        "pipeline.config": _digest(run.pipeline_config),
        "--sample": sample,
        "--batch-size": batch_size,
        "odtool's version": __version__,
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _write_set(writer: Any, index: int, scorer: Scorer, stop: StopSignal) -> SetPart:
    batches = images = 0
    for result in scorer.run(stop):
        arrays: dict[str, Any] = {
            **{f"values/{name}": _to_array(value) for name, value in result.values.items() if name not in _PIXELS},
            **{f"losses/{name}": np.array(loss, np.float64) for name, loss in result.losses.items()},
            **{f"pictures/{tag}": _to_array(picture) for tag, picture in result.pictures.items()},
            "place": np.array([index, result.block], np.int64),
        }
        stream = io.BytesIO()
        np.savez_compressed(stream, **{name: value for name, value in arrays.items() if value.dtype != object})
        writer.write(stream.getvalue())
        batches, images = batches + 1, images + len(arrays[f"values/{InputDataFields.key}"])
    return SetPart(batches, images, scorer.metrics.class_agnostic)


def _to_array(value: Any) -> Any:
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _find_folder(run: Run) -> Path:
    folders = sorted(path for path in run.evaluation_parts.glob("*") if any(path.glob("*-of-*.json")))
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise DataError(
            f"{run.evaluation_parts}: no part of an evaluation there",
            f"Each machine makes one with: odtool eval {run.argument} --checkpoint latest --part 2/16",
        )
    raise DataError(
        f"there are parts of {len(folders)} checkpoints: {', '.join(path.name for path in folders[:5])}",
        f"Name one, as with --checkpoint {folders[-1].name}",
    )


def _load_parts(folder: Path) -> list[tuple[Path, EvaluationPart]]:
    paths = sorted(folder.glob("*-of-*.json"))
    if not paths:
        raise DataError(
            f"{folder}: no part of an evaluation there", "Each machine makes one with: odtool eval --part 2/16"
        )
    parts = []
    for path in paths:
        try:
            parts.append((path, _check_settings(state_files.read(path, EvaluationPart))))
        except StateError as error:
            raise _damaged(path, str(error)) from None
    parts.sort(key=lambda pair: pair[1].number)
    for path, record in parts:
        _refuse_other(path, record, *parts[0])
    named = [(WorkPart(record.number, record.count), str(path)) for path, record in parts]
    refuse_incomplete(named, f"odtool eval --checkpoint {folder.name}")
    return parts


def _check_settings(record: EvaluationPart) -> EvaluationPart:
    """The record, whose settings that are used are of their types; others are compared alone."""
    kinds: dict[str, Any] = {"the checkpoint": str, "--sample": _Positive, "--batch-size": _Positive | None}
    for name, kind in kinds.items():
        if name not in record.settings:
            raise StateError(f"settings has no {name}")
        state_files.build(kind, record.settings[name], f"settings.{name}")
    return record


def _refuse_other(path: Path, record: EvaluationPart, first_path: Path, first: EvaluationPart) -> None:
    names = sorted({*record.settings, *first.settings})
    for name in names:
        this, other = record.settings.get(name), first.settings.get(name)
        if this != other:
            raise DataError(
                f"{path} and {first_path} are not parts of one evaluation: {name} is {this} in one and {other} in the "
                "other",
                "Evaluate all parts alike, and remove those of an earlier try.",
            )
    agnostic = [[part.class_agnostic for part in one.sets if part.batches] for one in (record, first)]
    if len(record.sets) != len(first.sets) or (all(agnostic) and agnostic[0] != agnostic[1]):
        raise _damaged(path, "its evaluation sets are others")


def _find_prefix(run: Run, settings: Mapping[str, Any]) -> Path:
    """The checkpoint that was scored, which may have been deleted meanwhile."""
    name = str(settings["the checkpoint"])
    candidates = (run.path / name, run.best / name)
    return next((path for path in candidates if Path(f"{path}.index").is_file()), run.path / name)


def _allow_open_files(count: int) -> None:
    """A file for each part, beside those that TensorFlow has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


def _read_batches(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            with np.load(io.BytesIO(record), allow_pickle=False) as arrays:
                yield {name: arrays[name] for name in arrays.files}
    except (tf.errors.OpError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise _damaged(path, str(error).splitlines()[0]) from None


def _merge(
    index: int, parts: Sequence[tuple[Path, EvaluationPart]], streams: Sequence[Iterator[dict[str, Any]]]
) -> Iterator[BatchResult]:
    """The batches of one set in the order of one machine: each part in turn has the next."""
    total = sum(record.sets[index].batches for _, record in parts)
    for block in range(total):
        path = parts[block % len(parts)][0]
        arrays = next(streams[block % len(parts)], None)
        if arrays is None or arrays.pop("place", np.zeros(0)).tolist() != [index, block]:
            raise _damaged(path.with_suffix(".tfrecord"), f"batch {block} is not where it belongs")
        yield BatchResult(
            block,
            {name: value.tolist() for name, value in _pick(arrays, "losses/").items()},
            {name: tf.constant(value) for name, value in _pick(arrays, "values/").items()},
            _pick(arrays, "pictures/"),
        )


def _pick(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _damaged(path: Path, cause: str) -> DataError:
    return DataError(f"{path}: this part is damaged: {cause}", "Copy it again, or evaluate this part again.")
