"""Reading logs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.errors import JobError
from odtool.jobs import log

TRACEBACK = """\
step 5
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    raise ValueError("no")
ValueError: no
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("\n \n", ""),
        ("step 1\nstep 2\n\n", "step 2"),
        (TRACEBACK, "ValueError: no"),
        (TRACEBACK + "[libprotobuf] goodbye\n", "ValueError: no"),
        (TRACEBACK.replace("ValueError: no", "a.b_c.ResourceExhaustedError: OOM"), "a.b_c.ResourceExhaustedError: OOM"),
        ("error: no such file\nhint: look\n", "error: no such file"),
        ("python: error: bad flag\n", "python: error: bad flag"),
        ("Fatal Python error: Segmentation fault\n\nCurrent thread\n", "Fatal Python error: Segmentation fault"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("errors are rare here\nstep 3\n", "step 3"),
        ("10%\r50%\r100%\n", "100%"),
    ],
)
def test_the_last_error_is_found_or_else_the_last_line(text: str, found: str) -> None:
    assert log.find_error(text) == found


def test_a_long_error_is_cut() -> None:
    assert len(log.find_error("ValueError: " + "x" * 10_000)) == 300


def test_errors_before_the_offset_are_not_of_this_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(TRACEBACK)
    offset = path.stat().st_size
    assert log.find_last_error(path, 0) == "ValueError: no"
    assert log.find_last_error(path, offset) == ""


def test_a_missing_log_has_no_error(tmp_path: Path) -> None:
    assert log.find_last_error(tmp_path / "log", 0) == ""


def test_bytes_that_are_no_text_do_not_hide_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe\x00\nValueError: caf\xe9\n")
    assert log.find_last_error(path, 0) == "ValueError: caf\ufffd"


@given(
    text=st.lists(st.sampled_from([b"\n", b"x", b"\xff"])).map(b"".join),
    lines=st.integers(0, 20),
    size=st.integers(1, 9),
)
def test_tail_is_the_last_lines(tmp_path_factory: pytest.TempPathFactory, text: bytes, lines: int, size: int) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_BLOCK", size)
        offset = log.find_tail_offset(path, lines)
    assert text[offset:] == b"".join(_split(text)[-lines:] if lines else [])


def _split(text: bytes) -> list[bytes]:
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_following_yields_what_was_written_up_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    ends = iter([False, False, False, True])
    written = iter([b"", b"a", b"", b"bc"])

    def ended() -> bool:
        if addition := next(written):
            with path.open("ab") as stream:
                stream.write(addition)
        return next(ends)

    assert list(log.follow(path, 0, ended=ended)) == [b"", b"a", b"", b"", b"bc"]


def test_following_begins_at_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old new")
    assert list(log.follow(path, 4, ended=lambda: True)) == [b"new"]


def test_the_tail_of_a_huge_log_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as stream:
        stream.seek(1 << 40)  # a hole of a tebibyte: a reader that begins at the front does not come back
        stream.write(b"\nlast\n")
    assert log.find_tail_offset(path, 1) == (1 << 40) + 1


def test_the_last_warning_is_found_in_what_a_job_wrote(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    before = "12:00:00 warning: of an earlier job\n"
    path.write_text(before)
    assert log.find_last_warning(path, 0) == "12:00:00 warning: of an earlier job"
    assert log.find_last_warning(path, len(before)) == ""
    with path.open("a") as stream:
        stream.write("a/b.py:12: UserWarning: odd\n12:00:02 the word warning: in passing\n")
    assert log.find_last_warning(path, len(before)) == "a/b.py:12: UserWarning: odd"
    assert log.find_last_warning(tmp_path / "none.log", 0) == ""


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "train.log"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert (log.find_last_error(path, 0), log.find_last_warning(path, 0)) == ("", "")
    for use in (
        lambda: log.find_tail_offset(path, 5),
        lambda: list(log.follow(path, 0, ended=lambda: True)),
        lambda: log.open_to_append(path),
    ):
        with pytest.raises(JobError, match=r"train\.log: it is a .*, not a file"):
            use()
