"""What a terminal would obey is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\rb"),
        ("a\x08b\x00\x7f", "a\\x08b\\x00\\x7f"),
        ("photo\u202egpj.exe", "photo\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("Zürich 猫 🐈\N{ZERO WIDTH JOINER}⬛ \N{ARABIC LETTER MEEM}\N{ZERO WIDTH NON-JOINER}", None),
        ("cat\u200b\ufeff\u00ad\u2060", "cat\\u200b\\ufeff\\xad\\u2060"),
        ("file\udcff", None),  # a byte of a file's name, which the stream shows
        ("tab\tand\nline", None),
    ],
)
def test_controls_are_shown_and_the_rest_stays(text: str, shown: str | None) -> None:
    assert printable.show(text) == (text if shown is None else shown)


def test_a_line_stays_one(tmp_path: object) -> None:
    assert printable.show_line("cat\nerror: forged\r\n") == "cat\\nerror: forged\\r\\n"


@given(st.text())
def test_nothing_that_is_obeyed_is_left(text: str) -> None:
    shown = printable.show_line(text)
    assert not any((ord(letter) < 32 and letter != "\t") or 127 <= ord(letter) < 160 for letter in shown)
    assert printable.show_line(shown) == shown


def test_a_log_in_any_encoding_is_shown(tmp_path: object) -> None:
    block = "Zürich\n".encode("latin-1") + b"\x1b[2J\r50%\tdone\x00" + "\x9bm é\n".encode()
    assert printable.show_log(block) == b"Z\xfcrich\n\\x1b[2J\r50%\tdone\\x00\\x9bm \xc3\xa9\n"


def test_a_log_shows_what_turns_text_around_and_bare_controls() -> None:
    block = "name\u202egpj \u2066x \u061c \u2028\u0085".encode() + b" \x9b31m" + "é鰛".encode()
    assert printable.show_log(block) == (b"name\\u202egpj \\u2066x \\u061c \\u2028\\x85 \\x9b31m" + "é鰛".encode())
