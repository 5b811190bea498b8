"""What is still missing for the next TensorFlow and the next Python, asked of the package index.

    .venv/bin/python scripts/next_tensorflow.py --tensorflow 2.22 --python 3.14

Prints a line for each package that odtool needs and that has no release for them, and exits with 1 where there is
one; --all prints every package. Nothing is downloaded. That all releases are there does not say that the Object
Detection API runs with them: the tests do.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IN_STEP = ("tensorflow", "tf-keras", "tensorboard")
"""Of these only the release of the same minor version fits: tf-keras requires it, TensorBoard's summaries follow it."""

API = ("tf-models-official", "tf-models-research-object-detection", "lvis")
"""Installed as they are, whatever they require; what they import is required by odtool itself (pyproject.toml)."""


@dataclass(frozen=True)
class Answer:
    """What the index has of one package for a Python: the newest version, or the reason why there is none."""

    package: str
    newest: str
    problem: str


def main() -> int:
    options = _options()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: _ask(name, options.tensorflow, options.python), sorted(_needed())))
    missing = [answer for answer in answers if answer.problem]
    for answer in answers if options.all else missing:
        print(f"{answer.package:<38}{answer.newest:<20}{answer.problem or 'fits'}")
    print(f"TensorFlow {options.tensorflow}, Python {options.python}: {len(missing)} of {len(answers)} are missing")
    return 1 if missing else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tensorflow", default="2.22", metavar="MINOR", help="such as 2.22 (the default)")
    parser.add_argument("--python", default="3.14", metavar="MINOR", help="such as 3.14 (the default)")
    parser.add_argument("--all", action="store_true", help="print the packages that fit, too")
    return parser.parse_args()


def _needed() -> set[str]:
    """Every package that odtool needs to run, found by following requirements through this environment."""
    needed: set[str] = set()
    waiting = ["odtool", *API]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        requirements = map(Requirement, [] if name in API else importlib.metadata.requires(name) or [])
        waiting += [
            canonicalize_name(requirement.name)
            for requirement in requirements
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return needed - {"odtool"}


def _ask(package: str, tensorflow: str, python: str) -> Answer:
    if package in IN_STEP:
        return _in_step(package, tensorflow, python)
    newest, *_ = *_versions(package, python), "none"
    if newest == "none":
        return Answer(package, newest, f"no release for Python {python}")
    if not _is_compiled(package):
        return Answer(package, newest, "")
    wheel, *_ = *_versions(package, python, "--only-binary", ":all:"), "none"
    return Answer(package, wheel, "" if wheel == newest else f"{newest} has no wheel for Python {python}")


def _in_step(package: str, tensorflow: str, python: str) -> Answer:
    versions = _versions(package, python, "--pre", "--only-binary", ":all:")
    fitting = [version for version in versions if version.startswith(f"{tensorflow}.")]
    if not fitting:
        return Answer(package, versions[0] if versions else "none", f"no {tensorflow} for Python {python}")
    final = next((version for version in fitting if re.fullmatch(r"[\d.]+", version)), "")
    return Answer(package, final or fitting[0], "" if final else "a release candidate and no release")


def _versions(package: str, python: str, *options: str) -> list[str]:
    """What the index has for a Python, newest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", package, "--python-version", python, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = re.search(r"^Available versions: (.*)$", done.stdout, flags=re.MULTILINE)
    if line is None and "No matching distribution" not in done.stderr:
        sys.exit(f"{package}: the package index could not be asked: {done.stderr.strip()}")
    return line[1].split(", ") if line else []


def _is_compiled(package: str) -> bool:
    """Whether what is installed here was built for one kind of machine; anything else runs on every Python."""
    wheel = importlib.metadata.distribution(package).read_text("WHEEL") or ""
    return "Root-Is-Purelib: false" in wheel


if __name__ == "__main__":
    sys.exit(main())
