"""Broken annotations do not end a command at the first: all are named, prepare refuses, --skip-broken goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.survey import problem_list
from odtool.dataset.types import Source
from odtool.errors import DataError

VocSet = Callable[..., Path]


def run(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(source),), out, val=0, **options))


@pytest.fixture
def broken_set(voc_set: VocSet) -> Path:
    """Ten XML files of which three are broken, and an eleventh object with a word for a number."""
    root = voc_set(10)
    files = sorted((root / "annotations").iterdir())
    files[2].write_text("")
    files[5].write_bytes(files[5].read_bytes()[:150])
    files[7].write_text(files[7].read_text().replace("<name>", "<name>cats & "))
    files[8].write_text(files[8].read_text().replace("<xmin>", "<xmin>x"))
    return root


def test_all_broken_files_are_named_and_nothing_is_written(broken_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    assert "00002.xml:1: broken XML" in error.value.message
    assert "faults in total: 3 annotation_broken, " in error.value.message
    assert [line.partition(".xml")[0][-5:] for line in error.value.details[:2]] == ["00005", "00007"]
    assert "--skip-broken" in error.value.hint
    assert not (tmp_path / "data").exists()


def test_the_list_of_problems_is_kept_beside_what_was_refused_until_it_is_written(
    broken_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    refused = problem_list.locate_refused(tmp_path / "data")
    assert refused == tmp_path / "data.problems.csv"
    assert str(refused) in error.value.hint
    assert refused.read_text().count("annotation_broken,error,") == 3
    run(broken_set, tmp_path / "data", skip_broken=True)
    assert not refused.exists()


def test_a_file_of_the_same_name_that_is_not_a_list_is_left_alone(broken_set: Path, tmp_path: Path) -> None:
    (tmp_path / "data.problems.csv").write_text("my own notes\n")
    with pytest.raises(DataError) as error:
        run(broken_set, tmp_path / "data")
    assert "data.problems.csv" not in error.value.hint
    run(broken_set, tmp_path / "data", skip_broken=True)
    assert (tmp_path / "data.problems.csv").read_text() == "my own notes\n"


def test_what_is_broken_is_left_out_and_counted_where_that_is_asked_for(broken_set: Path, tmp_path: Path) -> None:
    summary = run(broken_set, tmp_path / "data", skip_broken=True).summary
    assert summary.problems["annotation_broken"].count == 3
    assert summary.problems["annotation_broken"].level == "error"
    # The image whose objects are all broken is no background.
    assert sum(split.images for split in summary.splits.values()) == 6
    assert not any(split.background_images for split in summary.splits.values())


def test_strict_refuses_what_skip_broken_leaves_out(broken_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused by --strict: 3 annotation_broken"):
        run(broken_set, tmp_path / "data", skip_broken=True, strict=True)


def test_inspect_names_what_is_broken_and_counts_the_rest(broken_set: Path) -> None:
    inspected = inspect(InspectSettings((Source(broken_set),)))
    kinds = {item.kind: item for item in inspected.problems}
    assert Counter(problem.file.name for problem in kinds["annotation_broken"].examples) == {
        "00002.xml": 1,
        "00005.xml": 1,
        "00007.xml": 1,
    }
    assert kinds["record_broken"].examples[0].file.name == "00008.xml"
    assert inspected.figures.images == 6


def test_many_faults_are_summed_and_the_first_ten_named(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(30)
    for file in sorted((root / "annotations").iterdir())[:25]:
        file.write_text("<annotation>")
    with pytest.raises(DataError) as error:
        run(root, tmp_path / "data")
    assert "25 faults in total: 25 annotation_broken" in error.value.message
    assert len(error.value.details) == 10
    assert error.value.details[-1] == "... and 15 more"


def test_where_everything_is_broken_nothing_can_be_used(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(3)
    for file in (root / "annotations").iterdir():
        file.write_text("<annotation>")
    for call in (
        lambda: run(root, tmp_path / "data", skip_broken=True),
        lambda: inspect(InspectSettings((Source(root),))),
    ):
        with pytest.raises(DataError, match="none of the images can be used: 3 annotation_broken") as error:
            call()
        assert len(error.value.details) == 2
