"""Text from outside as a terminal may be given it: what would be obeyed there is shown instead, as repr shows it.

Class names, file names, configs, logs and servers' answers may hold anything. An escape code in them could move the
cursor, hide or forge lines, set the window's title, or have some terminals answer as if somebody typed.
"""

from __future__ import annotations

import re

_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # controls; a line's end and a tab are dealt with apart
    r"|[\u2028\u2029]"  # line and paragraph separators
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # which way text runs: with them a name reads as another
    r"|[\ud800-\udbff]"  # of the surrogates, those that stand for no byte of a file's name
)
_OBEYED_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")


def show(text: str) -> str:
    """The text with everything visible but ends of lines and tabs."""
    return _OBEYED.sub(lambda match: repr(match[0])[1:-1], text)


def show_line(text: str) -> str:
    """The text on one line: an end of a line in a name could forge another message."""
    return show(text).replace("\n", "\\n")


def show_log(block: bytes) -> bytes:
    """Lines of a log in whatever encoding; a return to a line's beginning stays, as progress bars are made of it."""
    return _OBEYED_BYTES.sub(lambda match: b"".join(b"\\x%02x" % byte for byte in match[0][-1:]), block)
