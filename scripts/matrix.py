"""Tries odtool on every Python with every TensorFlow, and prints a table; `make matrix` runs it.

    python scripts/matrix.py [--cells 3.13x2.21,3.10x2.20] [--work build/matrix] [--table]

Needs uv, which finds the Pythons on this machine or fetches them. A cell is an environment of its own:
requirements.lock, with the packages of another TensorFlow in place of the lock's where the cell has another; odtool's
wheel; then `odtool doctor`, `odtool demo`, `odtool export` of what the demo trained, and a list of tests. Everything
that a cell's commands print is in its log. Cells that passed with the same code and lock are not run again, so that an
interrupted matrix goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
TENSORFLOWS = ("2.20", "2.21")
FAMILY = ("tensorflow", "tf-keras", "tensorboard", "tensorflow-text")
"""Packages that are released for one TensorFlow each, under its number."""
TESTS = (
    "tests/test_rooms.py",
    "tests/dataset/test_prepare.py",
    "tests/pipeline/text/test_messages.py",
    "tests/pipeline/zoo/test_zoo.py",
    "tests/engine/test_compat.py",
    "tests/engine/input/test_transforms.py",
    "tests/engine/export/test_write_tflite_metadata.py",
)
"""What a newer Python or TensorFlow breaks first: messages, mends and the input pipeline."""
_EXPORT = ("--format", "savedmodel,tflite,onnx", "--tflite", "float32,int8", "--verify-images", "30")
"""What is made of the demo's detector; export runs each file and compares it with the checkpoint."""
_STEP_LIMIT = 3600
"""Seconds after which a step counts as hung; the longest, the demo, takes minutes."""
_ERROR = re.compile(
    r"^\s*(E\s|\N{MULTIPLICATION SIGN}|error\b|FAILED\b|ERROR\b|[\w.]*(Error|Exception|Interrupt)\b)", re.IGNORECASE
)


@dataclass(frozen=True)
class Result:
    """What came of a cell, as its result.json holds it."""

    key: str
    """Of the code and the lock that were tried."""
    versions: str = ""
    demo_map: float | None = None
    demo_seconds: float | None = None
    tests: str = ""
    failed_step: str = ""
    error: str = ""


class StepError(Exception):
    """A step of a cell failed."""

    def __init__(self, step: str, error: str) -> None:
        super().__init__(f"{step}: {error}")
        self.step, self.error = step, error


