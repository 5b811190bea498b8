"""Benchmark of `odtool prepare`, as ratios within one run: to the API's own loop, to `cp -r`, and of memory.

    python scripts/bench_prepare.py                    # 6,000 images, three rounds; `make bench` runs this
    python scripts/bench_prepare.py --images 600 --rounds 1

The set is Pascal VOC, made of the photographs of ../shared/data/raccoon, each copy with a number inside its JPEG so
that no two files are equal; where those are absent, of drawn ones. Everything is measured with a warm file cache: the
set has just been written. Each round runs every contestant once, one after the other, and medians are compared.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
# What the API's script does when it is run, with its own imports only. Of compat's mends it needs two.
API = """
import sys, time
from odtool.engine import compat
compat._set_environment()
import tensorflow
compat._mend_protobuf()
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
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_prepare_", dir=asked.folder) as name:
        work = Path(name)
        make_set(work / "small", asked.images)
        make_set(work / "tenth", asked.images // 10)
        make_set(work / "few", asked.images, shrunk=True)
        make_set(work / "many", asked.images * asked.times, shrunk=True)
        compare(work, asked.images, asked.images * asked.times, asked.rounds)


def photographs() -> Iterator[tuple[bytes, str]]:
    """JPEG bytes and the text of the objects in them."""
    from lxml import etree

    if not RACCOONS.is_dir():
        yield from drawn()
        return
    for file in sorted((RACCOONS / "annotations").glob("*.xml")):
        root = etree.parse(str(file)).getroot()
        image = RACCOONS / "images" / str(root.findtext("filename"))
        if image.is_file():
            objects = "\n  ".join(etree.tostring(item, encoding="unicode").strip() for item in root.iter("object"))
            yield image.read_bytes(), objects


def smaller(data: bytes) -> bytes:
    """The same photograph with poor quality, so that its size in pixels stays and boxes fit."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, "JPEG", quality=5)
    return stream.getvalue()


def drawn() -> Iterator[tuple[bytes, str]]:
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
    pictures = [(smaller(data) if shrunk else data, objects) for data, objects in photographs()]
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


def compare(work: Path, count: int, larger: int, rounds: int) -> None:
    """Runs everything and prints the ratios."""
    small = work / "small"
    size = sum(file.stat().st_size for file in (small / "VOC2007/JPEGImages").iterdir())
    print(f"{count:,} images, {size / 1e6:,.0f} MB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, warm cache")
    os.sync()
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, figure in one_round(work).items():
            found.setdefault(name, []).append(figure)
    middle = {name: statistics.median(figures) for name, figures in found.items()}
    # Starting takes the same time for both sets.
    ours = (count - count // 10) / (middle["small"] - middle["tenth"])
    theirs = count / middle["api loop"]
    print(f"odtool prepare {middle['small']:.2f} s ({middle['tenth']:.2f} s of a tenth of the images),", end=" ")
    print(f"API script {middle['api']:.2f} s (its loop {middle['api loop']:.2f} s), cp -r {middle['cp']:.2f} s")
    report("whole command against the API's script", middle["api"] / middle["small"], "at least 8")
    print(f"images a second: odtool {ours:,.0f}, the API's loop {theirs:,.0f}")
    report("steady state against the API's loop", ours / theirs, "at least 3")
    report("time against cp -r of the images", middle["small"] / middle["cp"], "at most 3")
    report(
        f"peak memory of {larger:,} images against {count:,}", middle["many peak"] / middle["few peak"], "at most 1.2"
    )
    peaks = [f"{middle[name] / 1e6:,.0f} MB" for name in ("few peak", "many peak")]
    print(f"peak memory {' and '.join(peaks)}, all processes together")


def report(what: str, ratio: float, goal: str) -> None:
    print(f"{what}: {ratio:.2f}x (goal {goal}x)")


def one_round(work: Path) -> dict[str, float]:
    """Seconds and peak bytes by contestant."""
    small, out = work / "small", work / "out"
    figures: dict[str, float] = {}
    prepare = [sys.executable, "-m", "odtool", "prepare", "--format", "voc", "--json", "--out", str(out)]
    figures["small"], _, _ = watched([*prepare, str(small / "VOC2007")])
    shutil.rmtree(out)
    figures["tenth"], _, _ = watched([*prepare, str(work / "tenth" / "VOC2007")])
    shutil.rmtree(out)
    api = [sys.executable, "-c", API, str(small), str(work / "api.record"), str(small / "label_map.pbtxt")]
    figures["api"], _, said = watched(api)
    figures["api loop"] = float(said.split("loop ")[1])
    (work / "api.record").unlink()
    figures["cp"], _, _ = watched(["cp", "-r", str(small / "VOC2007/JPEGImages"), str(work / "copy")])
    shutil.rmtree(work / "copy")
    for name in ("few", "many"):
        _, figures[f"{name} peak"], _ = watched([*prepare, str(work / name / "VOC2007")])
        shutil.rmtree(out)
    os.sync()
    return figures


def watched(command: list[str]) -> tuple[float, int, str]:
    """Runs a command: seconds, peak resident bytes of it and its descendants, and what it printed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    root, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, resident(root))
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    said, complaints = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[:4]} failed:\n{complaints[-2000:]}")
    return seconds, peak, said


def resident(root: psutil.Process) -> int:
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
