"""What every reader's tests need: all findings of a source, and annotation files with something wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from odtool.dataset.readers.common import faults
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, Problem, Source

Read = Callable[[Source], Iterator[Finding]]
Fault = Callable[[Callable[[list[tuple[str, str]]], Any], Path], str]


@pytest.fixture(scope="session")
def found() -> Callable[[Read, Source], tuple[list[AnnotatedImage], list[Problem]]]:
    """found(module.read, source): images and problems, deferred ones included."""

    def all_of(read: Read, source: Source) -> tuple[list[AnnotatedImage], list[Problem]]:
        images: list[AnnotatedImage] = []
        problems: list[Problem] = []
        for item in read(source):
            for one in faults.report_broken(item.parse, *item.arguments) if isinstance(item, Deferred) else [item]:
                (problems if isinstance(one, Problem) else images).append(one)  # type: ignore[attr-defined]
        return images, problems

    return all_of


@pytest.fixture(scope="session")
def fault() -> Fault:
    """fault(call, path): what is said of a broken file, or of the first broken record of those that are met.

    `call` takes the list for problems, which it may leave empty where its result has problems of its own.
    """

    def first(call: Callable[[list[tuple[str, str]]], Any], path: Path) -> str:
        problems: list[tuple[str, str]] = []
        try:
            result = call(problems)
        except faults.AnnotationError as error:
            return error.message
        problems += getattr(result, "problems", ())
        return next(Problem(kind, path, detail).describe() for kind, detail in problems if kind in faults.KINDS)

    return first


@pytest.fixture(scope="session")
def mutated() -> Callable[[str], st.SearchStrategy[bytes]]:
    """mutated(text): the text's bytes with some of them replaced, removed, repeated or cut off."""

    def of(text: str) -> st.SearchStrategy[bytes]:
        sample = text.encode()
        places = st.integers(0, len(sample))
        inserted = st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [b"nan", b"-inf", b"1e999", b"-1", b"9" * 400, b"", b"\n", b'"', b"<", b"null", b"[]", b","]
            ),
        )
        edits = st.lists(st.tuples(places, st.integers(0, 12), inserted), min_size=1, max_size=4)

        def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
            made = sample
            for start, length, new in edits:
                made = made[:start] + new + made[start + length :]
            return made

        return edits.map(apply)

    return of
