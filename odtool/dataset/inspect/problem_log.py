"""Problems by kind as inspect gathers them: how many, the first of each, and which images have them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from odtool.dataset.survey import problem_kinds
from odtool.dataset.survey.problem_kinds import Check
from odtool.dataset.types import Problem

_EXAMPLES = 10
"""Problems kept of each kind, to be named; all are counted."""
_SHOWN_PER_KIND = 3
"""Images shown for each kind of problem."""
_LEVELS = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem that was met."""

    kind: str
    check: Check
    count: int
    examples: tuple[Problem, ...]
    """The first ones."""


class ProblemLog:
    """Gathers problems; its memory grows with their kinds only."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Problem]] = {}

    def add(self, problem: Problem) -> None:
        self._counts[problem.kind] += 1
        examples = self._examples.setdefault(problem.kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(problem)

    def clear(self) -> None:
        """Begins anew, as each pass over the annotations does."""
        self._counts.clear()
        self._examples.clear()

    def list_kinds(self) -> tuple[ProblemKind, ...]:
        """The gravest first."""
        kinds = [
            ProblemKind(kind, problem_kinds.CATALOGUE[kind], count, tuple(self._examples[kind]))
            for kind, count in self._counts.items()
        ]
        return tuple(sorted(kinds, key=lambda item: (_LEVELS[item.check.level], -item.count, item.kind)))

    def list_images(self) -> dict[str, list[str]]:
        """Kinds of problems by source id, for a few images of each kind; the gravest first."""
        images: dict[str, list[str]] = {}
        for kind in self.list_kinds():
            names = dict.fromkeys(problem.image for problem in kind.examples if problem.image)
            for name in list(names)[:_SHOWN_PER_KIND]:
                images.setdefault(name, [])
        for kind in self.list_kinds():
            for problem in kind.examples:
                if problem.image in images and kind.kind not in images[problem.image]:
                    images[problem.image].append(kind.kind)
        return images
