"""Which tracker a run is told to, and at which address."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from odtool.api.requests import Chosen, RequestError
from odtool.api.tasks import tracking_feed
from odtool.errors import OdtoolError
from odtool.tracking import place
from odtool.workspace import Run, Workspace


@pytest.fixture
def chosen(tmp_path: Path) -> Chosen:
    space = Workspace(tmp_path / "my work")
    run = Run(space.train / "first")
    run.path.mkdir(parents=True)
    return Chosen(space, run)


def choose(
    chosen: Chosen, name: str | None, artifacts: bool | None = None, **environment: str
) -> place.TrackingPlace | None:
    return tracking_feed.choose(chosen, name, artifacts, environment)


def test_a_run_is_tracked_where_it_is_asked_for_and_then_as_before(chosen: Chosen) -> None:
    assert choose(chosen, None) is None
    first = choose(chosen, "mlflow", True, MLFLOW_TRACKING_URI="http://host:5000", MLFLOW_EXPERIMENT_NAME="discs")
    assert first == place.TrackingPlace("mlflow", "http://host:5000", "discs", artifacts=True)
    assert choose(chosen, None) == first
    assert choose(chosen, "mlflow") == first  # its address is known; the environment names no other
    assert choose(chosen, None, False) == replace(first, artifacts=False)
    assert choose(chosen, "none") is None
    assert choose(chosen, None) is None


def test_how_far_it_was_told_is_kept_but_for_another_tracker_or_address(chosen: Chosen) -> None:
    first = choose(chosen, "mlflow", MLFLOW_TRACKING_URI="http://one:5000")
    assert first is not None
    place.save(chosen.run, replace(first, remote="r", offset=5, sending=5))
    same = choose(chosen, "mlflow", MLFLOW_TRACKING_URI="http://one:5000")
    assert same is not None
    assert same.offset == 5
    other = choose(chosen, "mlflow", MLFLOW_TRACKING_URI="http://two:5000")
    assert (other and other.where, other and other.offset, other and other.remote) == ("http://two:5000", 0, None)
    assert choose(chosen, "wandb", WANDB_PROJECT="discs") == place.TrackingPlace("wandb", "", "discs")


@pytest.mark.parametrize(
    ("named", "where"),
    [
        ("", "sqlite:///{root}/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
        ("sqlite:////data/ml.db", "sqlite:////data/ml.db"),
        # Its process stands in another folder.
        ("sqlite:///ml.db", "sqlite:///{here}/ml.db"),
        ("./mlruns", "{here}/mlruns"),
        ("file:mlruns", "file:{here}/mlruns"),
        ("file:///data/mlruns", "file:///data/mlruns"),
    ],
)
def test_an_address_of_mlflow_means_the_same_from_anywhere(
    chosen: Chosen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = choose(chosen, "mlflow", MLFLOW_TRACKING_URI=named)
    assert found is not None
    assert found.where == where.format(root=chosen.space.root, here=tmp_path)
    assert found.project == "my work"


def test_a_password_is_not_kept_with_the_run(chosen: Chosen) -> None:
    with pytest.raises(OdtoolError, match="holds a password") as caught:
        choose(chosen, "mlflow", MLFLOW_TRACKING_URI="https://me:secret@host/")
    assert "MLFLOW_TRACKING_PASSWORD" in caught.value.hint
    assert "secret" not in caught.value.message
    assert not chosen.run.tracking.exists()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_library_that_is_missing_is_named_with_the_extra(
    chosen: Chosen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == name else object())
    with pytest.raises(OdtoolError, match=f"{name} is not installed") as caught:
        choose(chosen, name)
    assert f"pip install 'odtool[{name}]'" in caught.value.hint
    assert not chosen.run.tracking.exists()


def test_the_thin_client_alone_asks_for_a_server(chosen: Chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "sqlalchemy" else object())
    with pytest.raises(OdtoolError, match="no MLflow server is named") as caught:
        choose(chosen, "mlflow")
    assert "MLFLOW_TRACKING_URI" in caught.value.hint


def test_a_tracker_that_is_not_known_is_refused() -> None:
    with pytest.raises(RequestError, match="'comet' is not one of mlflow, wandb, none"):
        tracking_feed.refuse_unknown("track", "comet")


@pytest.mark.parametrize("named", ["", "sqlite:///{root}/other.db", "file:{root}/mlruns", "{root}/mlruns"])
def test_what_lies_in_the_workspace_is_found_there_after_a_move(chosen: Chosen, named: str) -> None:
    root = chosen.space.root
    first = choose(chosen, "mlflow", MLFLOW_TRACKING_URI=named.format(root=root))
    assert first is not None
    assert str(root) in first.where
    moved = root.rename(root.with_name("elsewhere"))
    found = place.load(Run(moved / "train" / "first"))
    assert found == replace(first, where=first.where.replace(str(root), str(moved)))


def test_what_lies_elsewhere_stays_there_after_a_move(chosen: Chosen) -> None:
    root = chosen.space.root
    beside = f"sqlite:///{root}-2/mlflow.db"
    choose(chosen, "mlflow", MLFLOW_TRACKING_URI=beside)
    found = place.load(Run(root.rename(root.with_name("elsewhere")) / "train" / "first"))
    assert found is not None
    assert found.where == beside
