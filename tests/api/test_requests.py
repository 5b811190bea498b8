"""Calls with a request's fields, and what every request refuses."""

from __future__ import annotations

import ast
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import odtool
from odtool.api import requests
from odtool.api.data.inspect import InspectRequest
from odtool.api.data.prepare import PrepareRequest
from odtool.api.model.configure import ConfigureRequest
from odtool.api.requests import RequestError, find_run, find_workspace
from odtool.api.result.export import ExportRequest
from odtool.api.result.predict import PredictRequest
from odtool.api.result.report import ReportRequest
from odtool.api.run.evaluate import EvaluateRequest
from odtool.api.run.stop import StopRequest
from odtool.api.run.train import TrainRequest
from odtool.errors import OdtoolError
from odtool.workspace import Workspace

PACKAGE = Path(odtool.__file__).parent
CALLS = sorted(set(odtool.__all__) - {"__version__", "load_detector"})


def request_of(name: str) -> Any:
    """The type whose fields are the arguments of a public call."""
    return getattr(sys.modules[getattr(odtool, name).__module__], f"{name.capitalize()}Request")


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_its_requests_fields_as_arguments(name: str) -> None:
    call, request = getattr(odtool, name), request_of(name)
    assert is_dataclass(request)
    assert list(inspect.signature(call).parameters) == [item.name for item in fields(request)]
    assert call.__doc__
    assert call.__name__ == name


@pytest.mark.parametrize("name", CALLS)
def test_every_field_of_a_request_is_documented_or_says_itself_what_it_is(name: str) -> None:
    tree = ast.parse(Path(sys.modules[getattr(odtool, name).__module__].__file__ or "").read_text())
    (request,) = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == f"{name.capitalize()}Request"
    ]
    for statement, after in zip(request.body, [*request.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            assert documented or statement.target.id in {"_", "workspace", "progress", "notify"}, statement.target.id


@pytest.mark.parametrize("name", CALLS)
def test_requests_are_frozen_and_can_be_sent_to_another_process(name: str) -> None:
    request = request_of(name)("photos") if name == "predict" else request_of(name)()
    with pytest.raises(FrozenInstanceError):
        request.workspace = "elsewhere"
    assert pickle.loads(pickle.dumps(request)) == request


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: TrainRequest(early_stop=3), "early_stop"),
        (lambda: TrainRequest(best="AR"), "best"),
        (lambda: TrainRequest(best="mAP5", evaluate=True), "best"),
        (lambda: TrainRequest(time_limit="soon"), "time_limit"),
        (lambda: TrainRequest(time_limit=0), "time_limit"),
        (lambda: TrainRequest(time_limit=-5.0), "time_limit"),
        (lambda: TrainRequest(keep_checkpoints=0), "keep_checkpoints"),
        (lambda: TrainRequest(precision="float16"), "precision"),
        (lambda: EvaluateRequest(latest=True, checkpoint="best"), "latest"),
        (lambda: EvaluateRequest(sample=0), "sample"),
        (lambda: StopRequest(task="predict"), "task"),
        (lambda: StopRequest(timeout=float("nan")), "timeout"),
        (lambda: PrepareRequest(overlap=3), "overlap"),
        (lambda: PrepareRequest(max_side=31), "max_side"),
        (lambda: PrepareRequest(max_side=640, tile=320), "max_side"),
        (lambda: PrepareRequest(verify="some"), "verify"),
        (lambda: InspectRequest(samples=-1), "samples"),
        (lambda: ConfigureRequest("a", pipeline="b"), "model"),
        (lambda: ConfigureRequest(epochs=0), "epochs"),
        (lambda: ConfigureRequest(batch_size=0), "batch_size"),
        (lambda: ConfigureRequest(memory="6GB"), "memory"),
        (lambda: ConfigureRequest(precision="bfloat16"), "precision"),
        (lambda: ConfigureRequest(batch_size="auto", precision="float16"), "precision"),
        (lambda: ConfigureRequest(steps=3, assignments={"train_config.num_steps": 2}), "steps"),
        (lambda: ExportRequest(formats="pdf"), "formats"),
        (lambda: ExportRequest(formats=()), "formats"),
        (lambda: ExportRequest(input_type="jpeg"), "input_type"),
        (lambda: PredictRequest("photos", min_score=2.0), "min_score"),
        (lambda: PredictRequest("photos", min_score={"car": -0.1}), "min_score"),
        (lambda: PredictRequest("photos", save_as=["kitti"]), "save_as"),
        (lambda: ReportRequest(["a", "b"], checkpoint="ckpt-1"), "checkpoint"),
    ],
)
def test_a_field_that_cannot_mean_anything_is_named(make: Any, field: str) -> None:
    with pytest.raises(RequestError) as raised:
        make()
    assert raised.value.field == field
    assert raised.value.message.startswith(f"{field}: ")


