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
    # What takes no room, with which two names look alike; but the joiners, without which some scripts are misspelt.
    r"|[\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    r"|[\ud800-\udbff]"  # of the surrogates, those that stand for no byte of a file's name
)
_OBEYED_BYTES = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]"
    rb"|(?<=[\x00-\x7f])[\x80-\x9f]"  # a control by itself, as it is no part of a character
    rb"|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xd8\x9c"  # which way text runs, and separators
)


def show(text: str) -> str:
    """The text with everything visible but ends of lines and tabs."""
    return _OBEYED.sub(lambda match: repr(match[0])[1:-1], text)


def show_line(text: str) -> str:
    """The text on one line: an end of a line in a name could forge another message."""
    return show(text).replace("\n", "\\n")


def show_log(block: bytes) -> bytes:
    """Lines of a log in whatever encoding; a return to a line's beginning stays, as progress bars are made of it."""
    return _OBEYED_BYTES.sub(lambda match: _show_bytes(match[0]), block)


def _show_bytes(data: bytes) -> bytes:
    """As `show` does where they are a character, else by their number."""
    return repr(data.decode("utf-8", "surrogateescape"))[1:-1].replace("\\udc", "\\x").encode()
