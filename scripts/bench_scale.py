"""Benchmark of `odtool prepare` by number of images and by engine: of the command itself and of all.

    python scripts/bench_scale.py                            # 1,500 to 24,000 images, local workers, Beam and Dask
    python scripts/bench_scale.py --images 24000 100000 --engines local
    python scripts/bench_scale.py --simulate 10000000        # what is planned for as many, without their files

An engine takes the work for each image off the command. What the command still takes for each, and what it holds of
each in memory, is what bounds the size of a set: both are told from the two largest sets. The images are drawn and
tiny, so that the work for each is the least that there is, and every engine has to come to the same bytes.

`--simulate` makes the index of so many images, looks for identical ones, splits it and plans its shards, in this
process: what happens between the two passes, for which the whole set is in memory.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench_prepare import OBJECT, XML, adopt_orphans, measure_resident

ENGINES = {
    "local": ["--workers", "2"],
    "beam": ["--beam", "--runner=DirectRunner"],
    "dask": ["--beam", "--runner=dask", "--workers", "2"],
}
COLUMNS = "images   engine  seconds  processor  of the command  MB of the command  MB of all"


def main() -> None:
    """Makes the sets, prepares each on each engine, prints a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--images", type=int, nargs="+", default=[1500, 6000, 24000])
    options.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    options.add_argument("--simulate", type=int, help="only this: plan a set of so many images that are not there")
    options.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    arguments = options.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if arguments.simulate:
        simulate(arguments.simulate)
        return
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="bench_scale_", dir=arguments.folder) as name:
        compare(Path(name), sorted(arguments.images), arguments.engines)


@dataclass(frozen=True)
class Usage:
    """What a command took."""

    seconds: float
    processor: float
    """Seconds of the processors, by it and all that it started."""
    own_processor: float
    """The same by the command's own process."""
    own_peak: int
    """Resident bytes of the command's own process."""
    peak: int
    """Of it and all that it started."""
    digest: str
    """Of all records."""


def compare(work: Path, counts: list[int], engines: list[str]) -> None:
    print(COLUMNS)
    usages: dict[tuple[str, int], Usage] = {}
    for count in counts:
        make_set(work / "set", count)
        for engine in engines:
            usage = usages[engine, count] = prepare(work, ENGINES[engine])
            print(
                f"{count:7,}  {engine:6} {usage.seconds:8.1f} {usage.processor:10.1f} {usage.own_processor:15.1f} "
                f"{usage.own_peak / 1e6:18,.0f} {usage.peak / 1e6:10,.0f}",
                flush=True,
            )
        if len({usages[engine, count].digest for engine in engines}) != 1:
            raise SystemExit("the engines came to different records")
        shutil.rmtree(work / "set")
    for engine in engines if len(counts) > 1 else ():
        less, more = usages[engine, counts[-2]], usages[engine, counts[-1]]
        added = counts[-1] - counts[-2]
        print(
            f"{engine}: each further image takes {(more.processor - less.processor) / added * 1e6:,.0f} us of the "
            f"processors, {(more.own_processor - less.own_processor) / added * 1e6:,.0f} us of them in the command, "
            f"which holds {(more.own_peak - less.own_peak) / added:,.0f} bytes of it"
        )