@dataclass(frozen=True)
class Cell:
    """One Python with one TensorFlow."""

    python: str
    tensorflow: str
    work: Path

    @property
    def folder(self) -> Path:
        return self.work / f"{self.python}x{self.tensorflow}"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    def read(self) -> Result | None:
        """The last result, or None where the cell never ended."""
        try:
            return Result(**json.loads((self.folder / "result.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, result: Result) -> None:
        """Keeps a result for later tables."""
        (self.folder / "result.json").write_text(json.dumps(asdict(result), indent=2) + "\n")

    def step(self, name: str, command: Sequence[object], *, cwd: Path = ROOT) -> str:
        """Runs a command with its output in the log, and gives what it printed on stdout.

        Raises:
            StepError: it failed.
        """
        words = [str(word) for word in command]
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        output = self.folder / "output.txt"
        with output.open("w+") as stdout, self.log.open("a+") as log:
            print(f"\n== {name}: {' '.join(words)}", file=log, flush=True)
            start = log.seek(0, os.SEEK_END)
            try:
                code: int | str = subprocess.run(
                    words, cwd=cwd, stdout=stdout, stderr=log, stdin=subprocess.DEVNULL, timeout=_STEP_LIMIT,
                    env={**environment, "UV_NO_CONFIG": "1"}, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                code = f"none within {_STEP_LIMIT} s"
            printed = output.read_text(errors="replace")
            log.write(printed)
            log.flush()
            log.seek(start)
            text = log.read()
            print(f"== exit code {code}", file=log)
        if code != 0:
            raise StepError(name, first_error(text) or f"exit code {code}")
        return printed


def first_error(text: str) -> str:
    """The first line of a step's output that looks like an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if _ERROR.match(line)), lines[-1] if lines else "")


def run(cell: Cell, wheel: Path, key: str) -> Result:
    """Tries one cell, from nothing."""
    shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True)
    result = Result(key)
    try:
        install(cell, wheel)
        result = replace(result, versions=versions(cell))
        cell.step("doctor", [cell.bin / "odtool", "doctor"], cwd=cell.folder)
        began = time.monotonic()
        answer = json.loads(cell.step("demo", [cell.bin / "odtool", "demo", "demo", "--json"], cwd=cell.folder))
        best = answer["eval"]["best"]["value"]
        result = replace(result, demo_map=best, demo_seconds=time.monotonic() - began)
        cell.step("export", [cell.bin / "odtool", "export", "--workspace", "demo", *_EXPORT], cwd=cell.folder)
        printed = cell.step("tests", [cell.bin / "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *TESTS])
        result = replace(result, tests=re.sub(r" in [\d.]+s.*", "", printed.strip().splitlines()[-1].strip("= ")))
    except StepError as failed:
        return replace(result, failed_step=failed.step, error=failed.error)
    shutil.rmtree(cell.folder / "venv")  # gigabytes; of a cell that failed it stays, to be looked into
    return result


def install(cell: Cell, wheel: Path) -> None:
    """Makes the cell's environment.

    Raises:
        StepError: there is no such Python, or a package has no release for it.
    """
    into = ["--python", cell.bin / "python"]
    lock = (ROOT / "requirements.lock").read_text()
    cell.step("venv", ["uv", "venv", "--python", cell.python, cell.folder / "venv"])
    cell.step("lock", ["uv", "pip", "install", *into, "--no-deps", "--require-hashes", "-r", "requirements.lock"])
    if cell.tensorflow != locked_tensorflow(lock):
        constraints = cell.folder / "constraints.txt"
        constraints.write_text("\n".join(pins_beside_tensorflow(lock)) + "\n")
        family = [f"{name}=={cell.tensorflow}.*" for name in FAMILY if f"\n{name}==" in lock]
        cell.step("tensorflow", ["uv", "pip", "install", *into, "--constraints", constraints, *family])
    cell.step("wheel", ["uv", "pip", "install", *into, "--no-deps", wheel])


def locked_tensorflow(lock: str) -> str:
    """The TensorFlow that a lock holds, as 2.21."""
    (number,) = set(re.findall(r"^tensorflow==(\d+\.\d+)\.", lock, re.MULTILINE))
    return str(number)


def pins_beside_tensorflow(lock: str) -> list[str]:
    """The requirements of a lock without hashes, and without what is released with TensorFlow."""
    lines = [line.removesuffix("\\").strip() for line in lock.splitlines() if re.match(r"[\w.-]+(\[.*\])?==", line)]
    return [re.sub(r"\[.*?\]", "", line) for line in lines if re.split(r"[\[=]", line)[0] not in FAMILY]


def versions(cell: Cell) -> str:
    """Python, and the packages that decide about what works."""
    names = ("tensorflow", "tf-keras", "tf-models-official", "keras", "protobuf", "numpy")
    code = (
        "import platform; from importlib.metadata import version; "
        f"print('Python', platform.python_version(), *(f', {{name}} {{version(name)}}' for name in {names}), sep=' ')"
    )
    return cell.step("versions", [cell.bin / "python", "-c", code]).strip().replace(" ,", ",")


def table(cells: Sequence[Cell], key: str) -> str:
    """A Markdown table of the cells' last results."""
    head = ("Python", "TensorFlow", "demo, mAP@[.5:.95]", "demo takes", "tests", "result")
    rows = [head, ("---",) * len(head), *(row(cell, key) for cell in cells)]
    return "\n".join(f"| {' | '.join(fields)} |" for fields in rows)


def row(cell: Cell, key: str) -> tuple[str, ...]:
    """A cell's line of the table."""
    result = cell.read()
    if result is None:
        return (cell.python, cell.tensorflow, "", "", "", "not run")
    demo = ("", "")
    if result.demo_map is not None and result.demo_seconds is not None:
        demo = (f"{result.demo_map:.3f}", f"{result.demo_seconds:.0f} s")
    outcome = "passed"
    if result.failed_step:
        error = result.error.replace("|", "\\|")
        outcome = f"{result.failed_step} failed: `{error}`, {os.path.relpath(cell.log, ROOT)}"
    if result.key != key:
        outcome += " (of an earlier state)"
    exact = dict(re.findall(r"(\S+) (\d[\w.]*)", result.versions))
    return (
        exact.get("Python", cell.python), exact.get("tensorflow", cell.tensorflow), *demo, result.tests, outcome,
    )  # fmt: skip


def heading() -> str:
    """When, where and what was tried."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{datetime.datetime.now(datetime.timezone.utc).date()}, {machine}, commit {commit or 'unknown'}"


def build(folder: Path) -> Path:
    """odtool's wheel, built from this checkout."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the wheel could not be built: {first_error(done.stdout + done.stderr)}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def digest(wheel: Path) -> str:
    """Changes when the code or the lock does, and not with the README, which a wheel's metadata hold."""
    code = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(name for name in archive.namelist() if ".dist-info/" not in name):
            code.update(name.encode() + archive.read(name))
    return code.hexdigest()[:16]


def chosen(text: str, work: Path) -> list[Cell]:
    """Cells as the command line names them, or all."""
    names = text.split(",") if text else [f"{python}x{number}" for python in PYTHONS for number in TENSORFLOWS]
    pairs = [name.strip().split("x") for name in names]
    if wrong := [name for name, pair in zip(names, pairs, strict=True) if not is_cell(pair)]:
        sys.exit(f"{wrong[0]!r} is not a cell; write PYTHONxTENSORFLOW, such as 3.13x2.21")
    return [Cell(python, number, work) for python, number in pairs]


def is_cell(pair: Sequence[str]) -> bool:
    """Whether these are two numbers with one dot each."""
    return len(pair) == 2 and all(re.fullmatch(r"\d+\.\d+", number) for number in pair)


def main() -> None:
    """Runs what has not passed yet, and prints the table; exits with 1 where a cell failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="", help="run these, in this order; by default all")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "matrix", help="where environments and logs lie")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    if shutil.which("uv") is None:
        sys.exit(
            "uv is not installed, and the matrix needs it: https://docs.astral.sh/uv/getting-started/installation/"
        )
    work = options.work.resolve()
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        key = digest(wheel)
        for cell in [] if options.table else chosen(options.cells, work):
            last = cell.read()
            if last is None or last.key != key or last.failed_step:
                print(f"{cell.python}x{cell.tensorflow}: {cell.log}", file=sys.stderr, flush=True)
                cell.write(run(cell, wheel, key))
    every = chosen("", work)
    print(f"{heading()}\n\n{table(every, key)}")
    results = [cell.read() for cell in every]
    if any(result is not None and result.failed_step for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
