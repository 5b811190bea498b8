"""Tunes the demo's model on the drawn set over several seeds, and shows whether the best trial beats the default.

    python scripts/tune_drawn_set.py                        # 3 seeds of 8 trials: half an hour on two cores
    python scripts/tune_drawn_set.py --seeds 0 --folder X   # one seed, in a folder that is kept, and gone on with

Each seed draws other images and other values. The default is the first trial of each study: the same steps, images and
evaluations. Exit code 1 where the best trial of a seed is not better.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import odtool
from odtool.api.run.tune import StudyResult
from odtool.dataset import synthetic
from odtool.units import format_duration
from odtool.workspace import Workspace

IMAGES, VAL = 160, 0.25
STEPS = 100
"""Of a trial with the default batch of 16: 13 times through the images, where the demo takes 20."""
RUN = "demo"


def tune(root: Path, seed: int, trials: int) -> StudyResult:
    """Prepares what is not there yet, and does or goes on with the study."""
    if not Workspace(root).run(RUN).pipeline_config.exists():
        synthetic.draw(root / "drawings", images=IMAGES, seed=seed)
        odtool.prepare(root / "drawings", val=VAL, workspace=root)
        odtool.configure("demo_ssd", run=RUN, steps=STEPS, workspace=root)
    return odtool.tune(RUN, trials=trials, seed=seed, gpu="cpu", workspace=root, notify=print)


def report(seed: int, result: StudyResult) -> bool:
    """Prints the figures of a seed; whether its best trial is better than the default."""
    view = result.view
    base, best = view.base, view.best
    if base is None or best is None or base.value is None or best.value is None:
        print(f"seed {seed}: no trial is complete")
        return False
    seconds = format_duration(sum(trial.seconds or 0 for trial in view.trials))
    counts = ", ".join(f"{view.count(state)} {state}" for state in ("complete", "pruned", "failed"))
    print(f"seed {seed}: default {base.value:.3f}, best {best.value:.3f} (trial {best.number}); {counts}; {seconds}")
    return best.value > base.value


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        better = []
        for seed in options.seeds:
            root = (options.folder or Path(temporary)) / f"seed-{seed}"
            root.mkdir(parents=True, exist_ok=True)
            better.append(report(seed, tune(root, seed, options.trials)))
    return 0 if all(better) else 1


if __name__ == "__main__":
    sys.exit(main())
