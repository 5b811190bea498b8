"""Memory of training over time and over the size of the data set, as ratios within one run.

    python scripts/bench_memory.py               # 400 steps of the demo's SSD over 100 and over 1,000 images

Training runs as `odtool train` does, in a process of its own, whose resident memory is looked at twice a second. The
first third of the steps is warming up; the growth after it is that of a line drawn through what was seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

FEW = 100
TIMES = 10


def main() -> int:
    """Trains over the small and the large set and prints two ratios; 1 where memory grows."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--steps", type=int, default=400)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_memory_") as name:
        small, growth = train(make_run(Path(name), FEW, asked.steps))
        large, grown = train(make_run(Path(name), FEW * TIMES, asked.steps))
    print(f"memory at the end to that after warming up: {1 + growth:.3f} and {1 + grown:.3f} (at most 1.05)")
    print(f"memory with {TIMES} times the images: {large / small:.2f} (at most 1.10)")
    return 0 if max(growth, grown) <= 0.05 and large / small <= 1.1 else 1


def make_run(folder: Path, images: int, steps: int) -> Path:
    """A workspace with a configured run over drawn images; the records are repeated, as drawing takes long."""
    from odtool.dataset import synthetic

    work = folder / str(images)
    work.mkdir()
    synthetic.draw(work / "drawings", images=FEW)
    odtool(work, "prepare", "drawings", "--val", "0.1")
    (records,) = (work / "data").glob("train-*.tfrecord")
    records.write_bytes(records.read_bytes() * (images // FEW))
    sizes = ("--batch-size", "8", "--steps", str(steps))
    odtool(work, "configure", "--model", "demo_ssd", "--run", "run", "--checkpoint", "none", *sizes)
    return work / "train" / "run"


def odtool(work: Path, *arguments: str) -> None:
    """One command of odtool, in this workspace."""
    command = [sys.executable, "-m", "odtool", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"odtool {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")


def train(run: Path) -> tuple[float, float]:
    """MB (median) and their growth since the first third of the steps as a share of it."""
    command = [sys.executable, "-m", "odtool.engine", "train", str(run), "--checkpoint-every", "1000000"]
    seen: list[tuple[float, float]] = []
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            try:
                seen.append((time.time(), process.memory_info().rss / 2**20))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.5)
    if running.returncode:
        sys.exit(f"training of {run} failed with exit code {running.returncode}")
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [(entry["time"], entry["step"]) for entry in entries if entry["kind"] == "train"]
    begin, end = next(at for at, step in steps if step >= steps[-1][1] / 3), steps[-1][0]
    times, sizes = np.array([point for point in seen if begin <= point[0] <= end]).T
    slope, start = np.polyfit(times - begin, sizes, 1)
    return float(np.median(sizes)), float(slope * (end - begin) / start)


if __name__ == "__main__":
    sys.exit(main())
