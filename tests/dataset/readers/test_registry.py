"""What the registry says of a format is what its reader gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.registry import READERS


@pytest.fixture(scope="module")
def fuzzer(load_script: Callable[[str], Any]) -> Any:
    """scripts/fuzz_readers.py, whose samples have masks wherever a format has them."""
    return load_script("fuzz_readers")


@pytest.mark.parametrize("name", READERS)
def test_a_format_carries_masks_where_its_row_says_so(
    tmp_path: Path, fuzzer: Any, found: Callable[..., Any], name: str
) -> None:
    files, images = fuzzer.make_samples()[name]
    fuzzer.write_source(tmp_path, files, images, fuzzer.make_picture())
    for asked in (True, False):
        source = fuzzer.make_source(tmp_path, name, masks=asked)
        assert [choice.name for choice in choose(source)] == [name]
        annotated, _ = found(READERS[name].read, source)
        outlines = [item.outline for image in annotated for item in image.objects if item.outline is not None]
        assert annotated
        assert bool(outlines) == (asked and READERS[name].masks)


@pytest.mark.parametrize("name", READERS)
def test_a_sample_looks_like_its_own_format_alone(tmp_path: Path, fuzzer: Any, name: str) -> None:
    files, images = fuzzer.make_samples()[name]
    fuzzer.write_source(tmp_path, files, images, fuzzer.make_picture())
    matches = [other for other, reader in READERS.items() if reader.detect(tmp_path)]
    # VoTT's columns are those of the tutorials, which say less. A CSV of any columns is never detected.
    expected = {"vott_csv": ["vott_csv", "tfod_csv"], "csv": []}
    assert matches == expected.get(name, [name])


def test_a_title_stands_for_one_format() -> None:
    assert len({reader.title for reader in READERS.values()}) == len(READERS)
