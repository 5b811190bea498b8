"""Classes as the user wants them: renamed, kept or dropped, and what that did."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from odtool.dataset.label_map import LabelItem, display_names
from odtool.dataset.types import ObjectAnnotation
from odtool.errors import DataError

Changes = Counter[tuple[str, str]]
"""Objects by old and new class name; the new one is '' for those that were dropped."""


@dataclass(frozen=True)
class ClassChoice:
    """What is done to classes: renamed first, so that `only` and `drop` speak of the new names."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """New names by old ones; several old ones may become one class."""
    only: frozenset[str] = frozenset()
    """Classes to keep; all where it is empty."""
    drop: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    """Names by display names of a label map: at last, what is called as people read it gets its name."""

    @property
    def changes_nothing(self) -> bool:
        return not (self.rename or self.only or self.drop or self.names)


ALL_CLASSES = ClassChoice()
"""Nothing renamed, nothing dropped."""


def parse_class_options(rename: Iterable[str], only: Iterable[str], drop: Iterable[str]) -> ClassChoice:
    """The choice that options spell: 'old=new' for each renaming, names with commas between them for the others.

    Raises:
        DataError: a renaming has no '=', or gives one class two names; a class is to be both kept and dropped.
    """
    renamed: dict[str, str] = {}
    for text in rename:
        old, sign, new = (part.strip() for part in text.partition("="))
        if not (old and sign and new):
            raise DataError(f"--rename {text}: not old=new", "Write it like --rename kitty=cat")
        if renamed.setdefault(old, new) != new:
            raise DataError(f"--rename: '{old}' becomes both '{renamed[old]}' and '{new}'", "Name it once.")
    options = ClassChoice(renamed, _split_names(only), _split_names(drop))
    if contradictory := sorted(options.only & options.drop):
        raise DataError(f"class '{contradictory[0]}' is in --only and in --drop", "Name it in one of the two.")
    return options


def follow_label_map(choice: ClassChoice, items: Iterable[LabelItem]) -> ClassChoice:
    """The choice for annotations that have a label map's display names in place of its names."""
    return replace(choice, names={display_name: name for name, display_name in display_names(items).items()})


def _split_names(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip() for text in texts for name in text.split(",") if name.strip())


def apply_choice(
    objects: tuple[ObjectAnnotation, ...], choice: ClassChoice, changes: Changes
) -> tuple[ObjectAnnotation, ...]:
    """The objects that are kept, under their new names; what was changed is added to `changes`."""
    if choice.changes_nothing:
        return objects
    results = []
    for item in objects:
        name = choice.rename.get(item.label, item.label)
        if name in choice.drop or (choice.only and name not in choice.only):
            changes[item.label, ""] += 1
            continue
        name = choice.names.get(name, name)
        if name != item.label:
            changes[item.label, name] += 1
        results.append(item if name == item.label else replace(item, label=name))
    return tuple(results)


def refuse_unknown(choice: ClassChoice, changes: Changes, classes: Iterable[str]) -> None:
    """Raises DataError where a class was named that no annotation has, which is a slip of the pen as a rule.

    Args:
        classes: the names that are left.
    """
    remaining = set(classes)
    before = {old for old, _ in changes} | (remaining - set(choice.rename.values()))
    after = remaining | {choice.rename.get(old, old) for old, _ in changes}
    identities = {old for old, new in choice.rename.items() if old == new}
    options = (
        ("--rename", set(choice.rename) - identities, before),
        ("--only", choice.only, after),
        ("--drop", choice.drop, after),
    )
    for option, names, candidates in options:
        for name in sorted(names - candidates):
            suggestions = difflib.get_close_matches(name, candidates, n=1)
            hint = f"Did you mean '{suggestions[0]}'? " if suggestions else ""
            candidate_list = ", ".join(sorted(candidates)[:20]) or "none"
            raise DataError(f"{option} {name}: no annotation has this class", f"{hint}Classes: {candidate_list}.")
