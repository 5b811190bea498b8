"""The Pythons that odtool claims are those that it is tried on."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.metadata import Metadata

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def metadata(built: Path) -> Metadata:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        stream = archive.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert stream is not None
        return Metadata.from_email(stream.read(), validate=True)


@pytest.fixture(scope="module")
def claimed(metadata: Metadata) -> list[str]:
    """The Pythons of the classifiers."""
    pattern = r"Programming Language :: Python :: (3\.\d+)"
    return [match[1] for each in metadata.classifiers or [] if (match := re.fullmatch(pattern, each))]


def test_requires_python_admits_what_the_classifiers_name(metadata: Metadata, claimed: list[str]) -> None:
    assert metadata.requires_python is not None
    admitted = [f"3.{minor}" for minor in range(40) if metadata.requires_python.contains(f"3.{minor}.4")]
    assert admitted == claimed


def test_the_hosted_workflow_runs_ci_on_every_one(claimed: list[str]) -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == claimed
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_make_matrix_tries_every_one(load_script: Callable[[str], Any], claimed: list[str]) -> None:
    assert list(load_script("matrix").PYTHONS) == claimed
