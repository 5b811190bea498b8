"""`make` on a clean checkout: with uv, with venv and pip, and what it says on a machine where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = str(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]  # outside this environment
INSTALLED = ".venv/.installed"
TOOLS = ("sh", "make", "rm", "touch")
"""All that the Makefile calls besides Python and uv."""

_CONFIG = Path(sys.prefix) / "pyvenv.cfg"
MADE_BY = "nothing" if Path(sys.prefix) != ROOT / ".venv" else "uv" if "\nuv = " in _CONFIG.read_text() else "venv"
"""Which of the Makefile's two ways made the environment of these tests: that one need not be gone again."""

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """What git would commit of these files as they are, in a folder of its own; gigabytes in the end, and removed."""
    if not (ROOT / ".git").exists():
        pytest.skip(f"{ROOT} is not a checkout")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    folder = tmp_path / "checkout"
    for name in names:
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder to be the whole PATH, with a `python3` that is outside the range, and no other Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    script(folder / "python3", "exit 1")
    return folder


@pytest.fixture
def make(checkout: Path, path: Path) -> Make:
    """Runs make in the checkout with nothing on PATH but `path`; what it writes to stderr is in stdout, too."""

    environment = {**os.environ, "PATH": str(path), "MAKEFLAGS": ""}
    environment.pop("PYTHON", None)

    def run(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where packages cannot be downloaded, except in CI, which needs them before any test."""
    folder = tmp_path_factory.mktemp("index")
    download = [PYTHON, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", str(folder), "six"]
    done = subprocess.run(download, capture_output=True, text=True, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip("the package index cannot be reached")


@pytest.fixture(scope="session")
def uv(package_index: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The machine's uv, else the newest, in an environment of its own."""
    if installed := shutil.which("uv"):
        return installed
    folder = tmp_path_factory.mktemp("uv")
    subprocess.run([PYTHON, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "uv"], check=True)
    return str(folder / "bin" / "uv")


def script(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_without_a_python_of_the_range_make_says_which_it_needs(make: Make) -> None:
    done = make(INSTALLED)
    assert done.returncode == 2
    assert "Python 3.10, 3.11, 3.12 or 3.13 is needed and none was found" in done.stdout


def test_without_ensurepip_make_names_the_packages_that_debian_lacks(make: Make, path: Path) -> None:
    script(path / "python3", f'case "$2" in *ensurepip*) exit 1;; *) exec "{PYTHON}" "$@";; esac')
    done = make(INSTALLED)
    assert done.returncode == 2
    assert "sudo apt install python3-venv git make" in done.stdout
    assert "sudo apt install python3-venv git make" in (ROOT / "README.md").read_text()


def test_the_newest_python_of_the_range_that_starts_is_taken(make: Make, path: Path) -> None:
    script(path / "python3.13", "exit 127")
    (path / "python3.12").symlink_to(PYTHON)
    (path / "python3.10").symlink_to(PYTHON)
    assert "python3.12 -m venv .venv" in make("--dry-run", INSTALLED).stdout
    script(path / "uv", "exit 0")
    assert "uv venv --quiet --seed --python 'python3.12' .venv" in make("--dry-run", INSTALLED).stdout


def test_a_changed_lock_makes_the_environment_anew_and_a_changed_pyproject_does_not(
    make: Make, path: Path, checkout: Path
) -> None:
    """What an older lock held and this one does not, such as a second build of OpenCV, would stay otherwise."""
    script(path / "uv", 'case "$1" in venv) PATH=/usr/bin:/bin mkdir .venv;; esac')
    assert make(INSTALLED).returncode == 0
    (checkout / ".venv" / "left").touch()
    for file, is_left in (("pyproject.toml", True), ("requirements.lock", False)):
        newer = (checkout / INSTALLED).stat().st_mtime + 10
        os.utime(checkout / file, (newer, newer))
        assert make(INSTALLED).returncode == 0
        assert (checkout / ".venv" / "left").exists() is is_left


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(MADE_BY == "uv", reason="these tests run in what it installed")
def test_uv_installs_from_a_clean_checkout_on_a_python_of_its_own_choice(
    uv: str, make: Make, path: Path, checkout: Path
) -> None:
    (path / "uv").symlink_to(uv)
    (path / "python").symlink_to(PYTHON)  # which the Makefile does not look for, and uv does
    done = make(INSTALLED, timeout=1500)
    assert done.returncode == 0, done.stdout
    assert "uv venv --quiet --seed --python '>=3.10,<3.14' .venv" in done.stdout
    assert_sound(checkout)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(MADE_BY == "venv", reason="these tests run in what it installed")
@pytest.mark.usefixtures("package_index")
def test_venv_and_pip_install_from_a_clean_checkout(make: Make, path: Path, checkout: Path) -> None:
    (path / "python3").unlink()
    (path / "python3").symlink_to(PYTHON)
    done = make(INSTALLED, timeout=1500)
    assert done.returncode == 0, done.stdout
    assert "python3 -m venv .venv" in done.stdout
    assert_sound(checkout)


def assert_sound(checkout: Path) -> None:
    done = subprocess.run(
        [checkout / ".venv" / "bin" / "odtool", "doctor"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
