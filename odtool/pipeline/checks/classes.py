"""Checks of the model's classes against the label maps, and of those against what is in the evaluation set."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from odtool.dataset import label_map
from odtool.errors import DataError
from odtool.pipeline.checks.finding import Finding, convert_error
from odtool.pipeline.text.facts import ConfigFacts


def check_classes(facts: ConfigFacts) -> Iterator[Finding]:
    """Whether the model has as many classes as the label map, and all sets number them alike."""
    training = facts.readers[0].label_map
    if facts.readers[0].has_remote_map:
        return  # `odtool check` has the engine fetch it
    if training is None or not training.is_file():
        yield Finding(
            "error",
            "classes",
            "no label map to compare num_classes with",
            "Run odtool prepare, then odtool configure.",
        )
        return
    try:
        classes = label_map.load(training)
    except DataError as error:
        yield convert_error("classes", error, "train_input_reader.label_map_path")
        return
    yield from _compare_count(facts.num_classes, training, classes.values())
    yield from _check_evaluation_maps(facts, classes)


def check_fetched_classes(facts: ConfigFacts, path: Path) -> Iterator[Finding]:
    """The same for a label map that had to be fetched; its own address stands in what is said."""
    try:
        ids = label_map.load(path).values()
    except DataError as error:
        yield convert_error("classes", error, "train_input_reader.label_map_path")
        return
    yield from _compare_count(facts.num_classes, facts.readers[0].message.label_map_path, ids)


def _compare_count(count: int, path: Path | str, ids: Collection[int]) -> Iterator[Finding]:
    """The API counts the classes of a label map by its largest id.

    It trains a model of more classes too. Ids with gaps are part of a longer numbering, such as COCO's 1 to 90, and a
    model of all of it is meant so; without gaps it is the config of another data set.
    """
    largest, has_gaps = max(ids), max(ids) > len(ids)
    if count == largest:
        return
    message = f"the model has {count} classes, but {path} has {f'ids up to {largest}' if has_gaps else largest}"
    if has_gaps and count > largest:
        yield Finding("warning", "classes", message, f"The model learns nothing for ids from {largest + 1}.")
        return
    hint = "Write the config again for this data, without setting num_classes: odtool configure"
    yield Finding("error", "classes", message, hint)


def describe_classes(facts: ConfigFacts) -> str:
    """What is said of the classes where nothing is wrong with them."""
    if facts.readers[0].has_remote_map:
        return f"{facts.num_classes} in the model; the engine reads {facts.readers[0].message.label_map_path}"
    path = facts.readers[0].label_map
    gaps = label_map.describe_gaps(label_map.load(path).values()) if path else ""
    gap_note = f", in which no class has the ids {gaps}" if gaps else ""
    return f"{facts.num_classes} in the model and in {path}{gap_note}"


def _check_evaluation_maps(facts: ConfigFacts, classes: dict[str, int]) -> Iterator[Finding]:
    training = facts.readers[0].label_map
    for reader in facts.readers[1:]:
        path = reader.label_map
        if (
            path is None or path == training or reader.has_remote_map or not path.is_file()
        ):  # a missing one is reported with its records
            continue
        try:
            numbering = label_map.load(path)
        except DataError as error:
            yield convert_error("classes", error, f"{reader.path}.label_map_path")
            continue
        if numbering != classes:
            yield Finding(
                "error",
                "classes",
                f"{reader.path}.label_map_path: {path} numbers the classes differently than {training}, which "
                "training uses",
                "Prepare the evaluation records with that label map: odtool prepare --label-map",
            )


def check_evaluation_classes(known: Collection[str], seen: Collection[str], *, complete: bool) -> Finding:
    """Classes that are missing in the evaluation set: their AP is -1, and the mAP is that of the others.

    Args:
        known: classes of the label map.
        seen: classes with objects in the records that were read.
        complete: whether all records of the evaluation set were read.
    """
    absent = sorted(set(known) - set(seen))
    if not absent:
        return Finding("ok", "evaluation classes", f"all {len(known)} are in the evaluation set")
    where = "in the evaluation set" if complete else "in the evaluation records that were read; --all reads every one"
    names = ", ".join(absent[:10]) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
    return Finding(
        "error" if complete and len(absent) == len(known) else "warning",
        "evaluation classes",
        f"{len(absent)} of {len(known)} are not {where}: {names}",
        "Their AP will be -1 and is left out of mAP. Prepare more images for evaluation: odtool prepare --val 0.2",
    )
