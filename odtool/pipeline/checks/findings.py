"""What `odtool check` finds of a run: one line for each thing looked at, whether it is well or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from odtool.errors import OdtoolError
from odtool.pipeline.checks import before_training, contradictions, doubts, heads
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    message: str
    hint: str = ""


def of_config(loaded: PipelineConfig, path: Path, *, replicas: int) -> Iterator[Finding]:
    """All that can be told from the config and the files that it names; `path` is only named.

    Args:
        replicas: devices that share a batch.
    """
    message = loaded.message
    settings = message.train_config
    yield _tried("settings", lambda: _settings(loaded, path))
    yield from _model(loaded, path)
    yield _tried("batch", lambda: _batch(settings.batch_size, replicas))
    yield _tried("train records", lambda: _records(loaded, message.train_input_reader, "train_input_reader", path))
    for index, reader in enumerate(message.eval_input_reader):
        name = f"eval_input_reader[{index}]"
        yield _tried("eval records", lambda reader=reader, name=name: _records(loaded, reader, name, path))  # type: ignore[misc]  # bound now, called now
    if not message.eval_input_reader:
        yield Finding("error", "eval records", f"{path}: no eval_input_reader", _AGAIN)
    yield _tried("classes", lambda: _classes(loaded, path))
    yield _tried("checkpoint files", lambda: _checkpoint(settings, path))


_AGAIN = "Write the config anew: odtool configure"


def _tried(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", subject, look())
    except OdtoolError as error:
        return Finding("error", subject, error.message, error.hint)


def _settings(loaded: PipelineConfig, path: Path) -> str:
    architecture = config.architecture(loaded)
    before_training.check_numbers(loaded.message, path)
    before_training.check_schedule(loaded, path)
    return f"{architecture}, {loaded.message.train_config.num_steps:,} steps"


def _model(loaded: PipelineConfig, path: Path) -> Iterator[Finding]:
    """Every contradiction, and every doubt."""
    subject = "model settings"
    try:
        wrong = [
            Finding("error", subject, f"{path}: {each.message}", each.hint) for each in contradictions.find(loaded)
        ]
        told = [Finding("warning", subject, each.message, each.hint) for each in doubts.find(loaded)]
    except OdtoolError:  # no model that odtool knows: said of the settings
        return
    yield from wrong + told or [Finding("ok", subject, "the API can build and train what they describe")]


def _batch(size: int, replicas: int) -> str:
    if size % replicas:
        raise OdtoolError(
            f"train_config.batch_size {size} cannot be shared by {replicas} GPUs",
            f"Set a multiple of {replicas}: odtool configure --batch-size N",
        )
    return f"{size} images a step" + (f", {size // replicas} on each of {replicas} GPUs" if replicas > 1 else "")


def _records(loaded: PipelineConfig, reader: Any, name: str, path: Path) -> str:
    files = before_training.check_reader(reader, name, path)
    if name == "train_input_reader":
        before_training.check_sizes(loaded, files, path)
    return f"{len(files)} file{'s' if len(files) > 1 else ''}, such as {files[0]}"


def _classes(loaded: PipelineConfig, path: Path) -> str:
    if not Path(loaded.message.train_input_reader.label_map_path).is_file():
        raise OdtoolError(
            "there is no label map to hold num_classes against", "Run odtool prepare, then odtool configure."
        )
    before_training.check_classes(loaded, path)
    return f"{config.num_classes(loaded)} in the model and in {loaded.message.train_input_reader.label_map_path}"


def _checkpoint(settings: Any, path: Path) -> str:
    before_training.check_checkpoint(settings, path)
    return settings.fine_tune_checkpoint or "none is named: training starts from scratch"


def of_evaluation_classes(known: Collection[str], seen: Collection[str], *, complete: bool) -> Finding:
    """Classes of the label map that the evaluation set lacks: their AP is -1, and the mAP is that of the others.

    Args:
        complete: whether all of the evaluation set was looked at.
    """
    absent = sorted(set(known) - set(seen))
    if not absent:
        return Finding("ok", "evaluation classes", f"all {len(known)} are in the evaluation set")
    where = "the evaluation set" if complete else "the records of it that were looked at; --all looks at every one"
    named = ", ".join(absent[:10]) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
    level: Level = "error" if complete and len(absent) == len(known) else "warning"
    return Finding(
        level,
        "evaluation classes",
        f"{len(absent)} of {len(known)} are not in {where}: {named}",
        "Their AP will be -1 and not count. Prepare with more images to evaluate with: odtool prepare --val 0.2",
    )


def of_annotations(loaded: PipelineConfig, name: str, held: Mapping[str, int]) -> Iterator[Finding]:
    """What the model learns and a set's records do not hold.

    Args:
        name: of the set.
        held: how many records hold 'masks' and 'key points'.
    """
    for error in heads.missing(loaded, [what for what, count in held.items() if count], f"the {name} records"):
        yield Finding("error", f"{name} data", error.message, error.hint)


def of_crowding(loaded: PipelineConfig, most: int) -> Finding:
    """Whether the most crowded image gets all of its boxes through."""
    message = loaded.message
    limits = {
        "train_config.max_number_of_boxes": message.train_config.max_number_of_boxes,
        "train_input_reader.max_number_of_boxes": message.train_input_reader.max_number_of_boxes,
        **{
            f"eval_input_reader[{index}].max_number_of_boxes": reader.max_number_of_boxes
            for index, reader in enumerate(message.eval_input_reader)
        },
    }
    low = {name: limit for name, limit in limits.items() if limit < most}
    if not low:
        return Finding("ok", "crowded images", f"at most {most} objects in an image; {min(limits.values())} are read")
    return Finding(
        "warning",
        "crowded images",
        f"one image has {most} objects, but {', '.join(f'{name} is {limit}' for name, limit in low.items())}",
        f"The others are left out. Set: odtool configure --set {next(iter(low))}={most}, or write the config anew.",
    )


def of_restoring(report: dict[str, Any], resumed_from: int | None) -> Finding:
    """What the engine says of the checkpoint and the model.

    Args:
        report: see `odtool.engine.examination.examine`.
        resumed_from: the run's own newest checkpoint, from which training would go on instead.
    """
    subject = "model"
    size = f"{report['variables']} variables, {report['parameters']:,} parameters"
    if resumed_from is not None:
        return Finding("ok", subject, f"{size}; training goes on from the run's own ckpt-{resumed_from}")
    if report["checkpoint"] is None:
        return Finding("ok", subject, f"{size}, all new")
    told = size if "restored" not in report else f"{size}; {_restored(report)}"
    if report["error"]:
        usual = "Use a checkpoint of the same architecture, with fine_tune_checkpoint_type detection: odtool configure"
        return Finding("error", subject, f"{report['error']} ({told})", report.get("hint") or usual)
    if not report["restored"]:
        return Finding(
            "error", subject, f"the checkpoint gives the model nothing ({told})", "See: odtool configure --checkpoint"
        )
    return Finding("ok", subject, told)


def _restored(report: dict[str, Any]) -> str:
    share = report["restored_parameters"] / max(report["parameters"], 1)
    kind = report["checkpoint_type"]
    told = f"{report['restored']} restored by name and shape ({share:.0%} of the parameters, type {kind})"
    if report["new"]:
        told += f", {len(report['new'])} new: {', '.join(_parts(report['new']))}"
    if report["left"]:
        told += f"; {len(report['left'])} of the checkpoint's {report['checkpoint_variables']} are left"
    return told


def _parts(new: list[dict[str, Any]]) -> list[str]:
    """The parts of the model that new variables belong to; in full where they are few."""
    if len(new) <= 4:
        return [f"{each['name']} {each['shape']}" for each in new]
    return sorted({"/".join(each["name"].split("/")[:2]) for each in new})
