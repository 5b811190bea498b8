"""Memory and time of reading one long annotation file, as ratios to json.load of the same file in the same run.

    python scripts/bench_readers.py                          # COCO files of 100,000 and of 400,000 annotations
    python scripts/bench_readers.py --annotations 1200000    # 258 MB, and a quarter of it

Each is read in a process of its own, whose peak of resident memory over that after its imports counts. The images that
the file names are not there: what is measured is the document, not the search for files.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ANNOTATIONS_PER_IMAGE = 10
MOST_GROWTH = 100
"""Bytes. An image takes some 700, for its name, its id and its size."""
LOAD = "document = json.load(open(sys.argv[1]))"
READ = """
for item in READERS["coco"].read(Source(Path(sys.argv[1]))):
    pass
"""
MEASURED = """
import json, resource, sys, time
from pathlib import Path
from odtool.dataset.readers.registry import READERS
from odtool.dataset.types import Source
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
{work}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, time.process_time() - started)
"""


def main() -> int:
    """Prints the ratios; 1 where memory grows with the file."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--annotations", type=int, default=400_000)
    count = options.parse_args().annotations
    with tempfile.TemporaryDirectory(prefix="bench_readers_") as name:
        peaks = []
        for number in (count // 4, count):
            file = Path(name) / "instances_train.json"
            write_coco(file, number)
            size = file.stat().st_size
            read, seconds = measure(READ, file)
            whole, whole_seconds = measure(LOAD, file)
            peaks.append(read)
            print(
                f"{number:,} annotations in {size / 1e6:,.0f} MB: {read / 1e6:,.0f} MB more while reading, "
                f"{read / size:.2f} of the file; json.load takes {whole / 1e6:,.0f} MB, {whole / read:.1f} times as "
                f"much; reading, with the objects made, takes {seconds / whole_seconds:.1f} times its processor time"
            )
    growth = (peaks[1] - peaks[0]) / (count - count // 4)
    print(f"memory for each further annotation and its share of an image: {growth:.0f} bytes (at most {MOST_GROWTH})")
    return 0 if growth <= MOST_GROWTH else 1


def write_coco(file: Path, annotations: int) -> None:
    """A document as COCO's own: images first, annotations in any order, categories last."""
    chance, images = random.Random(0), annotations // ANNOTATIONS_PER_IMAGE
    with file.open("w") as stream:
        stream.write('{"images": [')
        for number in range(images):
            entry = {"file_name": f"{number:012d}.jpg", "height": 480, "width": 640, "id": number}
            stream.write(", " * (number > 0) + json.dumps(entry))
        stream.write('], "annotations": [')
        for number in range(annotations):
            x, y, width, height = (round(chance.uniform(1, 300), 2) for _ in range(4))
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            box = {"bbox": [x, y, width, height], "area": width * height, "segmentation": [corners], "iscrowd": 0}
            owner = {"image_id": chance.randrange(images), "category_id": chance.randrange(80), "id": number}
            stream.write(", " * (number > 0) + json.dumps(box | owner))
        stream.write('], "categories": [')
        stream.write(", ".join(json.dumps({"id": number, "name": f"class{number}"}) for number in range(80)) + "]}")


def measure(work: str, file: Path) -> tuple[int, float]:
    """Bytes of memory and seconds of a processor that a piece of Python takes for a file."""
    command = [sys.executable, "-c", MEASURED.format(work=work), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    memory, seconds = done.stdout.split()
    return max(int(memory), 1), float(seconds)


if __name__ == "__main__":
    sys.exit(main())
