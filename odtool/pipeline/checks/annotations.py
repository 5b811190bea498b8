"""Checks that the records hold what the model is trained to predict, and that the config lets all of it through."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from odtool.pipeline.checks.finding import Finding
from odtool.pipeline.text import heads
from odtool.pipeline.text.facts import ConfigFacts, RecordReader

_HINTS: Mapping[str, str] = {
    heads.MASKS: "Write them: odtool prepare --masks. Or have the head removed: odtool configure --pipeline FILE",
    heads.KEYPOINTS: "Write COCO's keypoints: odtool prepare --keypoints. Or have the head removed: odtool configure",
}


def check_annotations(facts: ConfigFacts) -> Iterator[Finding]:
    """By what prepare says of the records."""
    for reader in _list_mask_readers(facts):
        for dataset, summary in reader.prepared:
            if not summary.masks:
                yield _refuse_masks(reader.path, f"the records in {dataset.path}")
    for dataset, summary in facts.readers[0].prepared:
        kinds = ((heads.MASKS, summary.masks), (heads.KEYPOINTS, summary.keypoints))
        held = [kind for kind, is_held in kinds if is_held]
        yield from find_missing(facts, held, "train records", f"the records in {dataset.path}")


def _list_mask_readers(facts: ConfigFacts) -> list[RecordReader]:
    """Readers that ask for masks which the model does not; of one that does, `find_missing` tells."""
    asked = [reader for reader in facts.readers if reader.message.load_instance_masks]
    return [] if heads.MASKS in heads.find_learned(facts) else asked


def _refuse_masks(path: str, where: str) -> Finding:
    """What the API says in its first step is that indices[0] = 0 is not in [0, 0)."""
    return Finding(
        "error",
        "train records" if path == "train_input_reader" else "eval records",
        f"{path}.load_instance_masks is set, but {where} hold no masks",
        f"Write them: odtool prepare --masks. Or: odtool configure --set {path}.load_instance_masks=false",
    )


def find_missing(facts: ConfigFacts, held: Collection[str], subject: str, where: str) -> Iterator[Finding]:
    """An error for each kind of annotation that the model is trained with and the records do not hold.

    The API fails on it in the first step.

    Args:
        held: of 'masks' and 'keypoints' those that the records hold.
        where: the records, to be named.
    """
    for kind, field in heads.find_learned(facts).items():
        if kind not in held:
            yield Finding("error", subject, f"{field} is trained with {kind}, but {where} hold none", _HINTS[kind])


def check_read_annotations(facts: ConfigFacts, name: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    """By what was read of a set's records.

    Args:
        name: of the set.
        counts: records with 'masks' and with 'keypoints'.
    """
    held = [kind for kind, count in counts.items() if count]
    yield from find_missing(facts, held, f"{name} data", f"the {name} records")
    for reader in _list_mask_readers(facts) if heads.MASKS not in held else ():
        if reader.path.startswith(name):
            yield _refuse_masks(reader.path, f"the {name} records")


def check_crowding(facts: ConfigFacts, most: int) -> Finding:
    """Whether all boxes of the most crowded image, which has `most`, are read."""
    limits = {"train_config.max_number_of_boxes": facts.message.train_config.max_number_of_boxes}
    limits |= {f"{reader.path}.max_number_of_boxes": reader.message.max_number_of_boxes for reader in facts.readers}
    low = {field: limit for field, limit in limits.items() if limit < most}
    if not low:
        return Finding("ok", "crowded images", f"at most {most} objects in an image; {min(limits.values())} are read")
    return Finding(
        "warning",
        "crowded images",
        f"one image has {most} objects, but {', '.join(f'{field} is {limit}' for field, limit in low.items())}",
        f"The rest is ignored. Set: odtool configure --set {next(iter(low))}={most}, or write the config again.",
    )
