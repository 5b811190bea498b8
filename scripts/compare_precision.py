"""Whether a detector learns as well in bfloat16 as in float32: both trained from several seeds and evaluated.

    python scripts/compare_precision.py                                # the demo's drawn images, 250 steps, three seeds
    python scripts/compare_precision.py --data data --model ssd_mobilenet_v2_fpnlite_320x320 --steps 300 --size 160

Each training starts from random weights that its seed gives, so that the two of a seed start alike. Prints mAP@[.5:.95]
of the last checkpoint, processor time a step and the peak of memory by precision, and exits with 1 where the means of
mAP differ by more than --within. A GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from odtool import configure, prepare
from odtool.api.tasks.engine_tasks import STEP_PRECISIONS

MAP = "DetectionBoxes_Precision/mAP"
DRAWN = 230
"""Images, as of the demo."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="prepared data; drawn images by default")
    parser.add_argument("--model", default="demo_ssd", help="of the zoo")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--size", type=int, help="bring images to this many pixels a side")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--within", type=float, default=0.02, help="largest difference of the means of mAP")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=3, metavar=("RUN", "PRECISION", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train_and_evaluate(Path(options.child[0]), options.child[1], int(options.child[2]))
        return 0
    with tempfile.TemporaryDirectory(prefix="compare-precision-") as name:
        results = compare(Path(name), options)
    difference = abs(statistics.mean(results["bfloat16"]["mAP"]) - statistics.mean(results["float32"]["mAP"]))
    if options.json:
        sys.stdout.write(json.dumps({**results, "difference": difference}) + "\n")
    else:
        show(results, difference)
    return 1 if difference > options.within else 0


def compare(root: Path, options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """By precision the figures of each seed."""
    data = options.data.absolute() if options.data else draw(root)
    results: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.seeds):
        for precision in STEP_PRECISIONS:
            answer = train(root, data, f"{precision}-{seed}", precision, seed, options)
            for figure, value in answer.items():
                results.setdefault(precision, {}).setdefault(figure, []).append(value)
            sys.stderr.write(f"seed {seed}, {precision}: {json.dumps(answer)}\n")
    return results


def draw(root: Path) -> Path:
    """The demo's images, prepared."""
    from odtool.dataset import synthetic

    synthetic.draw(root / "drawings", images=DRAWN)
    prepare(root / "drawings", val=30 / DRAWN, workspace=root)
    return root / "data"


def train(
    root: Path, data: Path, name: str, precision: str, seed: int, options: argparse.Namespace
) -> dict[str, float]:
    """The figures of one training, in a process of its own, so that its peak of memory is its own."""
    settings = []
    if options.size:
        from odtool.pipeline.text.facts import derive_facts

        tried = configure(options.model, data=data, run="size", workspace=root, dry_run=True)
        resizer = f"model.{derive_facts(tried.config).meta_architecture}.image_resizer.fixed_shape_resizer"
        settings.append(f"{resizer}={{height: {options.size} width: {options.size}}}")
    run = configure(
        options.model,
        data=data,
        run=name,
        steps=options.steps,
        batch_size=options.batch_size,
        checkpoint="none",
        assignments=settings,
        workspace=root,
    ).run
    command = [sys.executable, __file__, "--child", str(run.path), precision, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def train_and_evaluate(folder: Path, precision: str, seed: int) -> None:
    """What the child does; says its figures as JSON on stdout."""
    from odtool.engine import startup

    startup.load()
    import tensorflow as tf

    from odtool import metrics
    from odtool.engine import model
    from odtool.engine.evaluate.evaluation import evaluate
    from odtool.engine.outcome import StopSignal
    from odtool.engine.train.limits import Limits
    from odtool.engine.train.measure_memory import measure_process_peak
    from odtool.engine.train.training import train as train_run
    from odtool.pipeline.text.facts import read_facts
    from odtool.workspace import Run

    run = Run(folder)
    tf.keras.utils.set_random_seed(seed)
    steps = read_facts(run.pipeline_config).num_steps
    before = measure_processor_time()
    train_run(run, checkpoint_every=steps, keep_checkpoints=1, limits=Limits(), stop=StopSignal(), precision=precision)
    figures: dict[str, Any] = {
        "seconds_a_step": (measure_processor_time() - before) / steps,
        "peak_gigabytes": measure_peak(tf, measure_process_peak()) / 1e9,
    }
    tf.keras.backend.clear_session()
    model.set_precision("float32")
    evaluate(run, which="latest", sample=1, stop=StopSignal())
    scored = metrics.find_newest(run.metrics, "eval")
    assert scored is not None
    sys.stdout.write(json.dumps({"mAP": scored.values[MAP], **figures}) + "\n")


def measure_processor_time() -> float:
    """Seconds that this process has computed, on all cores: what else the machine does is not in it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure_peak(tf: Any, of_process: int) -> int:
    """Bytes, of the GPU where there is one."""
    gpus = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]
    return max((int(tf.config.experimental.get_memory_info(gpu)["peak"]) for gpu in gpus), default=of_process)


def show(results: dict[str, dict[str, list[float]]], difference: float) -> None:
    for precision, figures in results.items():
        scores = ", ".join(f"{value:.3f}" for value in figures["mAP"])
        sys.stdout.write(
            f"{precision:9} mAP@[.5:.95] {statistics.mean(figures['mAP']):.3f} ({scores})   "
            f"{statistics.mean(figures['seconds_a_step']):.2f} s of processors a step   "
            f"{max(figures['peak_gigabytes']):.2f} GB\n"
        )
    sys.stdout.write(f"the means differ by {difference:.3f}\n")


if __name__ == "__main__":
    raise SystemExit(main())
