"""Installs odtool in a minimal Debian, made for it and removed again, and uses it there without X and GL.

    sudo python3 scripts/minimal_root.py            # as `make` installs it, from requirements.lock; five minutes
    sudo python3 scripts/minimal_root.py --plain    # by the README's line for pip, which brings both builds of OpenCV
    sudo python3 scripts/minimal_root.py --demo     # and the whole of `odtool demo` besides

What is installed is a clean clone of the last commit. Training, evaluation, export, predictions and reports are tried
while OpenCV cannot be imported, then its repair as odtool prints it, then videos. It needs root, debootstrap and git;
mounts and processes live in namespaces of their own and end with them, however it ends.

Exit codes: 0 all held; 1 something did not; 77 it cannot be tried here, and the last line says why.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

CANNOT = 77
"""The exit code by which automake's and other test drivers know a test that was skipped."""
PACKAGES = "python3,python3-venv,make,git,ca-certificates"
"""What the README names, and the certificates that any download needs."""
PROJECT = Path(__file__).resolve().parent.parent
PLAIN = "pip install --use-pep517 ."
CHECKOUT, WORKSPACE = "/odtool", "/workspace"
PASSED_ON = re.compile(r"PIP_|SSL_CERT_|REQUESTS_CA_|CURL_CA_|OPENBLAS_|[a-z]+_proxy$", re.IGNORECASE)
"""Variables by which this machine says how packages are reached, and which code its processor runs."""

DRAW = "from pathlib import Path; from odtool.dataset import synthetic; synthetic.draw(Path('drawings'), images=40)"
FILM = """
import cv2
import numpy as np
film = cv2.VideoWriter("film.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 160))
for brightness in range(0, 250, 50):
    film.write(np.full((160, 160, 3), brightness, np.uint8))
film.release()
"""
WITHOUT_VIDEOS = "warning: videos need OpenCV"
ALL_SOUND = "\nnothing here would fail"


class RootError(Exception):
    """Something did not hold, or could not be tried."""


def main() -> int:
    options = _options()
    if options.root is not None:
        return _inside(options)
    if obstacle := _obstacle():
        return _cannot(obstacle)
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="odtool-root-", dir=options.dir))
    try:
        return subprocess.run([*_NAMESPACES, sys.executable, *sys.argv, "--root", folder], check=False).returncode
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            _remove(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", action="store_true", help="the README's pip install in place of make")
    parser.add_argument("--demo", action="store_true", help="odtool demo besides, which takes minutes")
    parser.add_argument("--suite", default="bookworm", help="Debian's release; Debian 12 unless given")
    parser.add_argument("--mirror", help="where its packages come from; else what apt uses here")
    parser.add_argument("--dir", help="folder to make the root in, of 8 GB; the usual one for temporary files")
    parser.add_argument("--keep", action="store_true", help="leave the root where it is")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)  # given to the process in the namespaces
    return parser.parse_args()


_NAMESPACES = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
"""With the last process in them mounts are gone, so that nothing beyond the root can be removed through them."""


def _obstacle() -> str:
    if os.geteuid() != 0:
        return "it needs root, for debootstrap and chroot"
    for tool in ("debootstrap", "unshare", "chroot", "git"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False).returncode:
        return "this container's root may not mount"
    return ""


def _cannot(reason: str) -> int:
    print(f"NOT TRIED: a minimal Debian without X and GL: {reason}", file=sys.stderr, flush=True)
    return CANNOT


