"""Benchmark of `odtool prepare`, as ratios within one run: to the API's own loop, to `cp -r`, and of memory.

    python scripts/bench_prepare.py                    # 6,000 images, three rounds; `make bench` runs this
    python scripts/bench_prepare.py --images 600 --rounds 1

The set is Pascal VOC, made of the photographs of ../shared/data/raccoon, each copy with a number inside its JPEG so
that no two files are equal; where those are absent, of drawn ones. Everything is measured with a warm file cache: the
set has just been written. Each round runs every contestant once, one after the other, and medians are compared: of the
time by the clock, and of the processor time of all processes together, which other work on the machine disturbs less.

The API's script stops at its import with today's protobuf, whose message names one mend that TensorFlow allows, an
environment variable that has messages read in Python; that is the script as its user runs it. With odtool's own mend in
place of that, it is as fast as it can be, and its loop is what the steady state is compared with.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

RACCOONS = Path(__file__).parent.parent.parent / "shared" / "data" / "raccoon"
XML = """<annotation>
  <folder>VOC2007</folder><filename>{name}.jpg</filename>
  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>
  {objects}
</annotation>
"""
OBJECT = (
    "<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
    "<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
)
SCRIPT = "object_detection.dataset_tools.create_pascal_tf_record"
AS_TOLD = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
"""What protobuf's error message says to set."""
# The same script with odtool's mend of the messages, which is all that it needs.
MENDED = """
import sys, time
from odtool.pipeline.text import messages
messages.install()
from object_detection.dataset_tools import create_pascal_tf_record as script
script.FLAGS(["script", "--data_dir=" + sys.argv[1], "--year=VOC2007", "--set=train",
              "--output_path=" + sys.argv[2], "--label_map_path=" + sys.argv[3]])
started = time.perf_counter()
script.main(None)
print("loop", time.perf_counter() - started)
"""


def main() -> None:
    """Makes the sets, runs the contestants, prints the ratios."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--images", type=int, default=6000)
    options.add_argument(
        "--times", type=int, default=10, help="the larger set, for memory, has this many times the images"
    )
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    arguments = options.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="bench_prepare_", dir=arguments.folder) as name:
        work = Path(name)
        make_set(work / "small", arguments.images)
        make_set(work / "tenth", arguments.images // 10)
        make_set(work / "few", arguments.images, shrunk=True)
        make_set(work / "many", arguments.images * arguments.times, shrunk=True)
        compare(work, arguments.images, arguments.images * arguments.times, arguments.rounds)


def read_photographs() -> Iterator[tuple[bytes, str]]:
    """JPEG bytes and the text of the objects in them."""
    from lxml import etree

    if not RACCOONS.is_dir():
        yield from draw_images()
        return
    for file in sorted((RACCOONS / "annotations").glob("*.xml")):
        root = etree.parse(str(file)).getroot()
        image = RACCOONS / "images" / str(root.findtext("filename"))
        if image.is_file():
            objects = "\n  ".join(etree.tostring(item, encoding="unicode").strip() for item in root.iter("object"))
            yield image.read_bytes(), objects


def shrink(data: bytes) -> bytes:
    """The same photograph with poor quality, so that its size in pixels stays and boxes fit."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, "JPEG", quality=5)
    return stream.getvalue()


def draw_images() -> Iterator[tuple[bytes, str]]:
    """Noisy pictures of a photograph's size, where there are no photographs."""
    import io

    from PIL import Image

    for number in range(200):
        noise = Image.frombytes("RGB", (64, 48), random.Random(number).randbytes(64 * 48 * 3))
        stream = io.BytesIO()
        noise.resize((640, 480)).save(stream, "JPEG", quality=85)
        yield stream.getvalue(), OBJECT.format(label="thing", xmin=10, ymin=20, xmax=300, ymax=200)


def make_set(root: Path, count: int, *, shrunk: bool = False) -> None:
    """A VOC folder as the API's script wants it: VOC2007/{Annotations,JPEGImages,ImageSets/Main}.

    `shrunk` images take a tenth of the room on disk: for memory only their number counts.
    """
    import io

    from PIL import Image

    voc = root / "VOC2007"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (voc / folder).mkdir(parents=True)
    pictures = [(shrink(data) if shrunk else data, objects) for data, objects in read_photographs()]
    sizes = [Image.open(io.BytesIO(data)).size for data, _ in pictures]
    for number in range(count):
        data, objects = pictures[number % len(pictures)]
        width, height = sizes[number % len(pictures)]
        name = f"{number:06d}"
        # A comment segment behind the start mark makes each file's bytes its own.
        (voc / "JPEGImages" / f"{name}.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x08" + name.encode() + data[2:])
        text = XML.format(name=name, width=width, height=height, objects=objects)
        (voc / "Annotations" / f"{name}.xml").write_text(text)
    # The script reads its list of images from the class 'aeroplane'.
    names = "".join(f"{number:06d} 1\n" for number in range(count))
    (voc / "ImageSets/Main/aeroplane_train.txt").write_text(names)
    label = "raccoon" if RACCOONS.is_dir() else "thing"
    (root / "label_map.pbtxt").write_text(f"item {{\n  id: 1\n  name: '{label}'\n}}\n")


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    processor: float
    """Seconds of the processors, in and out of the kernel, by it and all that it started."""