def test_the_same_is_asked_for_in_pythons_way_and_in_the_command_lines() -> None:
    assert PredictRequest("a", min_score=0.4).score_texts() == ("0.4",)
    assert PredictRequest("a", min_score={"car": 0.3}).score_texts() == ("car=0.3",)
    assert PredictRequest("a", min_score=("0.4", "car=0.3")).score_texts() == ("0.4", "car=0.3")
    assignments = {"train_config.max_number_of_boxes": 50, "eval_config.use_moving_averages": True}
    assert ConfigureRequest(assignments=assignments).assignment_texts() == (
        "train_config.max_number_of_boxes=50",
        "eval_config.use_moving_averages=true",
    )


def test_a_run_is_named_or_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Workspace(tmp_path).run("first")
    run.path.mkdir(parents=True)
    run.pipeline_config.touch()
    for chosen in (find_run(tmp_path, "first"), find_run(str(tmp_path), None), find_run("/elsewhere", run)):
        assert (chosen.run, chosen.space.root) == (run, tmp_path)
    with pytest.raises(OdtoolError, match="no run 'second'"):
        find_run(tmp_path, "second")
    with pytest.raises(OdtoolError, match="no such folder"):
        find_workspace(tmp_path / "absent")


def test_what_names_runs_may_be_runs_but_no_addresses(tmp_path: Path) -> None:
    run = Workspace(tmp_path).run("first")
    for request in (ReportRequest([run, "second"]), ExportRequest(run), EvaluateRequest(run)):
        requests._refuse_addresses(request)
    with pytest.raises(OdtoolError, match=r"^gs://bucket/run: is an address"):
        requests._refuse_addresses(ReportRequest([run, "gs://bucket/run"]))


def test_no_public_name_is_a_modules_name() -> None:
    """Importing odtool/NAME would put the module in the place of the function."""
    assert not {path.stem for path in PACKAGE.iterdir()} & set(odtool.__all__)
    assert set(odtool.__all__) <= set(dir(odtool))
    with pytest.raises(AttributeError, match="no attribute 'preparre'"):
        odtool.preparre  # type: ignore[attr-defined]  # noqa: B018


def test_a_type_checker_knows_arguments_and_results(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import odtool\n"
        "reveal_type(odtool.prepare('../raccoon', val=0.1))\n"
        "reveal_type(odtool.status().train.progress.step)\n"
        "odtool.train(keep_checkpoints='many')\n"
        "odtool.prepare('../raccoon', vla=0.1)\n"
    )
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    # Where the tests run without the package installed, it is found from its own folder.
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert 'Revealed type is "odtool.dataset.sets.prepared.Prepared"' in ended.stdout, ended.stdout
    assert 'Revealed type is "int | None"' in ended.stdout.replace("Union[builtins.int, None]", "int | None").replace(
        "builtins.", ""
    )
    assert 'Argument "keep_checkpoints"' in ended.stdout
    assert 'Unexpected keyword argument "vla"' in ended.stdout
