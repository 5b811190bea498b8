r"""Holds odtool's training and evaluation against the API's own loops: same config, start, seed and order of records.

    python scripts/compare_with_stock.py train/my_run/pipeline.config
    python scripts/compare_with_stock.py train/my_run/pipeline.config --size 160 --set train_config.batch_size=2
    python scripts/compare_with_stock.py train/my_run/pipeline.config --checkpoint train/my_run/ckpt-300
    python scripts/compare_with_stock.py train/my_run/pipeline.config --checkpoint train/my_run/ckpt-300 --threads 0
    python scripts/compare_with_stock.py train/my_mask_rcnn/pipeline.config --checkpoint train/my_mask_rcnn/ckpt-400 \
        --steps 5 --set train_config.batch_size=1 --set 'eval_input_reader[0].sample_1_of_n_examples=10'    # minutes

Both start from one checkpoint and read the records in one order. It is of random weights, whose metrics are mostly
zero, or one that has learned. What has no order of its own is left out on both sides: shuffling, and random
augmentation, whose draws depend on which thread takes which image. A two-stage model learns from all anchors and
proposals in place of samples of them. Several threads add sums up in the order in which they happen to come, and
twenty steps of a model that has learned make differences of 1e-3 of what was one of the last bit. So one thread
computes on both sides, unless --threads says otherwise. With several the stock loop trains twice, and its distance
from itself stands beside ours from it. (Op determinism does not serve: the API's input pipeline fails with it, and
two runs with it were not alike.)

Evaluation has a noise of its own: `odtool eval` predicts several images together, whose last bits then differ from
those of an image alone, and where scores are nearly equal, ranks change. So what is held against the API is evaluation
image by image, and how far images together are from that stands beside it.

The processes run one after the other: training and evaluation here, training and evaluation there. The losses of
every step and every metric are read from the event files, and so are the tags and the seconds that a step took, by
the clock and with what it writes. Exit code 1 says that something differs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOSS_TOLERANCE = 1e-4
"""Of a loss's size, or of 1 where it is smaller."""
METRIC_TOLERANCE = 1e-6
TOTAL_LOSS = "Loss/total_loss"
FIRST = 1
"""The step of the common start: one of step 0 would be taken for the stock loop's first, which has no weights."""
Scalars = dict[str, dict[int, float]]
"""Values by tag and step."""


def main() -> int:
    """Compares one config; prints a table, or one JSON object."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("config", type=Path)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--size", type=int, help="shrink images to this many pixels a side")
    options.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as for odtool configure")
    options.add_argument(
        "--checkpoint", type=Path, metavar="PREFIX", help="what both start from; random weights if none"
    )
    options.add_argument(
        "--threads",
        type=int,
        default=1,
        help="threads that compute on each side; with more than the default of one, or 0 for all, sums are no longer "
        "added in one order, and the stock loop's distance from itself is measured too",
    )
    options.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare_with_stock_", dir=asked.folder) as name:
        found = run_both(Path(name), asked)
    show(asked.config, found, as_json=asked.json)
    return 0 if found["equal"] else 1


def run_both(work: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Trains and evaluates on both sides, and once more on the stock one where that is not the same each time."""
    ours, alone, stock, again = (work / side / "run" for side in ("ours", "ours_alone", "stock", "stock_again"))
    folders = [ours, stock] if asked.threads == 1 else [ours, stock, again]

    def child(task: str, folder: Path, *others: Path) -> None:
        run_task(task, asked.threads, folder, *others)

    for folder in (*folders, alone):
        write_config(asked.config, folder, asked)
    child("start", ours, *([asked.checkpoint.absolute()] if asked.checkpoint else []))
    for folder in folders[1:]:
        copy_checkpoint(ours, FIRST, folder)
    child("train", ours)
    for folder in folders[1:]:
        child("stock_train", folder)
    for path in stock.glob("ckpt-*"):
        path.unlink()
    copy_checkpoint(ours, FIRST + asked.steps, stock)
    copy_checkpoint(ours, FIRST + asked.steps, alone)
    child("evaluate", ours, alone)
    child("stock_evaluate", stock)
    child("read_events", *folders, alone)
    here, there, *twice, one_by_one = (json.loads((folder / "events.json").read_text()) for folder in (*folders, alone))
    found = compare({**here, "eval": one_by_one["eval"]}, there, *twice)
    together = metric_differences(here["eval"], there["eval"])
    return {"threads": asked.threads, **found, "metrics_of_images_together": together}


def copy_checkpoint(source: Path, step: int, target: Path) -> None:
    """Copies the checkpoint of a step and the file that names the newest."""
    for path in (*source.glob(f"ckpt-{step}.*"), source / "checkpoint"):
        shutil.copy(path, target)


