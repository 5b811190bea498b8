"""Mutates small annotation files of every format and reads them: never anything but images, problems or a DataError.

    python scripts/fuzz_readers.py                          # ten thousand mutations, some minutes
    python scripts/fuzz_readers.py --count 500 --seed 3 --format coco

Each mutation is read as `odtool prepare` reads it, up to the checks of boxes. What raises anything else is printed with
its seed and traceback and kept in a folder; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from further_samples import Files, make_picture
from reader_samples import make_samples

from odtool.dataset.readers.registry import READERS
from odtool.dataset.records import spool
from odtool.dataset.survey.conventions.interpretation import Interpretation, read_until_settled
from odtool.dataset.survey.examination import PassSettings
from odtool.dataset.survey.first_pass import SourceReading, Survey, survey
from odtool.dataset.types import Source
from odtool.dataset.workers import LocalCrew
from odtool.errors import DataError

COLUMNS = {"csv": (("file", "image_id"), ("class", "source"), ("xywh", "bbox"))}
"""Columns that --columns names, by format."""
MOST_MEMORY = 4 << 30
"""Bytes. A mutation that makes a reader ask for more is a fault, told as MemoryError."""

TEXTS = (
    *("nan", "inf", "-1", "0", "1e308", "99999999999999999999999", "", "null", "true", "[]", "{}", '""', "\0"),
    *("../../etc/passwd", "/etc/passwd", "a" * 5000, "<a>", "</a>", "&x;", '"', ",", "\n", "\r", ";", "é"),
    *("\u2028", "\ud800", "0x10", "1_0", "{", "}", "[", ":", "- ", "!!python/name:os"),
)
WORDS = (b"\xff\xfe", *(text.encode("utf-8", "surrogatepass") for text in TEXTS))
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e308, float("nan"), float("inf"), 10**30),
    *("", "nan", "../x.jpg", "a" * 999, "\ud800", "\0"),
    *([], {}, [[]], [None], [1, 2], {"x": 1}, [1, 2, 3, 4], [[1, 2], [3, 4]]),
)


def mutate(files: Files, chance: random.Random) -> Files:
    """The files with one to three changes."""
    changed_files = dict(files)
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = chance.choice(list(changed_files))
        changed_files[name] = chance.choice(MUTATIONS)(changed_files[name], chance)
    return changed_files


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """A stretch removed, replaced, doubled or written over."""
    start = chance.randrange(len(data) + 1)
    end = min(start + chance.choice((1, 1, 4, 16, 1000)), len(data))
    return chance.choice(
        (
            data[:start] + data[end:],
            data[:start] + chance.choice(WORDS) + data[end:],
            data[:start] + chance.choice(WORDS) + data[start:],
            data[:end] + data[start:],
            data[:start] + chance.randbytes(end - start) + data[end:],
            data[:start],
        )
    )


def mutate_tokens(data: bytes, chance: random.Random) -> bytes:
    """A number or a word replaced by one that is awkward."""
    import re

    tokens = list(re.finditer(rb"[-\w.]+", data))
    if not tokens:
        return data
    match = chance.choice(tokens)
    return data[: match.start()] + chance.choice(WORDS) + data[match.end() :]


def mutate_lines(data: bytes, chance: random.Random) -> bytes:
    """Lines removed, doubled or in another order."""
    lines = data.split(b"\n")
    number = chance.randrange(len(lines))
    kind = chance.randrange(3)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(number, chance.choice(lines))
    else:
        chance.shuffle(lines)
    return b"\n".join(lines)


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """A value of a JSON document or of one of its lines replaced or removed; other documents get another mutation."""
    try:
        document = json.loads(data)
    except ValueError:
        lines = data.split(b"\n")
        number = chance.randrange(len(lines))
        if len(lines) < 2 or not lines[number].startswith(b"{"):
            return mutate_tokens(data, chance)
        lines[number] = mutate_json(lines[number], chance)
        return b"\n".join(lines)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in pairs:
            places.append((value, key))
            collect(inner)

    collect(document)
    if not places or chance.random() < 0.02:
        return json.dumps(chance.choice(VALUES)).encode()
    holder, key = chance.choice(places)
    if chance.random() < 0.3:
        del holder[key]
    else:
        holder[key] = chance.choice(VALUES)
    return json.dumps(document).encode()


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    mutate_bytes,
    mutate_tokens,
    mutate_lines,
    mutate_json,
    mutate_json,
)


def write_source(root: Path, files: Files, images: tuple[str, ...], data: bytes) -> None:
    for name, content in (*files.items(), *((name, data) for name in images)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def make_source(root: Path, name: str, *, masks: bool) -> Source:
    """A sample's folder with what its format is to be told."""
    return Source(root, masks=masks, columns=COLUMNS.get(name, ()))


def read_source(root: Path, name: str, scratch: Path) -> str:
    """What reading gives: 'images', 'problems' or 'error'; anything else is raised."""
    for reader in READERS.values():
        reader.detect(root)
    source = make_source(root, name, masks=READERS[name].masks)

    def read(interpretation: Interpretation) -> Survey:
        reading = SourceReading(source, READERS[name].read(source))
        with spool.create_spool(scratch) as writer:
            return survey([reading], writer, LocalCrew(1), PassSettings(interpretation=interpretation))

    try:
        result = read_until_settled(read)
    except DataError as error:
        if "\n" in error.message:
            raise AssertionError(f"an error of several lines: {error.message!r}") from error
        return "error"
    return "problems" if result.problems or not len(result.index) else "images"


def main() -> None:
    """Runs the mutations and prints counts by format and outcome."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--format", choices=sorted(READERS), help="only this one")
    options.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="where failures are kept")
    arguments = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    available = make_samples()
    if missing := set(READERS) - set(available):
        raise SystemExit(f"no sample for {', '.join(sorted(missing))}")
    formats = [arguments.format] if arguments.format else list(available)
    counts = {name: Counter[str]() for name in formats}
    data = make_picture()
    with tempfile.TemporaryDirectory(prefix="fuzz_readers_") as folder:
        for number in range(arguments.count + len(formats)):
            # The first of each format is left as it is, to see that the sample is one.
            name, is_original = formats[number % len(formats)], number < len(formats)
            files, images = available[name]
            root = Path(folder) / "source"
            write_source(
                root, files if is_original else mutate(files, random.Random(f"{arguments.seed} {number}")), images, data
            )
            try:
                result = read_source(root, name, Path(folder) / "spool")
                if is_original and result == "error":
                    raise AssertionError("the sample itself is refused")
            except Exception:
                result = "FAILED"
                print(f"--- {name}, number {number} of seed {arguments.seed}")
                traceback.print_exc(limit=-4, file=sys.stdout)
                shutil.copytree(root, arguments.keep / f"{name}-{arguments.seed}-{number}", dirs_exist_ok=True)
            counts[name][result] += not is_original
            shutil.rmtree(root)
    report(counts)


def report(counts: dict[str, Counter[str]]) -> None:
    """Prints a line a format; exits with 1 where anything failed."""
    kinds = ("images", "problems", "error", "FAILED")
    print(f"{'':16}" + "".join(f"{kind:>10}" for kind in kinds))
    for name, outcomes in counts.items():
        print(f"{name:16}" + "".join(f"{outcomes[kind]:10,}" for kind in kinds))
    failed = sum(outcomes["FAILED"] for outcomes in counts.values())
    print(f"{sum(map(Counter.total, counts.values())):,} mutations, {failed} failed")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
