"""Files of settings that nobody wrote in good faith: an error in a moment, with the line where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.settings import setting_file

DEEP = 20_000


@pytest.mark.parametrize(
    ("ending", "text", "problem"),
    [
        ("toml", "a=" + "[" * DEEP + "]" * DEEP, "nested too deeply"),
        ("toml", ".".join(["a"] * 5000) + "=1", "nested too deeply"),
        ("toml", "[" + ".".join(["a"] * 5000) + "]", "nested too deeply"),
        ("toml", "a=" + "9" * 60_000, "digits"),
        ("toml", "a=0x" + "f" * 50_000, ":1: a: a number of more than 64 bits"),
        ("toml", "[t]\n\nb=1\na=" + "9" * 30, ":4: t.a: a number of more than 64 bits"),
        ("yaml", "a: " + "[" * DEEP + "]" * DEEP, "nested too deeply"),
        ("yaml", "{a: " * 3000 + "}" * 3000, "nested too deeply"),
        ("yaml", "".join(" " * depth + "a:\n" for depth in range(300)), "nested too deeply"),
        ("yaml", "a: " + ":".join(["1"] * 20_000), ":1: a: a number of more than 64 bits"),
        ("yaml", "a: " + ":".join(["1"] * 20_000) + ".5", "too large"),
        ("yaml", "a: 0x" + "f" * 60_000, ":1: a: a number of more than 64 bits"),
        ("yaml", "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", ":2: has an alias"),
        ("yaml", "a: \0", "special characters"),
        ("toml", "x" * (1 << 17), "131,072 bytes, where at most 65,536 are expected"),
        ("yaml", "x" * (1 << 17), "131,072 bytes, where at most 65,536 are expected"),
    ],
)
def test_what_is_too_much_is_refused_before_anything_is_made_of_it(
    tmp_path: Path, ending: str, text: str, problem: str
) -> None:
    path = tmp_path / f"odtool.{ending}"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        setting_file.read(path)
    assert problem in caught.value.message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odtool.toml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="a named pipe"):
        setting_file.read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="a device"):
        setting_file.read(path)


@pytest.mark.parametrize(
    ("ending", "sign", "first"), [("toml", "=", 1), ("yaml", ": ", 1), ("toml", "=", 3), ("yaml", ": ", 3)]
)
def test_each_of_thousands_of_settings_has_its_line(tmp_path: Path, ending: str, sign: str, first: int) -> None:
    path = tmp_path / f"odtool.{ending}"
    path.write_text("# not one\n" * (first - 1) + "".join(f"a{number}{sign}{number}\n" for number in range(4000)))
    document = setting_file.read(path)
    assert [document.locate((key,)) for key in document.values] == [f"{path}:{first + n}" for n in range(4000)]


def test_lines_are_those_of_statements_in_tables_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "odtool.toml"
    path.write_text(
        '[train]\nsteps = 5 # [not]\nlist = [\n  1,\n  2,\n]\ntext = """\n[eval]\nx = 1\n"""\n'
        '\n["eval"."a.b"]\nx.y = {z = 1}\n[[other]]\nx = 1\n[[other]]\ny = 1\n'
    )
    document = setting_file.read(path)
    places = {
        ("train",): 1,
        ("train", "steps"): 2,
        ("train", "list"): 3,
        ("train", "text"): 7,
        ("eval",): 12,
        ("eval", "a.b"): 12,
        ("eval", "a.b", "x", "y", "z"): 13,
        ("other", "x"): 15,
        ("other", "y"): 17,
        ("train", "nothing"): 1,
    }
    assert {keys: document.locate(keys) for keys in places} == {keys: f"{path}:{n}" for keys, n in places.items()}
    assert document.locate(("nothing",)) == str(path)