def _end(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _remove(folder: Path) -> None:
    """After the processes in it, which a signal may have ended only just now."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.2)
    print(f"could not be removed: {folder}", file=sys.stderr)


def _inside(options: argparse.Namespace) -> int:
    """What the process in the namespaces does."""
    root = Root(options.root)
    try:
        mirror = options.mirror or _mirror(options.suite)
        root.bootstrap(options.suite, mirror)
    except RootError as error:
        return _cannot(str(error))
    try:
        root.furnish()
        _try_out(root, _install(root, plain=options.plain), demo=options.demo)
    except RootError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    finally:
        root.summarize()
    print(f"\nodtool works on a minimal Debian {options.suite}: {PLAIN if options.plain else 'make'}")
    return 0


def _mirror(suite: str) -> str:
    """Where this machine's apt has the release from."""
    form = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    try:
        targets = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")
    except FileNotFoundError:
        targets = []
    for words in map(str.split, targets):
        if words[1:] == [suite, "main"]:
            return words[0]
    raise RootError(f"apt knows no mirror of Debian {suite} here; name one with --mirror")


def pip_paths(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Files and folders that pip's configuration is, or names: certificates, constraints, wheels, indexes on disk."""
    folders = [*environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"), environment.get("XDG_CONFIG_HOME", "")]
    files = [Path(folder, "pip/pip.conf") for folder in folders if folder]
    files += [Path("/etc/pip.conf"), home / ".config/pip/pip.conf", home / ".pip/pip.conf"]
    files += [Path(environment["PIP_CONFIG_FILE"])] if "PIP_CONFIG_FILE" in environment else []
    files = [file for file in files if file.is_file()]
    settings = [file.read_text() for file in files]
    settings += [value for name, value in environment.items() if PASSED_ON.match(name)]
    yield from files
    for scheme, name in re.findall(r"(?<![\w/:.])(file://)?(/[^\s,'\"]+)", "\n".join(settings)):
        path = Path(name)
        if path.exists():
            # The pages of an index link to files beside it.
            yield path.parent if scheme and len(path.parts) > 2 else path


@dataclass
class Root:
    """The minimal Debian, and what has been done in it."""

    path: Path
    steps: list[tuple[float, str]] = field(default_factory=list)
    """Seconds and command."""

    def bootstrap(self, suite: str, mirror: str) -> None:
        """Raises RootError where debootstrap cannot make it, as without a network."""
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(self.path), mirror]
        if self._timed(command, os.environ, quiet=True)[0]:
            log = self.path / "debootstrap/debootstrap.log"
            last = log.read_text(errors="replace").splitlines()[-1:] if log.is_file() else []
            raise RootError(f"debootstrap failed: {' '.join(last)}")

    def furnish(self) -> None:
        """Puts the kernel's file systems, this machine's way to packages and a clean clone into it."""
        self._mount("-t", "proc", "proc", at=Path("/proc"))
        self._mount("--rbind", "/dev", at=Path("/dev"))
        home = Path.home()
        for path in dict.fromkeys([Path("/etc/resolv.conf"), Path("/etc/hosts"), *pip_paths(os.environ, home)]):
            self._bind(path)
        cache = Path(os.environ.get("PIP_CACHE_DIR") or home / ".cache/pip")
        cache.mkdir(parents=True, exist_ok=True)
        self._bind(cache, writable=True)
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", PROJECT, self._at(CHECKOUT)], check=True)
        self._at(WORKSPACE).mkdir()

    def run(self, command: str, *, folder: str = WORKSPACE, code: int = 0, says: str = "") -> str:
        """What a command in it prints, which is shown as it comes.

        Raises:
            RootError: it ends with another exit code, or does not say that.
        """
        inside = f"cd {folder} && {command}"
        ended, said = self._timed(["chroot", str(self.path), "/bin/bash", "-c", inside], _environment(), name=command)
        if ended != code:
            raise RootError(f"exit code {ended} where {code} was expected: {command}")
        if says not in said:
            raise RootError(f"does not say {says.strip()!r}: {command}")
        return said

    def summarize(self) -> None:
        print("\nseconds  step")
        for seconds, name in self.steps:
            print(f"{seconds:7.1f}  {name.splitlines()[0][:100]}")
        print(f"{sum(seconds for seconds, _ in self.steps):7.1f}  together", flush=True)

    def _timed(
        self, command: list[str], environment: Mapping[str, str], *, name: str = "", quiet: bool = False
    ) -> tuple[int, str]:
        name = name or shlex.join(command)
        print(f"\n$ {name}", flush=True)
        began, said = time.monotonic(), ""
        with subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                said += line
                if not quiet:
                    print(f"    {line}", end="", flush=True)
        self.steps.append((time.monotonic() - began, name))
        return process.returncode, said

    def _at(self, path: str | Path) -> Path:
        return self.path / str(path).lstrip("/")

    def _bind(self, path: Path, *, writable: bool = False) -> None:
        place = self._at(path)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)  # a link would be followed out of the root
            place.touch()
        self._mount("--bind", str(path.resolve()), at=path)
        if not writable:
            self._mount("-o", "remount,bind,ro", at=path)

    def _mount(self, *options: str, at: Path) -> None:
        subprocess.run(["mount", *options, str(self._at(at))], check=True)


def _environment() -> dict[str, str]:
    passed_on = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    return {**passed_on, "PATH": path, "HOME": str(Path.home()), "LANG": "C.UTF-8", "COLUMNS": "160"}


def _install(root: Root, *, plain: bool) -> Path:
    """The folder of its commands, once it is installed."""
    if plain:
        root.run(f"python3 -m venv /venv && /venv/bin/{PLAIN} --quiet", folder=CHECKOUT)
        return Path("/venv/bin")
    root.run("make .venv/.installed", folder=CHECKOUT)
    return Path(CHECKOUT, ".venv/bin")


def _try_out(root: Root, commands: Path, *, demo: bool) -> None:
    odtool, python = commands / "odtool", commands / "python"
    said = root.run(f"{odtool} doctor", says="builds and runs")
    if WITHOUT_VIDEOS not in said:
        _videos(root, odtool, python, said)
        _break_opencv(root, python)
        said = root.run(f"{odtool} doctor", says=WITHOUT_VIDEOS)
    if "nothing else here would fail" not in said:
        raise RootError("doctor finds more than videos to be broken")
    _go_the_way(root, odtool, python)
    root.run("touch none.mp4")
    said = root.run(f"{odtool} predict drawings/images none.mp4", code=1, says="error: videos need OpenCV")
    repair = re.search(r"Repair it with: (.*)", said)
    if repair is None:
        raise RootError("a video without OpenCV does not say how to repair it")
    root.run(repair[1])
    _videos(root, odtool, python, root.run(f"{odtool} doctor"), predict=True)
    if demo:
        root.run(f"{odtool} demo")


def _break_opencv(root: Root, python: Path) -> None:
    """As a package does that requires opencv-python, whatever else is there."""
    version = f"{python} -c 'from importlib import metadata; print(metadata.version(\"opencv-python-headless\"))'"
    install = f"{python} -m pip install --quiet --no-deps --force-reinstall"
    root.run(f'{install} "opencv-python==$({version})"')


def _go_the_way(root: Root, odtool: Path, python: Path) -> None:
    """From drawn images to a report, with a model that hardly learns."""
    root.run(f"{python} -c {shlex.quote(DRAW)}")
    root.run(f"{odtool} prepare drawings --val 0.2")
    root.run(f"{odtool} configure --model demo_ssd --steps 30 --batch-size 8")
    root.run(f"{odtool} train --foreground --gpu cpu", says="train finished")
    root.run(f"{odtool} eval --foreground", says="eval finished")
    # A model of so few steps gives equal scores, and which of equals are kept differs between runtimes.
    root.run(f"{odtool} export --format savedmodel,tflite --verify-images 4 --min-agreement 0")
    root.run(f"{odtool} predict drawings/images --min-score 0.1")
    root.run(f"{odtool} report")


def _videos(root: Root, odtool: Path, python: Path, said: str, *, predict: bool = False) -> None:
    if ALL_SOUND not in said:
        raise RootError("doctor does not find everything sound")
    root.run(f"{python} -c {shlex.quote(FILM)}")
    if predict:
        root.run(f"{odtool} predict film.mp4 --min-score 0.1")


if __name__ == "__main__":
    sys.exit(main())
