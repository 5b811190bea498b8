"""Benchmark of training and evaluation, as ratios to the API's own loops within one run.

    python scripts/bench_engine.py               # three rounds
    python scripts/bench_engine.py --rounds 1 --steps 20
    python scripts/bench_engine.py --cores       # the input pipeline on 2, 4, 8 and 16 cores, and nothing else

Both sides run the zoo's SSD MobileNet V2 FPNLite 320 with the same config over the same records: JPEGs of 640x480 with
five boxes each, in batches of 8. The API runs with its loop's iterations cut to one step, which is kinder to it: as it
comes, the first hundred steps are one iteration, traced twice. Contestants take turns, and medians are compared. Where
both run in one process, the processor time (user and system, of all threads) is compared as well: other work on the
machine changes that less than the time on the clock.

By cores, our own input pipeline alone is read in processes that may use so many of the machine's, as far as it has
them.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RACCOONS = Path(__file__).parent.parent.parent / "shared" / "data" / "raccoon" / "images"
MODEL = "ssd_mobilenet_v2_fpnlite_320x320"
BATCH = 8
IMAGES = {"train": 200, "val": 100}
WARM_UP = 320
"""Images read before the input pipeline is timed."""
TURN = 480
"""Images of a turn of the input pipeline; by cores, so many for each."""
CORES = (2, 4, 8, 16)


def main() -> None:
    """Makes the records, runs the contestants, prints the ratios."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=40, help="training steps a round")
    options.add_argument("--cores", action="store_true", help="only the input pipeline, by number of cores")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_engine_") as name:
        work = Path(name)
        make_records(work)
        write_config(work, asked.steps)
        if not asked.cores:
            compare_training(work, asked.rounds)
            for task in ("inputs", "evaluation"):
                subprocess.run([sys.executable, __file__, task, str(work), str(asked.rounds)], check=True)
        compare_cores(work, asked.rounds)


def show(what: str, ratio: float, target: str) -> None:
    """One line of the result."""
    print(f"{what}: {ratio:.2f} ({target})", flush=True)


def make_records(work: Path) -> None:
    """Photographs of ../shared/data/raccoon at one size, or noise where they are absent, with random boxes."""
    from PIL import Image

    chance = random.Random(0)
    photographs = sorted(RACCOONS.glob("*.jpg"))
    (work / "images").mkdir()
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for index in range(sum(IMAGES.values())):
        if photographs:
            with Image.open(photographs[index % len(photographs)]) as opened:
                picture = opened.convert("RGB").resize((640, 480))
        else:
            picture = Image.effect_noise((640, 480), 60).convert("RGB")
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=90)
        # A number inside each file, so that no two are equal.
        (work / "images" / f"{index}.jpg").write_bytes(stream.getvalue() + str(index).encode())
        for _ in range(5):
            left, top = chance.randint(0, 450), chance.randint(0, 300)
            right, bottom = left + chance.randint(40, 180), top + chance.randint(40, 170)
            rows.append(f"{index}.jpg,640,480,{chance.choice(('disc', 'star'))},{left},{top},{right},{bottom}")
    (work / "labels.csv").write_text("\n".join(rows) + "\n")
    share = IMAGES["val"] / sum(IMAGES.values())
    odtool(work, "prepare", "labels.csv", "--images", "images", "--val", f"{share:.4f}")


def write_config(work: Path, steps: int) -> None:
    """train/bench, from random weights."""
    sizes = ("--batch-size", str(BATCH), "--steps", str(steps))
    odtool(work, "configure", "--model", MODEL, "--run", "bench", "--checkpoint", "none", *sizes)


def odtool(work: Path, *arguments: str) -> None:
    """One command of odtool, in this workspace."""
    done = subprocess.run(
        [sys.executable, "-m", "odtool", *arguments], cwd=work, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"odtool {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")


def compare_training(work: Path, rounds: int) -> None:
    """Time from the start of the process to the first step's end, and the pace of the steps after it."""
    first: dict[str, list[float]] = {"ours": [], "stock": []}
    pace: dict[str, list[float]] = {"ours": [], "stock": []}
    for _ in range(rounds):
        for kind in ("ours", "stock"):
            run = work / "train" / kind
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir()
            shutil.copy(work / "train" / "bench" / "pipeline.config", run)
            began = time.time()
            times = (train if kind == "ours" else stock_train)(run)
            (start_step, start), (end_step, end) = times[0], times[-1]
            first[kind].append(start - began)
            pace[kind].append((end_step - start_step) / (end - start))
    medians = {kind: (statistics.median(first[kind]), statistics.median(pace[kind])) for kind in first}
    show("time to the first training step", medians["ours"][0] / medians["stock"][0], "wanted: at most 0.50")
    show("steps/s of training on the CPU", medians["ours"][1] / medians["stock"][1], "wanted: at least 1.00")


def train(run: Path) -> list[tuple[int, float]]:
    """Trains as `odtool train` does; when which step was reported."""
    command = [sys.executable, "-m", "odtool.engine", "train", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(entry["step"], entry["time"]) for entry in entries if entry["kind"] == "train"]