def compare(work: Path, count: int, larger: int, rounds: int) -> None:
    """Runs everything and prints the ratios."""
    small = work / "small"
    size = sum(file.stat().st_size for file in (small / "VOC2007/JPEGImages").iterdir())
    print(f"{count:,} images, {size / 1e6:,.0f} MB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, warm cache")
    os.sync()
    costs: dict[str, list[Cost]] = {}
    loops: list[float] = []
    for _ in range(rounds):
        one_round(work, costs, loops)
    clock = {name: statistics.median(cost.seconds for cost in of_name) for name, of_name in costs.items()}
    work_done = {name: statistics.median(cost.processor for cost in of_name) for name, of_name in costs.items()}
    for name, seconds in clock.items():
        print(f"{name}: {seconds:.2f} s, of the processors {work_done[name]:.2f} s")
    for name in ("API as told", "API mended"):
        ratio, cheaper = clock[name] / clock["odtool"], work_done[name] / work_done["odtool"]
        report(f"whole command against the {name}", ratio, f"at least 8; of processor time {cheaper:.2f}")
    # Starting takes the same time for both sets.
    ours = (count - count // 10) / (clock["odtool"] - clock["odtool, a tenth"])
    cost = (work_done["odtool"] - work_done["odtool, a tenth"]) / (count - count // 10)
    theirs = count / statistics.median(loops)
    print(
        f"images a second: odtool {ours:,.0f} ({cost * 1e6:,.0f} us of a processor each), the API's loop {theirs:,.0f}"
    )
    report("steady state against the loop of the API mended", ours / theirs, "at least 3")
    report("time against cp -r of the images", clock["odtool"] / clock["cp -r"], "at most 3")
    few, many = (statistics.median(measure_peak(work, name) for _ in range(rounds)) for name in ("few", "many"))
    report(f"peak memory of {larger:,} images against {count:,}", many / few, "at most 1.2")
    print(f"peak memory {few / 1e6:,.0f} MB and {many / 1e6:,.0f} MB, all processes together")


def report(what: str, ratio: float, goal: str) -> None:
    print(f"{what}: {ratio:.2f} times (goal {goal})")


def prepare(folder: Path, out: Path) -> list[str]:
    odtool = [sys.executable, "-m", "odtool", "prepare", "--format", "voc", "--json"]
    return [*odtool, "--out", str(out), str(folder / "VOC2007")]


def one_round(work: Path, costs: dict[str, list[Cost]], loops: list[float]) -> None:
    """Runs each contestant once and adds what it took; of the API's loop the seconds by its own clock."""
    small, out, record = work / "small", work / "out", work / "api.record"
    paths = [str(small), str(record), str(small / "label_map.pbtxt")]
    flags = ["--data_dir", "--output_path", "--label_map_path"]
    script_arguments = [f"{flag}={path}" for flag, path in zip(flags, paths, strict=True)]
    contestants = {
        "odtool": (prepare(small, out), {}),
        "API as told": ([sys.executable, "-m", SCRIPT, "--year=VOC2007", "--set=train", *script_arguments], AS_TOLD),
        "odtool, a tenth": (prepare(work / "tenth", out), {}),
        "API mended": ([sys.executable, "-c", MENDED, *paths], {}),
        "cp -r": (["cp", "-r", str(small / "VOC2007/JPEGImages"), str(work / "copy")], {}),
    }
    for name, (command, environment) in contestants.items():
        cost, output = run_timed(command, environment)
        costs.setdefault(name, []).append(cost)
        if name == "API mended":
            loops.append(float(output.split("loop ")[1]))
        record.unlink(missing_ok=True)
        for folder in (out, work / "copy"):
            shutil.rmtree(folder, ignore_errors=True)
        os.sync()


def run_timed(command: list[str], environment: dict[str, str]) -> tuple[Cost, str]:
    """Runs a command until all that it started has ended: what it took, and what it printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[:4]} failed:\n{process.stderr[-2000:]}")
    try:
        while True:
            os.wait()  # for orphans, which are ours by adopt_orphans
    except ChildProcessError:
        pass  # none is left
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), process.stdout


def adopt_orphans() -> None:
    """What commands leave running becomes our child, so that its processor time is counted."""
    set_child_subreaper = 36  # linux/prctl.h
    if ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def measure_peak(work: Path, name: str) -> int:
    """Peak resident bytes of prepare and its descendants over one of the sets."""
    process = subprocess.Popen(prepare(work / name, work / "out"), stdout=subprocess.DEVNULL)
    root, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        most = max(most, measure_resident(root))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit("odtool prepare failed")
    shutil.rmtree(work / "out")
    return most


def measure_resident(root: psutil.Process) -> int:
    """Resident bytes of a process and its descendants."""
    total = 0
    try:
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between being listed and being asked
    return total


if __name__ == "__main__":
    main()
