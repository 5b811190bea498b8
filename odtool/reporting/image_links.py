"""From a figure to the images behind it: what an image says of itself, and the buttons that choose by that."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from odtool.reporting import confusion, mistakes
from odtool.reporting.mistakes import Verdict
from odtool.visual.html_page import escape_text

NO_MISTAKE = "none"


@dataclass(frozen=True)
class Link:
    """Words that lead to the images on the page for which this holds; without a script, or such images, only words."""

    words: str
    by: str
    """classes, problems or pairs."""
    value: str

    def render(self) -> str:
        """HTML."""
        return (
            f'<button type="button" class="link" data-choose="{self.by}" value="{escape_text(self.value)}" disabled>'
            f"{escape_text(self.words)}</button>"
        )


def name_pair(pair: tuple[int, int]) -> str:
    """A true and a detected class."""
    return f"{pair[0]}-{pair[1]}"


def name_kind(kind: str) -> str:
    """A kind of mistake as one word."""
    return kind.replace(" ", "-")


def list_classes(verdict: Verdict) -> AbstractSet[int]:
    """Classes that are in an image or were detected there."""
    detected = verdict.image.detections.classes[verdict.accepted]
    return {int(number) for number in (*verdict.image.truth.classes, *detected)}


def list_kinds(verdict: Verdict) -> list[str]:
    """Kinds of mistake in an image, as words."""
    kinds = [
        kind for kind in mistakes.MISTAKES if kind in verdict.kinds or (kind == "missed" and kind in verdict.objects)
    ]
    return [name_kind(kind) for kind in kinds] or [NO_MISTAKE]


def list_pairs(verdict: Verdict) -> list[str]:
    """True and detected class of each confusion in an image."""
    return [name_pair(pair) for pair in confusion.count_pairs([verdict]) if pair[0] != pair[1]]