def stock_train(run: Path) -> list[tuple[int, float]]:
    """Trains with the API's loop in a child; when which step ended."""
    done = subprocess.run(
        [sys.executable, __file__, "stock_loop", str(run), "1"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return [(step, at) for step, at in json.loads(done.stdout.splitlines()[-1])]


def stock_loop(run: Path, _: int) -> None:
    """In the child: the API's loop, noting when it reports each step."""
    import tensorflow as tf
    from object_detection import model_lib_v2

    report, times = tf.summary.scalar, []

    def note(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
        if name == "Loss/total_loss":
            times.append((int(step), time.time()))
        return report(name, data, step=step, description=description)

    tf.compat.v2.summary.scalar = note
    config = run / "pipeline.config"
    model_lib_v2.train_loop(str(config), str(run), num_steps_per_iteration=1, checkpoint_every_n=10**6)
    print(json.dumps(times))


def inputs(work: Path, rounds: int) -> None:
    """In a child: batches of the training set alone, with the zoo's augmentation and without any."""
    import tensorflow as tf
    from object_detection import inputs as stock

    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    configs = model.read_configs(work / "train" / "bench" / "pipeline.config")
    detector = model.build_model(configs["model"])
    for name in ("with the zoo's augmentation", "without augmentation"):
        settings = copy.deepcopy(configs["train_config"])
        if name.startswith("without"):
            settings.ClearField("data_augmentation_options")
        changed = {**configs, "train_config": settings}
        ours = input_pipelines.build_training_data(changed, detector, tf.distribute.get_strategy())
        theirs = stock.train_input(settings, configs["train_input_config"], configs["model"], model=detector).repeat()
        contestants = {"ours": reading(ours), "stock": reading(theirs), "pixels": pixels_alone(changed)}
        spent = taking_turns(contestants, rounds * 3)
        show_both(f"images/s of the input pipeline alone, {name}", spent["stock"], spent["ours"], "at least 1.50")
        show_both("  work on the pixels alone, with nothing around it, would give", spent["stock"], spent["pixels"])


def compare_cores(work: Path, rounds: int) -> None:
    """Images/s of our input pipeline with the zoo's augmentation, by number of cores, and the ratios to the fewest."""
    usable = sorted(os.sched_getaffinity(0))
    first = 0.0
    for count in [count for count in CORES if count <= len(usable)] or [len(usable)]:
        cores = usable[:count]
        # Bound before TensorFlow is loaded, which makes its threads by the cores that it may use.
        done = subprocess.run(
            [sys.executable, __file__, "read_inputs", str(work), str(rounds)],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
        )
        if done.returncode:
            sys.exit(done.stderr)
        pace, by_processor = map(float, done.stdout.splitlines()[-1].split())
        first = first or pace
        what = f"images/s of the input pipeline, cores: {count}: {pace:,.0f} ({pace / first:.2f} times)"
        print(f"{what}; {by_processor:,.0f} a second of processor time", flush=True)


def read_inputs(work: Path, rounds: int) -> None:
    """In a child bound to some cores: images/s of our input pipeline alone, by the clock and by processor time."""
    import tensorflow as tf

    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    configs = model.read_configs(work / "train" / "bench" / "pipeline.config")
    detector = model.build_model(configs["model"])
    images = TURN * len(os.sched_getaffinity(0))
    ours = input_pipelines.build_training_data(configs, detector, tf.distribute.get_strategy())
    spent = taking_turns({"ours": reading(ours, images)}, rounds)["ours"]
    print(images / spent.clock, images / spent.processor)


def pixels_alone(configs: Any) -> Callable[[], Spent]:
    """Reads batches of images that are decoded, moved as the SSD's augmentation does, normalized and resized, no more.

    No annotations at all: what no pipeline of the same operations can be faster than.
    """
    import tensorflow as tf

    from odtool.pipeline.record_patterns import find_files

    resizer = configs["model"].ssd.image_resizer.fixed_shape_resizer
    encoded = {"image/encoded": tf.io.FixedLenFeature((), tf.string)}
    steps = {
        option.WhichOneof("preprocessing_step"): option for option in configs["train_config"].data_augmentation_options
    }
    assert set(steps) <= {"random_horizontal_flip", "random_crop_image"}

    def image(record: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.parse_single_example(record, encoded)["image/encoded"], channels=3)
        if "random_horizontal_flip" in steps:
            known = pixels
            pixels = tf.cond(tf.random.uniform([]) > 0.5, lambda: tf.image.flip_left_right(known), lambda: known)
        if "random_crop_image" in steps:
            wanted = steps["random_crop_image"].random_crop_image
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                tf.shape(pixels),
                tf.zeros([1, 0, 4]),
                min_object_covered=wanted.min_object_covered,
                aspect_ratio_range=(wanted.min_aspect_ratio, wanted.max_aspect_ratio),
                area_range=(wanted.min_area, wanted.max_area),
                use_image_if_no_bounding_boxes=True,
            )
            pixels = tf.slice(pixels, begin, size)
        normal = tf.cast(pixels, tf.float32) * (2 / 255) - 1
        return tf.compat.v1.image.resize_images(normal, [resizer.height, resizer.width])

    files = [str(file) for file in find_files(configs["train_input_config"])]
    data = tf.data.TFRecordDataset(files, buffer_size=8_000_000).repeat().map(image, tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    return reading(data.batch(BATCH).prefetch(2).with_options(options))


def reading(data: Any, images: int = TURN) -> Callable[[], Spent]:
    """A turn of so many images, once the shuffle buffer is full and the readers have found their pace."""

    def read() -> Spent:
        batches = iter(data)
        for _ in range(WARM_UP // BATCH):
            next(batches)
        return timed(lambda: [next(batches) for _ in range(images // BATCH)])()

    return read


def evaluation(work: Path, rounds: int) -> None:
    """In a child: passes over the validation set with random weights, all metrics, losses and pictures.

    The API traces its graph anew for each checkpoint, ours is traced once a process. So a pass over a fifth of the set
    is taken off for a second figure: what an image takes once all that is done for a checkpoint has been done.
    """
    import contextlib

    import tensorflow as tf
    from object_detection import inputs as stock
    from object_detection import model_lib_v2

    from odtool.engine import model
    from odtool.engine.evaluate.scoring import Scorer
    from odtool.engine.outcome import StopSignal

    configs = model.read_configs(work / "train" / "bench" / "pipeline.config")
    reader = configs["eval_input_config"] = configs["eval_input_configs"][0]
    reader.num_epochs = 1
    detector = model.build_model(configs["model"])
    step = tf.Variable(1, dtype=tf.int64)
    found: dict[str, dict[str, float]] = {}

    def ours(sample: int) -> Callable[[], Spent]:
        scorer = Scorer(configs, reader, detector, sample=sample)
        model.make_variables(detector, scorer.element)

        def score() -> None:
            found["ours"] = scorer.score(StopSignal()).metrics

        return timed(score)

    def theirs(sample: int) -> Callable[[], Spent]:
        chosen = copy.deepcopy(reader)
        chosen.sample_1_of_n_examples = sample
        data = stock.eval_input(configs["eval_config"], chosen, configs["model"], model=detector)

        def score() -> None:
            with contextlib.redirect_stdout(io.StringIO()), tf.summary.create_file_writer(str(work / "e")).as_default():
                found["stock"] = model_lib_v2.eager_eval_loop(detector, configs, data, global_step=step)

        return timed(score)

    fifth = {"ours, a fifth": ours(5), "stock, a fifth": theirs(5)}
    spent = taking_turns({**fifth, "ours": ours(1), "stock": theirs(1)}, rounds)
    what = f"images/s of evaluation, one checkpoint, {IMAGES['val']} images"
    show_both(what, spent["stock"], spent["ours"], "at least 2.00")
    further = {kind: less(spent[kind], spent[f"{kind}, a fifth"]) for kind in ("stock", "ours")}
    show_both("  each further image", further["stock"], further["ours"])
    worst = max(abs(float(value) - found["ours"][name]) for name, value in found["stock"].items())
    print(f"largest difference of a metric or loss: {worst:.1e} (at most 1e-06)")


@dataclass(frozen=True)
class Spent:
    """Seconds, of one turn or the median of several."""

    clock: float
    processor: float


def less(whole: Spent, part: Spent) -> Spent:
    """What the rest took."""
    return Spent(whole.clock - part.clock, whole.processor - part.processor)


def show_both(what: str, stock: Spent, ours: Spent, wanted: str = "") -> None:
    """One line with the ratios by the clock and by processor time."""
    by_processor = f"{stock.processor / ours.processor:.2f} by processor time"
    show(what, stock.clock / ours.clock, f"{by_processor}; wanted: {wanted}" if wanted else by_processor)


def timed(action: Callable[[], Any]) -> Callable[[], Spent]:
    """The action, giving what it spent."""

    def spend() -> Spent:
        began = Spent(time.perf_counter(), time.process_time())
        action()
        return less(Spent(time.perf_counter(), time.process_time()), began)

    return spend


def taking_turns(contestants: dict[str, Callable[[], Spent]], rounds: int) -> dict[str, Spent]:
    """What a turn of each contestant takes, after one that does not count."""
    seconds: dict[str, list[Spent]] = {name: [] for name in contestants}
    for round_number in range(rounds + 1):
        for name, contestant in contestants.items():
            spent = contestant()
            if round_number:
                seconds[name].append(spent)
    return {
        name: Spent(statistics.median(s.clock for s in turns), statistics.median(s.processor for s in turns))
        for name, turns in seconds.items()
    }


TASKS: dict[str, Callable[[Path, int], None]] = {
    task.__name__: task for task in (stock_loop, inputs, read_inputs, evaluation)
}

if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in TASKS:
        from odtool.engine import compat

        compat.load()
        TASKS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
