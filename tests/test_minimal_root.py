"""The script that tries odtool on a minimal Debian: what it takes along, and that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from odtool.detection.predict import video

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "minimal_root.py"


def run(*options: object, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def minimal_root(load_script: Callable[[str], Any]) -> Any:
    return load_script("minimal_root")


def test_what_the_configuration_of_pip_names_is_taken_along(minimal_root: Any, tmp_path: Path) -> None:
    for folder in ("home/.config/pip", "xdg/pip", "index/simple", "wheels", "more wheels"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ca.crt").touch()
    user, system = tmp_path / "home/.config/pip/pip.conf", tmp_path / "xdg/pip/pip.conf"
    user.write_text(f"[global]\nindex-url = https://index.example/srv/simple\nfind-links =\n  {tmp_path}/wheels\n")
    system.write_text(f"[global]\nextra-index-url = file://{tmp_path}/index/simple file://{tmp_path}/gone\n")
    environment = {"XDG_CONFIG_DIRS": f"{tmp_path}/none:{tmp_path}/xdg", "PIP_CERT": f"{tmp_path}/ca.crt", "HOME": "/"}
    paths = set(minimal_root.pip_paths(environment, tmp_path / "home"))
    own = {user, system, tmp_path / "wheels", tmp_path / "index", tmp_path / "ca.crt"}
    assert {path for path in paths if path.is_relative_to(tmp_path)} == own
    # This machine's own configuration is read as well.
    assert paths - own <= {path for path in paths if path.exists() and not path.is_relative_to(tmp_path)}
    assert Path("/") not in paths


def test_the_line_for_pip_is_the_one_in_the_readme(minimal_root: Any) -> None:
    assert f"\n{minimal_root.PLAIN} " in (ROOT / "README.md").read_text()


def test_what_it_draws_and_films_can_be_read(minimal_root: Any, tmp_path: Path) -> None:
    for code in (minimal_root.DRAW, minimal_root.FILM):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
    assert len(list((tmp_path / "drawings/images").iterdir())) == 40
    with video.opening(tmp_path / "film.mp4", every=1) as film:
        assert len(list(film.frames)) == 5


def test_where_it_cannot_be_tried_it_says_so_and_why(tmp_path: Path) -> None:
    done = run("--dir", tmp_path, environment={"PATH": str(tmp_path)})
    assert done.returncode == 77
    assert done.stderr.startswith("NOT TRIED: a minimal Debian without X and GL: ")
    assert ("debootstrap is not installed" if os.geteuid() == 0 else "it needs root") in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and chroot")
def test_a_root_that_fails_is_unmounted_and_removed(tmp_path: Path) -> None:
    """With a debootstrap that makes an empty one, in which no command can be run."""
    bootstrap = tmp_path / "bin" / "debootstrap"
    bootstrap.parent.mkdir()
    bootstrap.write_text('#!/bin/sh\nmkdir -p "$4/proc" "$4/dev" "$4/etc"\n')
    bootstrap.chmod(0o755)
    (tmp_path / "roots").mkdir()
    environment = {
        **os.environ,
        "PATH": f"{bootstrap.parent}:{os.environ['PATH']}",
        "PIP_CACHE_DIR": str(tmp_path / "cache"),
    }
    done = run("--dir", tmp_path / "roots", "--mirror", "none", environment=environment)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 1
    assert "FAILED: exit code 127 where 0 was expected: make" in done.stderr
    assert list((tmp_path / "roots").iterdir()) == []
    assert str(tmp_path / "roots") not in Path("/proc/mounts").read_text()
    assert Path("/dev/null").is_char_device()
