"""odtool configure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.api.tasks import engine_process
from odtool.dataset import prepare, synthetic
from odtool.dataset.types import Source
from odtool.workspace import Workspace


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The current folder, with drawn images prepared in data/."""
    workspace = Workspace(tmp_path / "a [b] c")
    drawings = synthetic.draw(tmp_path / "drawings", images=10)
    prepare.prepare(prepare.PrepareSettings(sources=(Source(drawings),), out=workspace.data.path, val=0.2, workers=1))
    monkeypatch.chdir(workspace.root)
    return workspace


def test_bare_it_writes_a_run_and_says_what_changed(odtool: Callable, prepared: Workspace) -> None:
    said = odtool("configure", "--all")
    assert (said.code, said.err) == (0, "")
    path = prepared.train / "ssd_mobilenet_v2_fpnlite_320x320" / "pipeline.config"
    assert path.is_file()
    for part in (
        "model.ssd.num_classes: 90 → 2  (classes in ",
        "train_config.batch_size: 128 → 8  (",
        "learning_rate_base: 0.08 → 0.005  (scaled linearly with the batch, 128 → 8)",
        "note: training starts from scratch",
        f"wrote {path} from the template of ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8",
        "next: odtool check ssd_mobilenet_v2_fpnlite_320x320",
    ):
        assert part in said.out


def test_by_default_what_shapes_the_training_is_shown_and_the_rest_is_counted(
    odtool: Callable, prepared: Workspace
) -> None:
    said = odtool("configure", "--set", "eval_config.num_examples=7", "--dry-run").out.splitlines()
    assert said[0].startswith("num_classes: 90 → 2  (classes in ")
    assert "eval_config.num_examples: unset → 7  (--set)" in said
    assert not any("input_path" in line for line in said)
    (rest,) = [line for line in said if "further field" in line]
    hidden = int(rest.split()[0])
    everything = odtool("configure", "--set", "eval_config.num_examples=7", "--dry-run", "--all").out.splitlines()
    changes = [[line for line in lines if " → " in line] for lines in (said, everything)]
    assert len(changes[1]) - len(changes[0]) == hidden > 0


def test_json_is_one_object_with_every_change(odtool: Callable, prepared: Workspace) -> None:
    said = odtool("configure", "--model", "demo_ssd", "--run", "mine", "--steps", 20, "--dry-run", "--json").json
    assert (said["run"], said["written"], said["num_steps"]) == ("mine", False, 20)
    steps = {"field": "train_config.num_steps", "old": "250", "new": "20", "reason": "--steps"}
    assert steps in said["changes"]
    assert not prepared.train.exists()


def test_set_reaches_any_field(odtool: Callable, prepared: Workspace) -> None:
    wish = "eval_input_reader[0].num_readers=1"
    said = odtool("configure", "--set", wish, "--set", "train_config.batch_size=2", "--run", "mine")
    assert "eval_input_reader[0].num_readers: unset → 1  (--set)" in said.out
    assert "batch_size: 2" in (prepared.train / "mine" / "pipeline.config").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "train_config.batch_sizes=2"], "Did you mean batch_size?"),
        (["--model", "nothing_like_it"], "no model 'nothing_like_it'"),
        (["--pipeline", "no.config"], "no.config: no such file"),
        (["--checkpoint", "no/ckpt-0"], "no such checkpoint"),
        (["--data", "elsewhere"], "elsewhere/dataset.json: no such file"),
        (["--run", "a/b"], "not a run name"),
    ],
)
def test_a_mistake_is_one_line_and_a_hint_and_writes_nothing(
    odtool: Callable, prepared: Workspace, arguments: list[str], message: str
) -> None:
    said = odtool("configure", *arguments)
    assert said.code == 1
    error, hint = said.err.splitlines()
    assert (error[:6], hint[:5]) == ("error:", "hint:")
    assert message in said.err
    assert not prepared.train.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "demo_ssd", "--pipeline", "x"],
        ["--steps", "1", "--epochs", "1"],
        ["--steps", "0"],
        ["--epochs", "0"],
        ["--epochs", "nan"],
        ["--batch-size", "0"],
        ["--batch-size", "many"],
        ["--batch-size", "8", "--memory", "6GB"],
        ["--gpu", "cpu"],
        ["--batch-size", "auto", "--set", "train_config.batch_size=2"],
        ["--epochs", "3", "--set", "train_config.batch_size = 2"],
        ["--steps", "3", "--set", "train_config.num_steps=2"],
    ],
)
def test_wrong_usage_exits_with_2(odtool: Callable, prepared: Workspace, arguments: list[str]) -> None:
    assert odtool("configure", *arguments).code == 2


