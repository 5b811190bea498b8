"""What is published: a complete wheel and sdist, whose public names have types."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import odtool

ROOT = Path(__file__).parent.parent
USER = """
import odtool
{names}
found = odtool.load_detector("model.tflite").detect(["image.jpg"])
reveal_type(found)
reveal_type(found[0].boxes)
odtool.load_detektor
"""


@pytest.fixture(scope="module")
def check_dist(load_script: Callable[[str], Any]) -> Any:
    return load_script("check_dist")


def test_wheel_and_sdist_are_complete(check_dist: Any, built: Path) -> None:
    assert list(check_dist.faults(built)) == []


def test_a_wheel_of_the_checkout_is_that_of_the_sdist(check_dist: Any, built: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (ours,) = tmp_path.glob("*.whl")
    assert check_dist.wheel_files(ours) == check_dist.wheel_files(built / ours.name)


def test_what_is_missing_or_strange_in_an_archive_is_named(check_dist: Any, built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive, tarfile.open(tmp_path / sdist.name, "w:gz") as copy:
        for member in archive.getmembers():
            if not member.name.endswith("odtool/py.typed"):
                copy.addfile(member, archive.extractfile(member))
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(tmp_path / wheel.name, "w") as copy:
        for name in archive.namelist():
            if name != "odtool/templates/ssd.config":
                content = archive.read(name).replace(b"\nVersion: 0", b"\nVersion: 7")
                copy.writestr(name, content)
        copy.writestr("tests/conftest.py", "")
    assert list(check_dist.faults(tmp_path)) == [
        f"{sdist.name}: lacks odtool/py.typed",
        f"{wheel.name}: lacks odtool/templates/ssd.config",
        f"{wheel.name}: should not hold tests/conftest.py",
        f"{wheel.name}: its version 7{odtool.__version__[1:]} is not {odtool.__version__}, that of odtool/__init__.py",
    ]
    broken = b"Metadata-Version: 2.4\nName: odtool\nVersion: 0.1.0\nLicense-Expression: free\n\n"
    assert "license-expression" in next(check_dist.metadata_faults("a.whl", broken))


@pytest.mark.parametrize(
    ("changelog", "urls", "missing"),
    [
        ("## [1.2.0] - 2026-12-01\n", {"Repository": "https://host.example/odtool"}, []),
        ("## [Unreleased]\n", {"Repository": "https://host.example/odtool"}, ["CHANGELOG.md"]),
        ("## [1.2.0] - soon\n", {"Homepage": "https://host.example"}, ["CHANGELOG.md", "pyproject.toml"]),
    ],
)
def test_a_version_is_released_with_a_dated_heading_and_an_address(
    check_dist: Any, changelog: str, urls: dict[str, str], missing: list[str]
) -> None:
    assert [fault.partition(":")[0] for fault in check_dist.release_faults("1.2.0", changelog, urls)] == missing


@pytest.mark.slow
def test_public_names_of_the_installed_package_have_types(installed: Path, tmp_path: Path) -> None:
    names = "\n".join(f"reveal_type(odtool.{name})" for name in odtool.__all__)
    (tmp_path / "user.py").write_text(USER.format(names=names))
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed / "python", "user.py"]
    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=bare, cwd=tmp_path)
    types = re.findall(r'note: Revealed type is "(.*)"', done.stdout)
    assert len(types) == len(odtool.__all__) + 2, done.stdout
    untyped = [shown for shown in types if re.search(r"(^|: |-> )Any\b", shown)]
    assert untyped == [], done.stdout
    assert 'Module has no attribute "load_detektor"' in done.stdout
    assert done.stdout.count(" error: ") == 1, done.stdout