def write_config(source: Path, folder: Path, asked: argparse.Namespace) -> None:
    """The config as it is, without what would make two runs differ."""
    from odtool.pipeline.text import config, fields
    from odtool.pipeline.text.facts import derive_facts

    made = config.load(source)
    for assignment in asked.set:
        fields.assign(made, assignment)
    message = made.message
    message.train_config.num_steps = FIRST + asked.steps
    for name in ("data_augmentation_options", "fine_tune_checkpoint"):
        message.train_config.ClearField(name)
    for reader in (message.train_input_reader, *message.eval_input_reader):
        reader.shuffle = False
        reader.num_readers = 1
    if message.model.HasField("faster_rcnn"):
        take_all_samples(message.model.faster_rcnn)
    if asked.size:
        shrink(derive_facts(made).model.image_resizer, asked.size)
    folder.mkdir(parents=True)
    config.save(made, folder / "pipeline.config")


def take_all_samples(rcnn: Any) -> None:
    """Has a two-stage model learn from all anchors and proposals, as its samples of them are drawn at random."""
    rcnn.first_stage_minibatch_size, rcnn.first_stage_positive_balance_fraction = 10**6, 1.0
    rcnn.second_stage_batch_size, rcnn.second_stage_balance_fraction = rcnn.first_stage_max_proposals, 1.0
    rcnn.use_static_balanced_label_sampler = False


def shrink(resizer: Any, size: int) -> None:
    """Sets both sides of the one image resizer that is chosen."""
    chosen = getattr(resizer, resizer.WhichOneof("image_resizer_oneof"))
    for name in ("height", "width", "min_dimension", "max_dimension"):
        if name in chosen.DESCRIPTOR.fields_by_name:
            setattr(chosen, name, size)