def make_set(root: Path, count: int) -> None:
    """A VOC folder of tiny images, each with a number in its JPEG that makes its bytes its own."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG")
    data = stream.getvalue()
    for number in range(count):
        folder = root / f"part{number // 10_000:04d}"
        if number % 10_000 == 0:
            for name in ("Annotations", "JPEGImages"):
                (folder / name).mkdir(parents=True)
        name = f"{number:08d}"
        (folder / "JPEGImages" / f"{name}.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x0a" + name.encode() + data[2:])
        objects = OBJECT.format(label=f"class{number % 80}", xmin=5, ymin=5, xmax=40, ymax=30)
        text = XML.format(name=name, width=64, height=48, objects=objects)
        (folder / "Annotations" / f"{name}.xml").write_text(text)


def prepare(work: Path, words: list[str]) -> Usage:
    """Prepares the set until all that was started for it has ended, looking at it meanwhile."""
    out = work / "out"
    command = [sys.executable, "-m", "odtool", "prepare", "--json", "--test", "0.1", str(work / "set")]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(work / "log", "w+") as log:
        process = subprocess.Popen([*command, "--out", str(out), *words], stdout=log, stderr=log)
        root, own_processor, own_peak, peak = psutil.Process(process.pid), 0.0, 0, 0
        while process.poll() is None:
            try:
                times, resident = root.cpu_times(), root.memory_info().rss
            except psutil.NoSuchProcess:
                break
            own_processor, own_peak = max(own_processor, times.user + times.system), max(own_peak, resident)
            peak = max(peak, measure_resident(root))
            time.sleep(0.05)
        process.wait()
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"odtool prepare {' '.join(words)} failed:\n{log.read()[-3000:]}")
    seconds = time.perf_counter() - started
    try:
        while True:
            os.wait()  # for orphans, which are ours by adopt_orphans
    except ChildProcessError:
        pass  # none is left
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    digest = hashlib.sha256()
    for shard in sorted(out.glob("*.tfrecord")):
        digest.update(shard.name.encode() + shard.read_bytes())
    shutil.rmtree(out)
    return Usage(seconds, processor, own_processor, own_peak, peak, digest.hexdigest())


def simulate(count: int) -> None:
    """Prints what each step between the passes takes."""
    from odtool.dataset import splits
    from odtool.dataset.records import shards
    from odtool.dataset.sets import set_plans
    from odtool.dataset.sets.set_plans import SetPlan, SplitSettings
    from odtool.dataset.survey import duplicates
    from odtool.dataset.workers import LocalCrew
    from odtool.workspace import Dataset

    nowhere = Path("nowhere")
    index = measure("the index", count, lambda: make_index(count))
    measure(
        "identical images",
        count,
        lambda: duplicates.find_identical(index.fingerprints, nowhere, index.extent, LocalCrew(1)),
    )

    def split() -> SetPlan:
        declared = index.list_declared_splits()
        groups = splits.join_groups(index.groups, ())
        return set_plans.plan_sets(index, declared, groups, SplitSettings(0.1, 0.1, 0, None, None, None))[0]

    plan = measure("splits", count, split)
    classes = {name: number for number, name in enumerate(sorted(index.names), start=1)}
    sets = [(Dataset(nowhere), plan.splits)]
    layout = measure(
        "shards", count, lambda: shards.plan_shards(index, sets, nowhere, classes, shard_count=None, masks=False)
    )
    print(f"{layout.records:,} records in {len(layout.plans):,} shards")


def make_index(count: int):  # type: ignore[no-untyped-def]
    """That of a set with 80 classes and two of them in each image."""
    from odtool.dataset.records.spool import Index

    def draw() -> array[int]:
        return array("Q", os.urandom(8 * count))

    keys = draw()
    return Index(
        offsets=array("Q", range(0, 400 * count, 400)),
        lengths=array("L", itertools.repeat(400, count)),
        keys=keys,
        splits=array("b", itertools.repeat(-1, count)),
        bytes=array("Q", itertools.repeat(150_000, count)),
        groups=array("Q", keys),
        fingerprints=draw(),
        names={f"class{number}": number for number in range(80)},
        labels=array("I", (number % 80 for number in range(2 * count))),
        ends=array("Q", range(0, 2 * count + 1, 2)),
    )


def measure(what: str, count: int, work: Callable[[], object]):  # type: ignore[no-untyped-def]
    """Does the work and prints what it took: of memory the peak so far of the whole process."""
    started = time.process_time()
    result = work()
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(
        f"{what}: {seconds:,.1f} s of a processor; {peak / 1e6:,.0f} MB, {peak / count:,.0f} bytes an image", flush=True
    )
    return result


if __name__ == "__main__":
    main()
