"""A run configured for drawn images, with a module's own script in the engine's place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.api.tasks import engine_process
from odtool.dataset import prepare, synthetic
from odtool.dataset.types import Source
from odtool.workspace import Workspace


@pytest.fixture
def configured(
    request: pytest.FixtureRequest, odtool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """The current folder; the engine is what the module calls ENGINE."""
    workspace = Workspace(tmp_path / "a [b] c")
    drawings = synthetic.draw(tmp_path / "drawings", images=20)
    prepare.prepare(prepare.PrepareSettings(sources=(Source(drawings),), out=workspace.data.path, val=0.2, workers=1))
    monkeypatch.chdir(workspace.root)
    (tmp_path / "engine.py").write_text(request.module.ENGINE)
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(tmp_path / "engine.py")))
    assert odtool("configure", "--model", "demo_ssd", "--run", "mine").code == 0
    return workspace
