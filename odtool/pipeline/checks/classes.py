"""Checks of the model's classes against the label maps, and of those against what is in the evaluation set."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from odtool.dataset import label_map
from odtool.errors import DataError
from odtool.pipeline.checks.finding import Finding, convert_error
from odtool.pipeline.text.facts import ConfigFacts


def check_classes(facts: ConfigFacts) -> Iterator[Finding]:
    """Whether the model has as many classes as the label map, and all sets number them alike."""
    training = facts.readers[0].label_map
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
    if len(classes) != facts.num_classes:
        yield Finding(
            "error",
            "classes",
            f"the model has {facts.num_classes} classes, but {training} has {len(classes)}",
            "Write the config again for this data, without setting num_classes: odtool configure",
        )
    yield from _check_evaluation_maps(facts, classes)


def _check_evaluation_maps(facts: ConfigFacts, classes: dict[str, int]) -> Iterator[Finding]:
    training = facts.readers[0].label_map
    for reader in facts.readers[1:]:
        path = reader.label_map
        if path is None or path == training or not path.is_file():  # a missing one is reported with its records
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