def test_it_never_imports_tensorflow(prepared: Workspace) -> None:
    code = (
        "import sys\n"
        "from odtool.cli import app\n"
        "app(['configure'], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'tf_keras', 'pandas', 'numpy', 'object_detection.core'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=prepared.root)
    assert done.stdout.splitlines()[-1] == "[]"


ENGINE = """
import json, os, pathlib, signal, sys
task, run, option, batch, *others = sys.argv[1:]
assert (task, option) == ("measure", "--batch-size")
assert "num_classes: 2" in pathlib.Path(run, "pipeline.config").read_text()
assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
HOW
print("a library's chatter")
print(json.dumps({"peak_bytes": 100_000_000 + 10_000_000 * int(batch), "out_of_memory": False}))
"""


@pytest.fixture
def measuring(prepared: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the engine's place, which says 100 MB and 10 MB an image, or does what it is told."""

    def make(how: str = "") -> None:
        (tmp_path / "engine.py").write_text(ENGINE.replace("HOW", how))
        monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(tmp_path / "engine.py")))

    make()
    return make


def test_auto_takes_the_largest_batch_that_was_measured_to_fit(
    odtool: Callable, prepared: Workspace, measuring: Callable[[str], None]
) -> None:
    auto = ("configure", "--batch-size", "auto", "--gpu", "cpu", "--memory")
    said = odtool(*auto, "170MB", "--json", "--run", "first", "--epochs", 3).json
    assert (said["batch_size"], said["num_steps"]) == (4, 6)
    assert said["measured"]["peak_by_batch"] == {"1": 115_500_000, "4": 147_000_000, "8": 189_000_000}
    change = next(each for each in said["changes"] if each["field"] == "train_config.batch_size")
    assert change["reason"] == "--batch-size auto: the largest that fits 0.17 GB"
    said = odtool(*auto, "1GB", "--run", "second")
    assert "fits 1.00 GB, and twice as much is more than 8 images" in said.out
    assert "measured memory by batch, with 5% added for a long run: 1: 0.12 GB, 4: 0.15 GB" in said.err


def test_auto_measures_in_the_precision_that_training_is_to_have(
    odtool: Callable, prepared: Workspace, measuring: Callable[[str], None]
) -> None:
    measuring("assert others == ['--precision', 'bfloat16']")
    said = odtool("configure", "--batch-size", "auto", "--gpu", "cpu", "--precision", "bfloat16")
    assert said.code == 0, said.err
    assert "measuring some training steps in bfloat16 with a batch of 1 on cpu" in said.err
    assert (
        "note: the batch size was measured in bfloat16, so train in it: odtool train --precision bfloat16" in said.out
    )
    measuring("assert others == ['--precision', 'float32']")
    assert odtool("configure", "--batch-size", "auto", "--gpu", "cpu", "--run", "second").code == 0


def test_a_process_killed_while_measuring_ran_out_of_memory(odtool: Callable, measuring: Callable[[str], None]) -> None:
    measuring("if int(batch) > 2: os.kill(os.getpid(), signal.SIGKILL)")
    said = odtool("configure", "--batch-size", "auto", "--gpu", "cpu", "--json").json
    assert said["batch_size"] == 2
    assert said["measured"]["peak_by_batch"]["4"] is None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("print(json.dumps({'failed': 'no such backbone', 'hint': ''})); sys.exit(1)", "error: no such backbone"),
        ("sys.exit('no libcudart')", "engine measure: ended with exit code 1: no libcudart"),
    ],
)
def test_what_keeps_the_engine_from_measuring_is_the_error(
    odtool: Callable, prepared: Workspace, measuring: Callable[[str], None], how: str, message: str
) -> None:
    measuring(how)
    said = odtool("configure", "--batch-size", "auto", "--gpu", "cpu")
    assert said.code == 1
    assert message in said.err
    assert not prepared.train.exists()


def test_a_run_name_with_a_blank_is_quoted_where_it_is_to_be_typed(odtool: Callable, prepared: Path) -> None:
    said = odtool("configure", "--model", "demo_ssd", "--run", "two words", "--checkpoint", "none")
    assert said.out.splitlines()[-1] == "next: odtool check 'two words'"


def test_each_of_several_tasks_is_told_that_all_do_the_same(
    odtool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    for command in ("configure", "prepare", "export", "report", "preview"):
        done = odtool(command)
        assert done.code == 1, command  # there is nothing here
        assert "warning: this is task 2 of 4 of a Slurm step" in done.err, command
    assert "Slurm" not in odtool("status").err
