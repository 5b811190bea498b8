"""What Beam logs of itself is kept from the user, and nothing else."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import logging
from odtool.dataset.engines.beam_options import parse_beam_options
parse_beam_options("--runner=dask")
logging.getLogger().warning("something else")
logging.getLogger("apache_beam.runners").warning("a word of Beam")
"""


def test_importing_beam_says_nothing_and_later_words_are_heard() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line.rpartition(":")[2] for line in lines] == ["something else", "a word of Beam"]
