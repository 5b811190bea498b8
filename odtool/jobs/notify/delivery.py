"""Bringing a message to a URL or a command, a bounded number of times and in bounded time.

What a server answers is looked at for its number alone, and nothing of a message becomes a part of a command.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from odtool import __version__
from odtool.printable import show_line

PAUSES = (1.0, 5.0)
"""Seconds before each further attempt at a server that cannot be reached, or that fails."""
TIMEOUT = 10.0
"""Seconds without a byte after which an attempt has failed."""
COMMAND_TIMEOUT = 30.0
"""Seconds after which a command is killed."""
LONGEST = 60.0
"""Seconds in all, whatever happens: a server may send a byte now and then for ever."""
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""Answers that ask for another attempt, as all from 500 do."""


def explain_unusable(target: str) -> str:
    """Why nothing can be brought to `target`; '' where it is an http(s) URL, or a command that can be found."""
    return _explain_bad_url(target) if is_url(target) else _explain_bad_command(target)


def _explain_bad_command(target: str) -> str:
    words = target.split()
    if not words:
        return "names neither a URL nor a command"
    # A scheme that is none of ours is a mistake, and no command.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", words[0]):
        return f"'{show_line(words[0])}' is not an http or https address"
    # What is of the shell's own making, such as $HOME/tell or a loop, is left to the shell.
    is_plain = re.fullmatch(r"[\w./+-]+", words[0])
    return f"there is no command '{words[0]}'" if is_plain and shutil.which(words[0]) is None else ""


def _explain_bad_url(target: str) -> str:
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError as error:
        return f"is not a URL: {error}"
    if parts.username is not None:
        return "has a name or password in the URL, which cannot be sent so"
    if re.search(r"[^!-~]", target):
        return "is not a URL: it has spaces or characters that a URL writes as %20"
    return "is not a URL with a host" if not parts.hostname or port == 0 else ""


def is_url(target: str) -> bool:
    """Whether it is an address, and not a command."""
    return target.lower().startswith(("http://", "https://"))


def name(target: str) -> str:
    """What may be written down of a target: paths and queries of web hooks are secrets."""
    if not is_url(target):
        return f"'{show_line(target.split(maxsplit=1)[0])}'"
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def deliver(
    target: str, message: Mapping[str, Any], *, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Posts the message as JSON, or gives it to a command on stdin. Never raises for what the other side does.

    Args:
        target: what `explain_unusable` has nothing against.
        say: called with a line for each attempt that failed, and for success.

    Returns:
        Whether it has arrived.
    """
    content = json.dumps(message, allow_nan=False).encode() + b"\n"
    if not is_url(target):
        problem = _run(target, content)
        say(f"{name(target)} was not told: {problem}" if problem else f"told {name(target)}")
        return not problem
    for pause in (*PAUSES, None):
        problem, is_final = _post(target, content)
        if not problem:
            say(f"told {name(target)}")
            return True
        if is_final or pause is None:
            break
        say(f"{name(target)} was not told: {problem}; again in {pause:.0f} s")
        sleep(pause)
    say(f"{name(target)} was not told: {problem}; given up")
    return False


def limit_time() -> None:
    """Ends this process when everything has taken too long."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(LONGEST))


class _StayHere(urllib.request.HTTPRedirectHandler):
    """What a post is answered with another address for would arrive there without its content."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, content: bytes) -> tuple[str, bool]:
    """What went wrong, '' for nothing, and whether a further attempt is useless."""
    request = urllib.request.Request(
        url,
        data=content,
        method="POST",
        headers={"Content-Type": "application/json", "User-Agent": f"odtool/{__version__}"},
    )
    try:
        with urllib.request.build_opener(_StayHere).open(request, timeout=TIMEOUT):
            return "", True
    except urllib.error.HTTPError as error:
        error.close()
        words = show_line(" ".join(str(error.reason).split()))[:100]
        again = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _LATER
        return f"it answers {error.code} {words}".rstrip(), not again
    except urllib.error.URLError as error:
        return show_line(str(error.reason))[:200], False
    except TimeoutError:
        return f"no answer in {TIMEOUT:.0f} s", False
    except (OSError, http.client.HTTPException, ValueError) as error:
        return show_line(f"{type(error).__name__}: {error}")[:200], False


def _run(command: str, content: bytes) -> str:
    """What went wrong; '' for nothing."""
    try:
        process = subprocess.Popen(
            command,
            shell=True,  # it is the user's own line, and may be a pipeline; the message is no part of it
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that all of a pipeline can be killed
        )
    except OSError as error:
        return str(error)
    with process:
        try:
            _, errors = process.communicate(content, timeout=COMMAND_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"it ran longer than {COMMAND_TIMEOUT:.0f} s"
    lines = errors.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    cause = f": {show_line(last)[:200]}" if last else ""
    return f"exit code {process.returncode}{cause}" if process.returncode else ""