def run_task(task: str, threads: int, folder: Path, *others: Path) -> None:
    """Runs one of TASKS in a process of its own, which ends this one where it fails."""
    done = subprocess.run(
        [sys.executable, __file__, task, str(threads), folder, *others], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{task} of {folder} failed:\n{done.stdout}\n{done.stderr}")


def start(folder: Path, learned: Path | None = None) -> None:
    """Saves the weights of a checkpoint, or random ones, with the optimizer's slots."""
    import tensorflow as tf

    from odtool.engine import checkpoints, model
    from odtool.engine.input import input_pipelines
    from odtool.workspace import Run

    run = Run(folder)
    configs = model.read_configs(run.pipeline_config)
    detector = model.build_model(configs["model"])
    data = input_pipelines.build_training_data(configs, detector, tf.distribute.get_strategy())
    trainable = model.build_trainable(configs, detector, data.element_spec)
    if learned:
        model.assert_filled(trainable.checkpoint.restore(str(learned)), learned)
    trainable.step.assign(FIRST)
    checkpoints.save(run, trainable.checkpoint, FIRST)


def train(folder: Path) -> None:
    """Trains as `odtool train` does, with a report of every step instead of one every few seconds."""
    from odtool.engine import __main__ as engine
    from odtool.engine.train import loop

    loop.REPORT_EVERY = 0.0
    loop.PICTURES_EVERY = 1
    if code := engine.main(["train", str(folder)]):
        sys.exit(code)


def stock_train(folder: Path) -> None:
    """The API's loop, with a report of every step instead of one every 100."""
    from object_detection import model_lib_v2

    config = folder / "pipeline.config"
    model_lib_v2.train_loop(str(config), str(folder), num_steps_per_iteration=1, checkpoint_every_n=10**6)


def evaluate(folder: Path, alone: Path) -> None:
    """Scores the last checkpoint as `odtool eval` does, and in another folder image by image."""
    from odtool.engine import __main__ as engine
    from odtool.engine.evaluate import batched_prediction

    together: list[int] = []
    count = batched_prediction.choose_batch_size

    def images_at_once(*arguments: Any, **settings: Any) -> int:
        together.append(count(*arguments, **settings))
        return together[-1]

    batched_prediction.choose_batch_size = images_at_once
    if code := engine.main(["eval", str(folder), "--checkpoint", "latest"]):
        sys.exit(code)
    if together == [1]:
        shutil.copytree(folder / "eval", alone / "eval")
        return
    if code := engine.main(["eval", str(alone), "--checkpoint", "latest", "--batch-size", "1"]):
        sys.exit(code)


def stock_evaluate(folder: Path) -> None:
    """The API's evaluation, which ends by itself as the checkpoint is that of the config's last step."""
    from object_detection import model_lib_v2

    from odtool.pipeline.text import config

    path = folder / "pipeline.config"
    model_lib_v2.eval_continuously(
        str(path),
        model_dir=str(folder),
        checkpoint_dir=str(folder),
        wait_interval=1,
        timeout=1,
        # Its own default takes all, whatever the config says.
        sample_1_of_n_eval_examples=config.load(path).message.eval_input_reader[0].sample_1_of_n_examples,
    )


def read_events(*folders: Path) -> None:
    """Writes every scalar and every tag of the event files to JSON, so that only children need TensorFlow."""
    for folder in folders:
        found = {task: events_in(folder / task) for task in ("train", "eval")}
        (folder / "events.json").write_text(json.dumps(found))


def events_in(folder: Path) -> dict[str, Any]:
    """Scalars by tag and step, all tags, and the median time from a step's loss to the next one's."""
    import tensorflow as tf

    scalars: Scalars = {}
    tags, times = set(), []
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                tags.add(value.tag)
                if value.metadata.plugin_data.plugin_name == "scalars":
                    scalars.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
                    times += [event.wall_time] * (value.tag == TOTAL_LOSS)
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {"scalars": scalars, "tags": sorted(tags), "seconds": statistics.median(spans) if spans else None}


def compare(here: dict[str, Any], there: dict[str, Any], again: dict[str, Any] | None = None) -> dict[str, Any]:
    """The largest differences of losses by tag and of metrics, and the tags that only one side has.

    Args:
        here: what `read_events` found of our training and evaluation.
        there: the same of the stock ones.
        again: the same of the stock training, run once more.
    """
    losses = loss_differences(here, there)
    metrics = metric_differences(here["eval"], there["eval"])
    tags = sorted(set(here["train"]["tags"]) ^ set(there["train"]["tags"]))
    # Each side's evaluation may show losses or not; the stock one always does.
    tags += sorted(set(there["eval"]["tags"]) - set(here["eval"]["tags"]))
    total = there["train"]["scalars"][TOTAL_LOSS]
    return {
        "steps": len(total),
        "first_and_last_loss": [total[min(total, key=int)], total[max(total, key=int)]],
        "losses": losses,
        "losses_of_stock_run_twice": loss_differences(again, there) if again else None,
        "metrics": metrics,
        "nonzero_metrics": sum(
            next(iter(values.values())) > 0 for tag, values in there["eval"]["scalars"].items() if tag in metrics
        ),
        "tags_of_one_side": tags,
        "seconds_a_step": {"ours": here["train"]["seconds"], "stock": there["train"]["seconds"]},
        "equal": max(losses.values()) <= LOSS_TOLERANCE and max(metrics.values()) <= METRIC_TOLERANCE and not tags,
    }


def metric_differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """By tag, the difference of the one value."""
    return {
        tag: abs(next(iter(one["scalars"][tag].values())) - next(iter(values.values())))
        for tag, values in other["scalars"].items()
        if not tag.startswith("Loss/")
    }


def loss_differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """By tag, the largest difference of a step's value, as a share of it where it is above 1."""
    return {
        tag: max(
            abs(one["train"]["scalars"][tag][step] - value) / max(abs(value), 1.0) for step, value in values.items()
        )
        for tag, values in other["train"]["scalars"].items()
        if tag.startswith("Loss/") or tag == "learning_rate"
    }


def show(config: Path, found: dict[str, Any], *, as_json: bool) -> None:
    """Prints the comparison."""
    if as_json:
        print(json.dumps(found))
        return
    first, last = found["first_and_last_loss"]
    print(f"{config}: {found['steps']} steps, total loss {first:.4f} to {last:.4f}")
    print(f"  threads: {found['threads'] or 'all'}")
    for kind, limit in (("losses", LOSS_TOLERANCE), ("metrics", METRIC_TOLERANCE)):
        name = max(found[kind], key=found[kind].__getitem__)
        print(f"  {len(found[kind]):2d} {kind}, largest difference {found[kind][name]:.1e} ({name}); allowed {limit:g}")
    if noise := found["losses_of_stock_run_twice"]:
        print(f"     the stock loop, run twice, differs from itself by {max(noise.values()):.1e}")
    together = max(found["metrics_of_images_together"].values())
    print(f"     with images predicted together, as odtool eval does, by {together:.1e}")
    if all((seconds := found["seconds_a_step"]).values()):
        ratio = seconds["ours"] / seconds["stock"]
        print(f"  {seconds['ours']:.2f} s a step, {ratio:.2f} of the stock loop's {seconds['stock']:.2f} s")
    print(f"  metrics above zero: {found['nonzero_metrics']}")
    print(f"  tags of one side only: {', '.join(found['tags_of_one_side']) or 'none'}")
    print(f"  {'equal' if found['equal'] else 'NOT EQUAL'}")


TASKS: dict[str, Callable[..., None]] = {
    task.__name__: task for task in (start, train, stock_train, evaluate, stock_evaluate, read_events)
}

if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in TASKS:
        from odtool.engine import compat

        compat.load()
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(int(sys.argv[2]))
        # Ops that run side by side decide the order of sums, too: with one thread within an op alone, losses differ.
        tensorflow.config.threading.set_inter_op_parallelism_threads(int(sys.argv[2]))
        # Seeds of random operations in a graph count from its first one, so equal graphs draw equal numbers.
        tensorflow.random.set_seed(0)
        TASKS[sys.argv[1]](*map(Path, sys.argv[3:]))
    else:
        sys.exit(main())
