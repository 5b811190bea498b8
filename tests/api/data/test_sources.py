"""What prepare and inspect read."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from odtool.api.data import sources


def test_what_tells_sources_apart_does_not_depend_on_their_order() -> None:
    paths = [Path("/a/set"), Path("/b/set"), Path("/b/other"), Path("/b/more.json")]
    expected = {paths[0]: "1-set/", paths[1]: "4-set/", paths[2]: "other/", paths[3]: "more/"}
    for order in permutations(paths):
        assert {source.path: source.prefix for source in sources.find_sources(list(order), None, Path())} == expected


def test_one_source_needs_nothing_to_tell_it_apart() -> None:
    assert [source.prefix for source in sources.find_sources([Path("/a")], None, Path())] == [""]


def test_a_source_named_twice_is_two() -> None:
    prefixes = [source.prefix for source in sources.find_sources([Path("/a"), Path("/a")], None, Path())]
    assert prefixes == ["1-a/", "2-a/"]


def test_a_way_up_in_a_sources_path_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "here")
    (source,) = sources.find_sources([Path("../set")], None, Path())
    assert source.path == (tmp_path / "set").resolve()
    (linked,) = sources.find_sources([tmp_path / "link"], None, Path())
    assert linked.path == tmp_path / "link"
